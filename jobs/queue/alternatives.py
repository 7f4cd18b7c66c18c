"""What would start sooner: the same job asked for otherwise, rolled forward beside the rest."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from django.utils.translation import gettext as _

from jobs.queue.columns import Machine
from jobs.queue.kinds import usable_by
from jobs.queue.models import Job
from jobs.scheduler import forecast
from jobs.scheduler.explain import Why
from jobs.scheduler.forecast import Effort, Range
from jobs.scheduler.snapshot import Floats, Snapshot
from portal.ledger import queries as ledger

LITTLE_S = 60.0  # sooner by less is no advice
MIB = 1024**2
LEAST = 256 * MIB  # what a job may ask for
EFFORT = Effort(rolls=8, least=3, budget_s=0.2)


@dataclass(frozen=True)
class Change:
    """One other way to ask: in words, and what it does to the job's row; spare: whether the hours of it are spent."""

    words: str
    gang: int | None = None
    memory_bytes: int | None = None
    speed: Floats | None = None
    spare: bool | None = None


def sooner(
    snapshot: Snapshot,
    machine: Machine,
    starts: Mapping[str, Range],
    reasons: Sequence[Why],
    *,
    until: float,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, list[dict[str, str]]]:
    """For the jobs of the snapshot, who is next first: what would have them start sooner, and when (ISO 8601), the
    soonest first. At `until` by the clock it breaks off, and the rest goes without advice.
    """
    place = {job: row for row, job in enumerate(snapshot.jobs.ids)}
    found = {}
    looked_at = [why for why in reasons if why.job in place]
    open_ = _open_kinds([why.job for why in looked_at])
    for why in looked_at:
        if clock() >= until:
            break
        row, now = place[why.job], starts.get(why.job)
        better = []
        for change in _changes(snapshot, machine, row, open_.get(why.job, {}), why.free_bytes):
            then = _start(snapshot, row, change, until, clock)
            if then and (now is None or then.median < now.median - LITTLE_S):
                better.append((then.median, change.words))
        if better:
            found[why.job] = [
                {"change": words, "start": _at(snapshot, after)} for after, words in sorted(better)
            ]
    return found


def _open_kinds(jobs: Sequence[str]) -> dict[str, dict[str, bool]]:
    """The classes that each of these jobs could ask for, of use to it and with hours in its member's quota; and whether
    these are spent.
    """
    owners, able = dict(Job.objects.filter(pk__in=jobs).values_list("pk", "owner_id")), usable_by(jobs)
    hours = ledger.hours_standing(set(owners.values()))
    return {
        job: {kind: kind in hours[owner].spent for kind in able[job] - hours[owner].closed}
        for job, owner in owners.items()
        if job in able
    }


def _at(snapshot: Snapshot, after_s: float) -> str:
    at = datetime.fromtimestamp(snapshot.now, UTC) + timedelta(seconds=after_s)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _start(
    snapshot: Snapshot, row: int, change: Change, until: float, clock: Callable[[], float]
) -> Range | None:
    jobs = snapshot.jobs
    asked = {
        "gang": change.gang,
        "memory_bytes": change.memory_bytes,
        "speed": change.speed,
        "spare": change.spare,
    }
    columns = {name: getattr(jobs, name).copy() for name in (*asked, "shares")}
    for name, value in asked.items():
        if value is not None:
            columns[name][row] = value
    columns["shares"][row] = columns["gang"][row] == 1 and columns["memory_bytes"][row] > 0
    other = replace(snapshot, jobs=replace(jobs, **columns))
    effort, job = replace(EFFORT, budget_s=min(EFFORT.budget_s, until - clock())), jobs.ids[row]
    return forecast.starts(other, seed=0, effort=effort, clock=clock, whom=[job]).get(job)


def _changes(
    snapshot: Snapshot, machine: Machine, row: int, open_: Mapping[str, bool], free_bytes: int
) -> Iterator[Change]:
    """Another class of those that are open to it, fewer accelerators, less memory: whatever may matter where it
    waits.
    """
    jobs, usable = snapshot.jobs, snapshot.jobs.speed[row] > 0
    for kind in [each for each in dict.fromkeys(machine.places) if each in open_]:
        of_kind = np.array([each == kind for each in machine.places], dtype=np.bool_)
        if not (usable & of_kind).any():
            relative = np.where(of_kind, machine.speeds, 0.0)
            speed = np.asarray(relative / relative.max())
            yield Change(_on(kind, is_spent=open_[kind]), speed=speed, spare=open_[kind])
    if (gang := int(jobs.gang[row])) > 1:
        words = _("with %(count)d at once instead of %(now)d") % {"count": gang // 2, "now": gang}
        yield Change(words, gang=gang // 2)
    for memory in _memories(snapshot, row, free_bytes):
        words = _("with a memory limit of %(less)s MB instead of %(now)s MB")
        words %= {"less": f"{memory // MIB:,}", "now": f"{int(jobs.memory_bytes[row]) // MIB:,}"}
        yield Change(words, memory_bytes=memory)


def _on(kind: str, *, is_spent: bool) -> str:
    if is_spent:
        return _("on %(kind)s while it would be idle, as your hours of it are used up") % {
            "kind": kind.upper()
        }
    return _("on %(kind)s") % {"kind": kind.upper()}


def _memories(snapshot: Snapshot, row: int, free_bytes: int) -> list[int]:
    """Smaller limits, in whole MiB: what is left on one accelerator, perhaps beside others; and the next smaller sizes
    that there are of those it could run on.
    """
    pools, asked = snapshot.pools, int(snapshot.jobs.memory_bytes[row])
    sizes = pools.memory_bytes[snapshot.jobs.speed[row][pools.type] > 0]
    smaller = sorted({int(size) for size in sizes if LEAST <= size < asked}, reverse=True)[:2]
    left = [free_bytes] if LEAST <= free_bytes < asked else []
    return sorted({size // MIB * MIB for size in [*left, *smaller]}, reverse=True)
