"""From the plan's pools to accelerators: which of them each placement gets, and whether it still may."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from django.db import transaction

from hardware.nodes.models import Accelerator
from jobs.queue import columns, hostmemory, lifecycle, tasks
from jobs.queue.columns import MIB, Machine
from jobs.queue.lifecycle import Start
from jobs.queue.models import Attempt
from jobs.scheduler.policy import DEFAULT
from jobs.scheduler.snapshot import NOWHERE, Placement, Snapshot


@dataclass(frozen=True)
class Place:
    """A job and the accelerators it gets; `beside` others, or to itself."""

    job: str
    accelerators: tuple[str, ...]
    beside: bool


def choose(machine: Machine, snapshot: Snapshot, placements: Sequence[Placement]) -> Iterator[Place]:
    """In the plan's order; none for a placement whose accelerators became fewer meanwhile."""
    jobs = snapshot.jobs
    placed = {each.job for each in placements}
    gang = {job: int(jobs.gang[row]) for row, job in enumerate(jobs.ids) if job in placed}
    idle = [machine.idle(pool) for pool in range(len(machine.members))]
    shared: dict[str, tuple[str, ...]] = {
        jobs.ids[row]: (machine.members[jobs.pool[row]][jobs.unit[row]],)
        for row in np.flatnonzero(jobs.unit != NOWHERE)
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


def start(places: Sequence[Place]) -> set[str]:
    """Begin an attempt for each place that is one still, in the transaction of whoever calls; the jobs that got one.
    Left out is a job that moved on or is to be cancelled, and a place of which an accelerator was switched off, whose
    node fell silent, or where others took the room.
    """
    jobs = lifecycle.queued(place.job for place in places)
    room = _Room({pk for place in places for pk in place.accelerators})
    starts = []
    for place in places:
        job = jobs.get(place.job)
        if job is not None and (chosen := room.take(place, _memory_mb(job.spec))):
            starts.append(Start(job, chosen[0].node, chosen))
    if not starts:
        return set()
    _wake(lifecycle.begin_all(starts))
    return {each.job.pk for each in starts}


def _wake(attempts: Sequence[Attempt]) -> None:
    """Tell each node what waits for it, once that is committed."""
    by_node: dict[str, list[str]] = defaultdict(list)
    for attempt in attempts:
        by_node[attempt.node_name].append(attempt.pk)
    for node, waiting in by_node.items():
        transaction.on_commit(partial(tasks.wake_node, node, *waiting), robust=True)


class _Room:
    """What is free on these accelerators, which are locked until the transaction ends."""

    def __init__(self, accelerators: Collection[str]) -> None:
        rows = columns.takeable().filter(pk__in=accelerators).select_related("node").order_by("pk")
        self._there = {row.pk: row for row in rows.select_for_update(of=("self",))}
        self._memory = _memory_of({row.node_id for row in self._there.values()})
        self._held: dict[str, list[int]] = defaultdict(list)
        open_ = Attempt.accelerators.through.objects.filter(attempt__ended_at=None)
        taken = open_.filter(accelerator__in=list(self._there))
        for accelerator, spec in taken.values_list("accelerator_id", "attempt__job__spec"):
            self._held[accelerator].append(_memory_mb(spec))

    def take(self, place: Place, memory_mb: int) -> list[Accelerator]:
        """The accelerators of the place, which from now on count as taken; none where it has no room."""
        chosen = [self._there[pk] for pk in place.accelerators if pk in self._there]
        if len(chosen) != len(place.accelerators) or not all(
            self._has_room(each, place, memory_mb) for each in chosen
        ):
            return []
        for each in chosen:
            self._held[each.pk].append(memory_mb)
        return chosen

    def _has_room(self, accelerator: Accelerator, place: Place, memory_mb: int) -> bool:
        """Whether nothing runs there; or beside others, whether the limits of all fit in the memory together."""
        wanted = [*self._held[accelerator.pk], memory_mb]
        if len(wanted) == 1:
            return True
        if not place.beside or 0 in wanted or len(wanted) > min(accelerator.sharing, DEFAULT.sharers):
            return False
        return sum(wanted) * MIB <= self._memory[accelerator.pk]


def _memory_of(nodes: Collection[str]) -> dict[str, int]:
    """What jobs may be given of the memory of each accelerator of these nodes."""
    rows = Accelerator.objects.filter(enabled=True, node__in=nodes)
    found = list(rows.values_list("pk", "node_id", "kind", "memory_bytes"))
    return dict(zip((row[0] for row in found), hostmemory.packable([row[1:] for row in found]), strict=True))


def _memory_mb(spec: Mapping[str, Any]) -> int:
    """What a job's memory is held to; 0 where it is not."""
    return int((spec.get("resources") or {}).get("memory_mb") or 0)
