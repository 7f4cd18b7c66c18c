"""From the plan's pools to accelerators: which of them each placement gets, and whether it still may."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from hardware.nodes.models import Accelerator
from jobs.queue import columns, lifecycle, tasks
from jobs.queue.columns import MIB, Machine
from jobs.queue.models import Attempt, Job, Request
from jobs.scheduler.policy import DEFAULT
from jobs.scheduler.snapshot import NOWHERE, Placement, Snapshot


@dataclass(frozen=True)
class Place:
    """A job and the accelerators it gets; `beside` others, or to itself."""

    job: str
    accelerators: tuple[str, ...]
    beside: bool


def choose(machine: Machine, snapshot: Snapshot, placements: Iterable[Placement]) -> Iterator[Place]:
    """In the plan's order; none for a placement whose accelerators became fewer meanwhile."""
    jobs = snapshot.jobs
    gang = dict(zip(jobs.ids, map(int, jobs.gang), strict=True))
    idle = [machine.idle(pool) for pool in range(len(machine.members))]
    shared: dict[str, tuple[str, ...]] = {
        job: (machine.members[pool][unit],)
        for job, pool, unit in zip(jobs.ids, jobs.pool, jobs.unit, strict=True)
        if unit != NOWHERE
    }
    for placement in placements:
        job, free = placement.job, idle[placement.pool]
        if placement.beside is not None:
            found = shared.get(placement.beside, ())
        else:
            found, idle[placement.pool] = tuple(free[: gang[job]]), free[gang[job] :]
        if len(found) >= gang[job]:
            shared[job] = found
            yield Place(job, found, placement.beside is not None)


def start(place: Place) -> bool:
    """Begin an attempt where the plan put it, in the transaction of whoever calls; False if it can't be any more: the
    job is to be cancelled, an accelerator was switched off, its node fell silent, or others took the room.
    """
    job = Job.objects.get(pk=place.job)
    rows = columns.takeable().filter(pk__in=place.accelerators).select_related("node")
    chosen = list(rows.select_for_update(of=("self",)))
    gone = len(chosen) != len(place.accelerators)
    if gone or job.request == Request.CANCEL or not _has_room(place, job, chosen):
        return False
    attempt = lifecycle.begin(job, node=chosen[0].node, accelerators=chosen)
    node = chosen[0].node.name
    transaction.on_commit(lambda: tasks.wake_node(node, attempt.pk), robust=True)
    return True


def _has_room(place: Place, job: Job, chosen: Sequence[Accelerator]) -> bool:
    """Whether nothing runs there; or beside others, whether the limits of all fit in the memory together."""
    specs = Attempt.objects.filter(ended_at=None, accelerators__in=chosen).values_list("job__spec", flat=True)
    wanted = [_memory_mb(spec) for spec in [*specs, job.spec]]
    if len(wanted) == 1:
        return True
    if not place.beside or 0 in wanted or len(wanted) > min(chosen[0].sharing, DEFAULT.sharers):
        return False
    return sum(wanted) * MIB <= chosen[0].memory_bytes


def _memory_mb(spec: Mapping[str, Any]) -> int:
    """What a job's memory is held to; 0 where it is not."""
    return int((spec.get("resources") or {}).get("memory_mb") or 0)
