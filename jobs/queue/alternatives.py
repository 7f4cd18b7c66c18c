"""What would start sooner: the same job asked for otherwise, rolled forward beside the rest."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
from jobs.scheduler.snapshot import NOWHERE, Floats, Snapshot
from portal.ledger import queries as ledger

LOOKED_AT = 10  # of those that are next
LITTLE_S = 60.0  # sooner by less is no advice
EFFORT = Effort(rolls=8, least=3, budget_s=0.2)


@dataclass(frozen=True)
class Change:
    """One other way to ask: in words, and what it does to the job's row."""

    words: str
    gang: int | None = None
    memory_bytes: int | None = None
    speed: Floats | None = None


def sooner(
    snapshot: Snapshot,
    machine: Machine,
    starts: Mapping[str, Range],
    reasons: Sequence[Why],
    *,
    until: float,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, list[dict[str, str]]]:
    """For the jobs that are next: what would have them start sooner, and when (ISO 8601), the soonest first. At `until`
    by the clock it breaks off, and the rest goes without advice.
    """
    place = {job: row for row, job in enumerate(snapshot.jobs.ids)}
    found = {}
    looked_at = [why for why in reasons if why.job in place][:LOOKED_AT]
    open_ = _open_kinds([why.job for why in looked_at])
    for why in looked_at:
        row, now = place[why.job], starts.get(why.job)
        better = []
        for change in _changes(snapshot, machine, row, open_.get(why.job, frozenset())):
            then = _start(snapshot, row, change, until, clock)
            if then and (now is None or then.median < now.median - LITTLE_S):
                better.append((then.median, change.words))
        if better:
            found[why.job] = [{"change": words, "start": _at(snapshot, after)} for after, words in sorted(better)]
    return found


def _open_kinds(jobs: Sequence[str]) -> dict[str, frozenset[str]]:
    """The classes that each of these jobs could ask for: of use to it, and with hours in its member's quota."""
    owners, able = dict(Job.objects.filter(pk__in=jobs).values_list("pk", "owner_id")), usable_by(jobs)
    hours = ledger.hours_standing(set(owners.values()))
    return {job: able[job] - hours[owner].closed for job, owner in owners.items() if job in able}


def _at(snapshot: Snapshot, after_s: float) -> str:
    at = datetime.fromtimestamp(snapshot.now, UTC) + timedelta(seconds=after_s)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _start(
    snapshot: Snapshot, row: int, change: Change, until: float, clock: Callable[[], float]
) -> Range | None:
    jobs = snapshot.jobs
    gang, memory, speed = jobs.gang.copy(), jobs.memory_bytes.copy(), jobs.speed.copy()
    if change.gang is not None:
        gang[row] = change.gang
    if change.memory_bytes is not None:
        memory[row] = change.memory_bytes
    if change.speed is not None:
        speed[row] = change.speed
    other = replace(snapshot, jobs=replace(jobs, gang=gang, memory_bytes=memory, speed=speed))
    effort, job = replace(EFFORT, budget_s=min(EFFORT.budget_s, until - clock())), jobs.ids[row]
    return forecast.starts(other, seed=0, effort=effort, clock=clock, whom=[job]).get(job)


def _changes(snapshot: Snapshot, machine: Machine, row: int, open_: Collection[str]) -> Iterator[Change]:
    """Another class of those that are open to it, fewer accelerators, less memory: whatever may matter where it
    waits.
    """
    jobs, usable = snapshot.jobs, snapshot.jobs.speed[row] > 0
    for kind in [each for each in dict.fromkeys(machine.kinds) if each in open_]:
        of_kind = np.array([each == kind for each in machine.kinds], dtype=np.bool_)
        if not (usable & of_kind).any() and jobs.pool[row] == NOWHERE:
            relative = np.where(of_kind, machine.speeds, 0.0)
            words = _("on %(kind)s") % {"kind": kind.upper()}
            yield Change(words, speed=np.asarray(relative / relative.max()))
    if (gang := int(jobs.gang[row])) > 1:
        yield Change(
            _("with %(count)d at once instead of %(now)d") % {"count": gang // 2, "now": gang}, gang=gang // 2
        )
    for memory in _memories(snapshot, row):
        less = (int(jobs.memory_bytes[row]) - memory) / 1024**3
        yield Change(_("with %(less).1f GB less memory") % {"less": less}, memory_bytes=memory)


def _memories(snapshot: Snapshot, row: int) -> list[int]:
    """The next smaller sizes of memory that there are accelerators of."""
    asked = int(snapshot.jobs.memory_bytes[row])
    sizes = sorted({int(size) for size in snapshot.pools.memory_bytes if 0 < size < asked}, reverse=True)
    return sizes[:2]
