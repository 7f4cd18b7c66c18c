"""A look ahead, as the leader takes one."""

from django.utils import timezone

from jobs.queue import outlook
from jobs.queue.models import Job
from jobs.scheduler import lifetable


def look() -> int:
    return outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY)


def runs_for(job: Job, seconds: float) -> None:
    """As if its pace told that so much is left; and its checkpoints cost as much, so that it gives way to nobody."""
    pace = {"step": 0, "steps": 100, "steps_per_s": 100 / seconds}
    Job.objects.filter(pk=job.pk).update(position=pace | {"checkpoint_s": seconds})
