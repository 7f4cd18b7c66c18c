"""The life table of this machine's jobs, from the database."""

import numpy as np

from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import Status
from jobs.queue.work import speeds, work_of
from jobs.scheduler import lifetable
from jobs.scheduler.lifetable import LifeTable

LEARNT_FROM = 2000


def learn(*, now: float) -> LifeTable:
    """Of the newest jobs that succeeded, and of those that run (they count as lasting longer)."""
    known = speeds()
    ended = Job.objects.filter(status=Status.SUCCEEDED).order_by("-pk").values_list("pk", flat=True)
    finished = work_of(Attempt.objects.filter(job__in=list(ended[:LEARNT_FROM])), known, now=now)
    going = work_of(Attempt.objects.filter(job__status__in=[Status.RUNNING, Status.QUEUED]), known, now=now)
    return lifetable.fit(_seconds(finished), _seconds(going))


def _seconds(worked: dict[str, tuple[float, float]]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.array([work for _ran, work in worked.values()], dtype=np.float64)
