"""Why each job waits and when it will start: made by the leader beside its passes, read by pages and the API."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db import transaction
from django.db.models import F, Q

from jobs.queue import alternatives, columns
from jobs.queue.backlog import Backlog
from jobs.queue.models import Job, Outlook, Request
from jobs.queue.reasons import Status
from jobs.scheduler import forecast
from jobs.scheduler.explain import Why, explain
from jobs.scheduler.forecast import Effort, Range
from jobs.scheduler.lifetable import LifeTable
from jobs.scheduler.plan import plan
from jobs.scheduler.snapshot import NOWHERE, Snapshot, only
from portal.core import leases

EVERY_S = 30.0
TOLD = 2000  # who stands further back is told just that
MOST = 300  # of those that wait, the next ones are told when; the others only where they stand
ROLLS_S = 2.0  # of each look; not more, as the passes go on meanwhile in the same interpreter
RANGES = 0.6  # of that time; the alternatives have what is left
BATCH = 500
START_UP_S = 10.0  # between a place that is free and an engine that runs
KEPT = timedelta(days=30)
PRIOR = 20  # ranges


class Lookout:
    """Looks ahead now and then while jobs wait; at once, nearly, for who has just come. One leader's."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at = float("-inf")
        self._began = datetime.min.replace(tzinfo=UTC)
        self._backlog = Backlog(clock=clock)  # its own: it looks from a thread of its own

    def run(self, *, now: float, lives: LifeTable) -> int:
        """For how many jobs something was written down; 0 when it is not time yet."""
        waiting = Job.objects.filter(status=Status.QUEUED).exclude(request=Request.CANCEL)
        is_time = self._clock() - self._looked_at >= EVERY_S
        if not (waiting if is_time else waiting.filter(created_at__gt=self._began)).exists():
            return 0
        self._looked_at, self._began = self._clock(), datetime.fromtimestamp(now, UTC)
        return refresh(now=now, lives=lives, backlog=self._backlog)


def refresh(
    *,
    now: float,
    lives: LifeTable,
    backlog: Backlog | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Look ahead once, and write down what was seen for each waiting job; for how many. `now`: seconds since the
    epoch; `backlog`: what is known of the queue.
    """
    machine = columns.take_machine()
    snapshot = columns.take_snapshot(machine, now=now, lives=lives, backlog=backlog)
    if not (snapshot.jobs.pool == NOWHERE).any():
        return 0
    reasons = explain(snapshot, plan(snapshot, full=False), most=TOLD)
    near, until = _near(snapshot, reasons), clock() + ROLLS_S
    starts = forecast.starts(near, seed=int(now), effort=Effort(budget_s=RANGES * ROLLS_S), clock=clock)
    others = alternatives.sooner(near, machine, starts, reasons, until=until, clock=clock)
    sure = record(now=datetime.fromtimestamp(now, UTC)).confidence
    rows = [_outlook(why, starts.get(why.job), others.get(why.job, []), now, sure) for why in reasons]
    _write(rows)
    return len(rows)


def _near(snapshot: Snapshot, reasons: Sequence[Why]) -> Snapshot:
    """What runs and who is next: a queue of thousands is not rolled forward."""
    wanted = {why.job for why in reasons[:MOST]}
    rows = [
        row
        for row, job in enumerate(snapshot.jobs.ids)
        if snapshot.jobs.pool[row] != NOWHERE or job in wanted
    ]
    return replace(snapshot, jobs=only(snapshot.jobs, np.array(rows, dtype=np.int64)))


def _outlook(
    why: Why, start: Range | None, others: Sequence[Mapping[str, str]], now: float, sure: float
) -> Outlook:
    made = datetime.fromtimestamp(now, UTC)
    earliest = made + timedelta(seconds=start.earliest) if start else None
    latest = made + timedelta(seconds=start.latest + START_UP_S) if start else None
    return Outlook(
        job_id=why.job,
        made_at=made,
        position=why.position,
        rivals=why.rivals,
        blocker=why.blocker.name.lower(),
        free_at_once=why.free_at_once,
        free_bytes=why.free_bytes,
        share=why.share,
        length=why.length,
        waiting=why.waiting,
        earliest=earliest,
        latest=latest,
        confidence=sure if start else None,
        alternatives=list(others),
        first_made_at=made if start else None,
        first_earliest=earliest,
        first_latest=latest,
    )


NEW = [
    "made_at", "position", "rivals", "blocker", "free_at_once", "free_bytes", "share", "length", "waiting", "earliest",
    "latest", "confidence", "alternatives",
]  # fmt: skip
FIRST = ["first_made_at", "first_earliest", "first_latest"]


@transaction.atomic
def _write(rows: Sequence[Outlook]) -> None:
    """Each job's newest outlook; the first range that it was told stays, to be judged by."""
    waiting = set(
        Job.objects.filter(pk__in=[row.job_id for row in rows], status=Status.QUEUED).values_list(
            "pk", flat=True
        )
    )
    rows = [row for row in rows if row.job_id in waiting]
    told = Q(first_made_at__isnull=False)
    known = dict(Outlook.objects.filter(told, job__in=waiting).values_list("job", "first_made_at"))
    fresh = [row for row in rows if row.job_id not in known]
    again = [row for row in rows if row.job_id in known]
    for these, fields in ((fresh, NEW + FIRST), (again, NEW)):
        Outlook.objects.bulk_create(
            these, BATCH, update_conflicts=True, unique_fields=["job"], update_fields=fields
        )


@dataclass(frozen=True)
class Record:
    """How the first ranges that jobs were told came true."""

    judged: int
    held: int

    @property
    def rate(self) -> float | None:
        """The share that held; None before any could be judged."""
        return self.held / self.judged if self.judged else None

    @property
    def confidence(self) -> float:
        """With what chance the next one holds: what the forecast aims at, as if so many had been judged by it, until
        the record tells.
        """
        return (self.held + PRIOR * forecast.CONFIDENCE) / (self.judged + PRIOR)


def record(*, now: datetime | None = None) -> Record:
    """Of the jobs that started in the last thirty days, or should have and still wait."""
    now = now or leases.clock()
    told = Outlook.objects.filter(first_made_at__isnull=False)
    started = told.filter(Q(job__started_at__gte=F("first_made_at")), job__started_at__gte=now - KEPT)
    held = started.filter(job__started_at__gte=F("first_earliest"), job__started_at__lte=F("first_latest"))
    late = told.filter(job__status=Status.QUEUED, job__started_at=None, first_latest__lt=now)
    return Record(started.count() + late.count(), held.count())


def forget() -> int:
    """Drop the outlooks of jobs that started or ended long ago; how many."""
    old = Outlook.objects.filter(made_at__lt=leases.in_future(-2 * KEPT.total_seconds()))
    return old.exclude(job__status=Status.QUEUED).delete()[0]
