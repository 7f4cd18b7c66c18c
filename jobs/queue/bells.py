"""Who is woken by what (`portal.core.live`): hints, like Celery's messages, but for whoever waits already."""

from jobs.queue.models import Job
from portal.core import live


def control_bell(job_id: str) -> str:
    """The bell at which the supervisor of a running job waits."""
    return f"job.{job_id}"


def wake_control(job: Job) -> None:
    """Tell the supervisor of a running job that something was asked of it."""
    live.ring(control_bell(job.pk))
