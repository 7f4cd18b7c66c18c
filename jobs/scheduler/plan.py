"""Who runs next. This policy: oldest first for each accelerator class, one job to an accelerator."""

import numpy as np
from numpy.typing import NDArray

from jobs.scheduler.snapshot import ANY, Placement, Plan, Slots, Snapshot


def plan(snapshot: Snapshot) -> Plan:
    """Placements for the idle accelerators of `snapshot`; deterministic, and never two jobs on one accelerator.

    Jobs are looked at by age (then id). One that finds no place waits, and while it waits no younger job takes an
    accelerator of the class it asked for: a large job is never overtaken for good by a stream of small ones.
    `blockers` says for each job passed over what it waits for: `accelerator` or `concurrency`.
    """
    jobs, slots = snapshot.jobs, snapshot.slots
    free = slots.free.copy()
    allowance = snapshot.owners.allowance.copy()
    barred: set[int] = set()
    placements: list[Placement] = []
    blockers: dict[str, str] = {}
    for row in np.lexsort((np.array(jobs.ids), jobs.submitted_at)) if jobs.ids else ():
        owner, kind, job = int(jobs.owner[row]), int(jobs.kind[row]), jobs.ids[row]
        if allowance[owner] < 1:
            blockers[job] = "concurrency"
            continue
        chosen = _choose(slots, free, kind, int(jobs.count[row]), int(jobs.memory_bytes[row]), barred)
        if chosen is None:
            blockers[job] = "accelerator"
            barred.add(kind)
        else:
            free[chosen] = False
            allowance[owner] -= 1
            placements.append(Placement(job, tuple(slots.ids[slot] for slot in chosen)))
        if not free.any():
            break
    return Plan(tuple(placements), blockers)


def _choose(
    slots: Slots, free: NDArray[np.bool_], kind: int, count: int, memory_bytes: int, barred: set[int]
) -> NDArray[np.int64] | None:
    """`count` free accelerators of one kind on one node, the fastest such node; None if there are none."""
    fitting = free & ((slots.memory_bytes >= memory_bytes) | (slots.memory_bytes == 0))
    if kind != ANY:
        fitting &= slots.kind == kind
    for waiting in barred:
        fitting &= (slots.kind != waiting) if waiting != ANY else False
    rows = np.flatnonzero(fitting)
    groups: dict[tuple[int, int], list[int]] = {}
    for slot in rows:
        groups.setdefault((int(slots.node[slot]), int(slots.kind[slot])), []).append(int(slot))
    whole = [group for group in groups.values() if len(group) >= count]
    if not whole:
        return None
    best = min(whole, key=lambda group: (-float(slots.speed[group].mean()), len(group), group))
    return np.array(best[:count], dtype=np.int64)
