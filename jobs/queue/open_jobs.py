"""The jobs that wait and those that run, as rows that the scheduler's columns are made of."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import QuerySet

from jobs.queue import estimates
from jobs.queue.kinds import KINDS, usable
from jobs.queue.models import Attempt, Job, Request
from jobs.queue.reasons import Status
from jobs.queue.work import Speeds, work_of
from jobs.scheduler.snapshot import NOWHERE

FIELDS = (
    "pk", "owner_id", "created_at", "accelerator", "kind", "recipe", "request", "position", "spec__resources",
    "spec__params", "version_id", "boost", "macs",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One open job. Times are seconds since the epoch, `work_s` and `pace_s` seconds on its fastest type: what it has
    had, and what is left at the pace that it last told (NaN: none). `ran_s` is what it has run on whatever; `size`
    epochs times samples, `macs` multiply-accumulates of one answer (NaN: not known); `classes` of accelerator are those
    that it may use, `units` the ones it holds; `leaving`: it was asked to leave them.
    """

    pk: str
    owner: str
    submitted_at: float
    classes: frozenset[str]
    gang: int
    memory_mb: int
    ran_s: float = 0.0
    work_s: float = 0.0
    recipe: str = ""
    size: float = np.nan
    macs: float = np.nan
    pace_s: float = np.nan
    checkpoint_s: float = 0.0
    fixed: bool = False
    leaving: bool = False
    boost: float = 1.0
    pool: int = NOWHERE
    since: float = 0.0
    units: tuple[str, ...] = field(default=(), repr=False)


def waiting(speeds: Speeds, *, now: float, only: Collection[str] | None = None) -> list[Row]:
    """The queue, oldest first; or of these jobs those that wait."""
    found = Job.objects.filter(status=Status.QUEUED).exclude(request=Request.CANCEL).order_by("pk")
    past = Attempt.objects.filter(job__status=Status.QUEUED)
    if only is not None:
        found, past = found.filter(pk__in=only), past.filter(job__in=only)
    return _rows(found.values_list(*FIELDS), past, speeds, now=now, held={})


def running(where: Mapping[str, int], speeds: Speeds, *, now: float) -> list[Row]:
    """What holds accelerators that take work; `where` tells the pool of each."""
    held = _held(where)
    if not held:
        return []
    # By status, and not by their ids: to write down a thousand of these takes longer than to answer.
    found = Job.objects.filter(status__in=[Status.STARTING, Status.RUNNING]).order_by("pk")
    past = Attempt.objects.filter(job__status__in=[Status.STARTING, Status.RUNNING])
    rows = (values for values in found.values_list(*FIELDS) if values[0] in held)
    return _rows(rows, past, speeds, now=now, held=held)


@dataclass(frozen=True)
class _Hold:
    """Where a job runs, and since when: by the leader's clock, as no node's can be relied on."""

    since: datetime
    pool: int
    units: tuple[str, ...]


def _held(where: Mapping[str, int]) -> dict[str, _Hold]:
    units: dict[tuple[str, datetime], list[str]] = defaultdict(list)
    open_ = Attempt.objects.filter(ended_at=None).values_list("job_id", "created_at", "accelerators")
    for job, since, accelerator in open_:
        if accelerator in where:
            units[job, since].append(accelerator)
    return {job: _Hold(since, where[found[0]], tuple(sorted(found))) for (job, since), found in units.items()}


def _rows(
    found: Iterable[tuple[Any, ...]],
    past: QuerySet[Attempt],
    speeds: Speeds,
    *,
    now: float,
    held: Mapping[str, _Hold],
) -> list[Row]:
    asked = [_Asked(*values) for values in found]
    done = work_of(past, speeds, now=now) if asked else {}
    samples = estimates.samples_of({each.version for each in asked})
    return [_row(each, done, samples, speeds, now=now, hold=held.get(each.pk)) for each in asked]


@dataclass(frozen=True)
class _Asked:
    """A job as the database tells of it: `FIELDS` in their order."""

    pk: str
    owner: str
    created_at: datetime
    accelerator: str
    kind: str
    recipe: str
    request: str
    position: Mapping[str, Any]
    resources: Mapping[str, Any] | None
    params: Mapping[str, Any] | None
    version: str | None
    boost: float
    macs: int | None


def _row(
    asked: _Asked,
    done: Mapping[str, tuple[float, float]],
    samples: Mapping[str, int | None],
    speeds: Speeds,
    *,
    now: float,
    hold: _Hold | None,
) -> Row:
    resources, (ran, work) = asked.resources or {}, done.get(asked.pk, (0.0, 0.0))
    classes = usable(asked.kind, asked.accelerator)
    pace = speeds.relative(classes, hold.units) if hold else 0.0
    return Row(
        pk=asked.pk,
        owner=asked.owner,
        submitted_at=asked.created_at.timestamp(),
        classes=classes,
        gang=len(hold.units) if hold else resources.get("count") or 1,
        memory_mb=resources.get("memory_mb") or 0,
        ran_s=ran,
        work_s=work,
        recipe=asked.recipe,
        size=estimates.size(asked.params or {}, samples.get(asked.version or "")),
        macs=float(asked.macs or np.nan),
        pace_s=estimates.by_pace(asked.position) * pace if hold else np.nan,
        checkpoint_s=float(asked.position.get("checkpoint_s") or 0.0),
        boost=asked.boost,
        fixed=asked.request != Request.NONE or not _may_leave(asked.kind),
        leaving=hold is not None and asked.request != Request.NONE,
        pool=hold.pool if hold else NOWHERE,
        since=hold.since.timestamp() if hold else now,
        units=hold.units if hold else (),
    )


def _may_leave(kind: str) -> bool:
    return kind in KINDS and KINDS[kind].preemptible
