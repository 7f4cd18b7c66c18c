"""What happened, as the portal's database and the jobs' own lines have it."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.chaos.monkey import Kill
from tests.chaos.spans import Span

EXPECTED = ("done", "node_lost", "drained")
Try = tuple[str, int]  # a job's id and the number of an attempt


@dataclass(frozen=True)
class Attempt:
    """Times are seconds since the epoch; None where it did not get so far."""

    job: str
    number: int
    node: str
    accelerators: tuple[str, ...]
    placed: float
    claimed: float | None
    started: float | None
    ended: float | None
    reason: str
    refunds: tuple[bool, ...]  # of each entry in the ledger

    @property
    def key(self) -> Try:
        return self.job, self.number


@dataclass
class History:
    """`jobs`: the status of each by its id; `noops`: those of them that do nothing; `models` and `finals`: how many
    models, and final events, each has. `moves`: when a job came into the queue (+1) or left it (-1). `lived`, by the
    machine's monotonic clock, and `effects`, the number of ends, are what the runs of jobs that do nothing wrote down
    themselves. From `began` to `over` kills were made. `accelerators`: the node of each.
    """

    jobs: dict[str, str]
    noops: frozenset[str]
    models: dict[str, int]
    finals: dict[str, int]
    attempts: list[Attempt]
    moves: list[tuple[float, int]]
    kills: list[Kill]
    began: float
    over: float
    accelerators: dict[str, str]
    lived: dict[Try, Span] = field(default_factory=dict)
    effects: dict[Try, int] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)  # processes and folders, when all was stopped
    odd: list[str] = field(default_factory=list)  # why attempts ended that no kill explains


def read(kills: list[Kill], *, began: float, over: float) -> History:
    """From the database."""
    from hardware.nodes.models import Accelerator
    from jobs.queue.models import Job, JobEvent
    from jobs.queue.reasons import FINAL
    from tests.chaos.noop import KIND

    events = list(JobEvent.objects.order_by("at", "id").values_list("job", "at", "old", "new"))
    finals: dict[str, int] = defaultdict(int)
    for job, _at, old, new in events:
        finals[job] += new in FINAL and old != new
    return History(
        jobs=dict(Job.objects.values_list("pk", "status")),
        noops=frozenset(Job.objects.filter(kind=KIND).values_list("pk", flat=True)),
        models=_models(),
        finals=dict(finals),
        attempts=_attempts(),
        moves=[
            (at.timestamp(), 1 if new == "queued" else -1)
            for _job, at, old, new in events
            if old != new and "queued" in {old, new}
        ],
        kills=kills,
        began=began,
        over=over,
        accelerators=dict(Accelerator.objects.filter(enabled=True).values_list("pk", "node__name")),
        odd=_odd(),
    )


def _odd() -> list[str]:
    """What the events say of the ends that are none of a kill's, and the jobs' logs."""
    from jobs.queue.models import JobEvent, LogChunk

    events = JobEvent.objects.exclude(reason__in=["", *EXPECTED]).values_list("job", "reason", "sentence")
    logs = {job: LogChunk.objects.filter(job=job).values_list("text", flat=True) for job, *_ in events}
    return [f"{job} {reason}: {sentence} {' '.join(logs[job])}" for job, reason, sentence in events]


def _models() -> dict[str, int]:
    from django.db.models import Count

    from jobs.bundles.models import TrainedModel

    return dict(TrainedModel.objects.values_list("job").annotate(n=Count("pk")).order_by())


def _attempts() -> list[Attempt]:
    from jobs.queue import models
    from portal.ledger.models import LedgerEntry

    refunds: dict[str, list[bool]] = defaultdict(list)
    for attempt, refunded in LedgerEntry.objects.filter(corrects=None).values_list("attempt", "refunded"):
        refunds[attempt].append(refunded)
    rows = models.Attempt.objects.prefetch_related("accelerators").order_by("job", "number")
    return [
        Attempt(
            job=row.job_id,
            number=row.number,
            node=row.node_name,
            accelerators=tuple(each.pk for each in row.accelerators.all()),
            placed=row.created_at.timestamp(),
            claimed=_seconds(row.claimed_at),
            started=_seconds(row.started_at),
            ended=_seconds(row.ended_at),
            reason=row.end_reason,
            refunds=tuple(refunds[row.pk]),
        )
        for row in rows
    ]


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def read_effects(history: History, files: Iterable[Path]) -> None:
    """What the runs wrote down themselves."""
    for file in files:
        for text in file.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            key = (line["job"], line["attempt"])
            begin, _end = history.lived.get(key, (line["at"], 0.0))
            history.lived[key] = (begin, line["at"])
            history.effects[key] = history.effects.get(key, 0) + (line["what"] == "ended")
