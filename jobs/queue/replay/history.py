"""The jobs of some days, the machine and its members, from the database as the pure replay wants them."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from django.db.models import Count, Min, Q, QuerySet
from django.utils.translation import gettext as _

from hardware.nodes.models import Accelerator
from jobs.queue import estimates
from jobs.queue.estimates import UNKNOWN, Pace
from jobs.queue.kinds import KINDS, in_use, usable
from jobs.queue.models import Attempt, Job
from jobs.queue.places import place_of
from jobs.queue.reasons import FINAL, POLICY, EndReason
from jobs.queue.work import Speeds, speeds
from jobs.scheduler.replay.history import History, Member, Past, Pool, fitting
from portal.kit.errors import UserError
from portal.ledger import queries as ledger

MIB: Final = 1024**2
MOST_JOBS: Final = 10_000
FIELDS: Final = (
    "pk", "owner_id", "owner__username", "kind", "status", "created_at", "started_at", "ended_at", "accelerator",
    "spec__resources", "spec__params", "recipe", "version_id", "position", "boost",
    "macs",
)  # fmt: skip


def read(*, days: int, now: datetime) -> History:
    """Jobs that were submitted in the last `days`, and those that were there already when they began.

    UserError `too_many_jobs`, `no_jobs` or `no_machine`, in words.
    """
    start = now - timedelta(days=days)
    seen = Job.objects.filter(Q(created_at__gte=start) | Q(ended_at=None) | Q(ended_at__gte=start))
    seen = seen.filter(created_at__lt=now)
    count = seen.count()
    if count > MOST_JOBS:
        detail = _(
            "There are %(count)s jobs in these days, and at most %(most)s are replayed. Ask for fewer days."
        )
        raise UserError("too_many_jobs", detail % {"count": f"{count:,}", "most": f"{MOST_JOBS:,}"})
    pools = machine()
    if not pools:
        raise UserError(
            "no_machine", _("No accelerator is registered, so there is nothing to replay jobs on.")
        )
    reading = _Reading(start, now, speeds(), _tries(seen, start, now), Counter())
    rows = [_Row(*values) for values in seen.order_by("created_at", "pk").values_list(*FIELDS)]
    reading.priors = estimates.priors(reading.speeds)
    reading.samples = estimates.samples_of({row.version for row in rows})
    jobs = tuple(past for row in rows if (past := reading.past(row)))
    owners = {row.member: row.owner for row in rows}
    lost = sum(tries.lost_s for tries in reading.tries.values())
    found = History(jobs, pools, _members(owners, start, now), dict(reading.left_out), lost)
    found = fitting(found, _("fit on nothing that is registered now"))
    if not found.jobs:
        raise UserError(
            "no_jobs", _("No job of these days ran, so there is nothing to replay. Ask for more days.")
        )
    return found


def machine() -> tuple[Pool, ...]:
    """All accelerators that are switched on and of use to some job, whether their nodes are up just now or not."""
    rows = Accelerator.objects.filter(enabled=True, kind__in=in_use()).order_by("node__name", "kind", "index")
    alike = Counter(
        rows.values_list("node__name", "kind", "model", "relative_speed", "memory_bytes", "price")
    )
    return tuple(
        Pool(node, place_of(kind, model), model, speed, memory, price, size)
        for (node, kind, model, speed, memory, price), size in alike.items()
    )


@dataclass(frozen=True)
class _Row:
    """A job as the database tells of it: `FIELDS` in their order."""

    pk: str
    owner: str
    member: str
    kind: str
    status: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    accelerator: str
    resources: Mapping[str, Any] | None
    params: Mapping[str, Any] | None
    recipe: str
    version: str | None
    position: Mapping[str, Any]
    boost: float
    macs: int | None


@dataclass
class _Tries:
    """What the attempts at one job did since the beginning: `work` in seconds times relative speed. lost_s: what the
    platform lost, in device-seconds. speed: of what it runs on now, else 0.
    """

    work: float = 0.0
    lost_s: float = 0.0
    speed: float = 0.0


def _tries(jobs: QuerySet[Job], start: datetime, now: datetime) -> dict[str, _Tries]:
    rows = (
        Attempt.objects.filter(job__in=jobs.order_by().values("pk"), started_at__isnull=False)
        .annotate(speed=Min("accelerators__relative_speed"), count=Count("accelerators"))
        .values_list("job_id", "started_at", "ended_at", "end_reason", "speed", "count")
        .order_by()
    )
    found: dict[str, _Tries] = defaultdict(_Tries)
    for job, began, ended, reason, speed, count in rows:
        tries = found[job]
        seconds = max(0.0, ((ended or now) - max(began or now, start)).total_seconds())
        if reason and POLICY[EndReason(reason)].platform_fault:
            tries.lost_s += seconds * max(1, count)
        else:
            tries.work += seconds * (speed or 1.0)
        if ended is None:
            tries.speed = speed or 1.0
    return found


@dataclass
class _Reading:
    """Makes one job after another, and counts those left out."""

    start: datetime
    now: datetime
    speeds: Speeds
    tries: Mapping[str, _Tries]
    left_out: Counter[str]
    priors: Mapping[str, Pace] = field(default_factory=dict)
    samples: Mapping[str, int | None] = field(default_factory=dict)

    def past(self, row: _Row) -> Past | None:
        """None for a job that can't be replayed."""
        work, resources = self._work(row), row.resources or {}
        if work is None:
            return None
        carried = row.created_at < self.start
        return Past(
            id=row.pk,
            member=row.member,
            submitted_s=(row.created_at - self.start).total_seconds(),
            kind=row.accelerator,
            gang=resources.get("count") or 1,
            memory_bytes=(resources.get("memory_mb") or 0) * MIB,
            work=work,
            wait_s=_between(row.created_at, row.started_at),
            took_s=_between(row.created_at, row.ended_at),
            carried=carried,
            fixed=row.kind not in KINDS or not KINDS[row.kind].preemptible,
            boost=row.boost,
            checkpoint_s=float(row.position.get("checkpoint_s") or 0.0),
        )

    def _work(self, row: _Row) -> float | None:
        tries = self.tries.get(row.pk) or _Tries()
        if row.status in FINAL:
            if tries.work <= 0:
                self._leave_out(row, tries)
            return tries.work or None
        left = estimates.by_pace(row.position) * tries.speed if tries.speed else np.nan
        if np.isfinite(left):
            return tries.work + float(left)
        return self._guessed(row, tries)

    def _leave_out(self, row: _Row, tries: _Tries) -> None:
        """A job that ended and did no work that counts."""
        if row.created_at < self.start:
            return  # it waited, then left: it never took anything from anybody
        if tries.lost_s > 0:
            self.left_out[_("ran only where the platform failed")] += 1
        else:
            self.left_out[_("ended before they ran")] += 1

    def _guessed(self, row: _Row, tries: _Tries) -> float | None:
        """What a job that has not told its pace takes in all: by its recipe and data, at least what it has had."""
        size = estimates.size(row.params or {}, self.samples.get(row.version or ""))
        pace = np.array([self.priors.get(row.recipe, UNKNOWN)])
        whole = float(estimates.seconds(pace, np.array([size]), np.array([float(row.macs or np.nan)]))[0])
        if np.isfinite(whole):
            return max(tries.work, whole * (self.speeds.fastest(usable(row.kind, row.accelerator)) or 1.0))
        if tries.work > 0:
            return tries.work
        self.left_out[_("have not run yet, and nobody knows how long they will take")] += 1
        return None


def _members(owners: Mapping[str, str], start: datetime, now: datetime) -> dict[str, Member]:
    """By name; `owners` are their ids."""
    limits, shares = ledger.concurrency_limits(owners.values()), ledger.worth(owners.values(), now=now)
    used: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for owner, day, seconds in ledger.used_by_day(
        owners.values(), since=start - ledger.REMEMBERED, until=start
    ):
        used[owner].append((86_400.0 * (start.date() - day).days, seconds))
    return {name: Member(shares[pk], limits[pk], tuple(used[pk])) for name, pk in owners.items()}


def _between(start: datetime, end: datetime | None) -> float:
    return (end - start).total_seconds() if end else float(np.nan)
