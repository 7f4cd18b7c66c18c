"""What others do, in the same simulator: first come first served, Slurm-like backfilling, Tiresias."""

from typing import Final

import numpy as np

from jobs.scheduler.packing import Room
from jobs.scheduler.snapshot import NOWHERE, Ints, Placement, Plan, Snapshot

LIMITS_S: Final = (3600.0, 8 * 3600.0)  # of Tiresias' queues, in accelerator-seconds


def fifo(snapshot: Snapshot, full: bool) -> Plan:  # noqa: ARG001 - a policy's signature
    """In order of arrival, each on the fastest type that has room; who finds none holds up those behind."""
    room = _free(snapshot)
    placements = []
    for job in _waiting(snapshot):
        pool = _fastest(snapshot, room, int(job))
        if pool == NOWHERE:
            break
        placements.append(_put(snapshot, room, int(job), pool))
    return _plan(snapshot, placements, ())


def easy(snapshot: Snapshot, full: bool) -> Plan:  # noqa: ARG001
    """First come first served with EASY backfilling (Lifka 1995), which knows the remaining times: the first that
    finds no room gets a reservation, and others go before it if they end in time or leave its accelerators alone.
    """
    room, placements = _free(snapshot), []
    queue = list(map(int, _waiting(snapshot)))
    while queue and (pool := _fastest(snapshot, room, queue[0])) != NOWHERE:
        placements.append(_put(snapshot, room, queue.pop(0), pool))
    if queue:
        placements += _backfill(snapshot, room, queue[0], queue[1:])
    return _plan(snapshot, placements, ())


def _backfill(snapshot: Snapshot, room: Room, head: int, others: list[int]) -> list[Placement]:
    pool, start = _reservation(snapshot, room, head)
    placements = []
    for job in others:
        for kind in np.argsort(-snapshot.jobs.speed[job], kind="stable"):
            found = room.best(int(kind), int(snapshot.jobs.gang[job]), 0)
            if found != NOWHERE and (found != pool or _seconds(snapshot, job, found) <= start):
                placements.append(_put(snapshot, room, job, found))
                break
    return placements


def _reservation(snapshot: Snapshot, room: Room, job: int) -> tuple[int, float]:
    """(the pool that holds it first, seconds from now until then)."""
    jobs, best = snapshot.jobs, (NOWHERE, np.inf)
    for pool in range(len(snapshot.pools.size)):
        runs = np.flatnonzero(jobs.pool == pool)
        ends = np.array([_seconds(snapshot, int(row), pool) for row in runs])
        order = np.argsort(ends)
        free = room.free[pool] + np.cumsum(jobs.gang[runs][order])
        enough = np.flatnonzero(free >= jobs.gang[job])
        start = (
            0.0 if room.free[pool] >= jobs.gang[job] else ends[order][enough[0]] if len(enough) else np.inf
        )
        if start < best[1]:
            best = (pool, float(start))
    return best


def _seconds(snapshot: Snapshot, job: int, pool: int) -> float:
    """Until it ends, if it runs there from now on."""
    speed = snapshot.jobs.speed[job, snapshot.pools.type[pool]]
    return float(snapshot.jobs.remaining[job] / max(speed, 1e-9))


def tiresias(snapshot: Snapshot, full: bool) -> Plan:
    """Discretised two-dimensional least attained service (Gu et al., Tiresias, NSDI 2019): three queues by
    accelerator-seconds, first come first served in each; here each job on the fastest type that has room.
    """
    jobs = snapshot.jobs
    if not full:
        return _plan(snapshot, _in_order(snapshot, _free(snapshot), _waiting(snapshot)), ())
    level = np.searchsorted(LIMITS_S, jobs.attained * jobs.gang, side="right")
    room = Room(snapshot.pools, snapshot.pools.size.copy())
    order = np.lexsort((jobs.submitted_at, level))
    wanted = {int(each.job): each.pool for each in _in_order(snapshot, room, order, keep=True)}
    here = {int(jobs.ids[row]): int(jobs.pool[row]) for row in np.flatnonzero(jobs.pool != NOWHERE)}
    moved = [Placement(str(job), pool) for job, pool in wanted.items() if here.get(job) != pool]
    return _plan(snapshot, moved, tuple(str(job) for job, pool in here.items() if wanted.get(job) != pool))


def _in_order(snapshot: Snapshot, room: Room, rows: Ints, *, keep: bool = False) -> list[Placement]:
    placements = []
    for job in map(int, rows):
        here = int(snapshot.jobs.pool[job])
        stays = keep and here != NOWHERE and room.takes(here, int(snapshot.jobs.gang[job]))
        pool = here if stays else _fastest(snapshot, room, job)
        if pool != NOWHERE:
            placements.append(_put(snapshot, room, job, pool))
    return placements


def _waiting(snapshot: Snapshot) -> Ints:
    rows = np.flatnonzero(snapshot.jobs.pool == NOWHERE)
    return rows[np.argsort(snapshot.jobs.submitted_at[rows], kind="stable")]


def _free(snapshot: Snapshot) -> Room:
    jobs, pools = snapshot.jobs, snapshot.pools
    runs = jobs.pool != NOWHERE
    used = np.bincount(jobs.pool[runs], weights=jobs.gang[runs], minlength=len(pools.size))
    return Room(pools, pools.size - used.astype(np.int64))


def _fastest(snapshot: Snapshot, room: Room, job: int) -> int:
    speeds = snapshot.jobs.speed[job]
    for kind in np.argsort(-speeds, kind="stable"):
        pool = room.best(int(kind), int(snapshot.jobs.gang[job]), 0) if speeds[kind] > 0 else NOWHERE
        if pool != NOWHERE:
            return pool
    return NOWHERE


def _put(snapshot: Snapshot, room: Room, job: int, pool: int) -> Placement:
    room.take(pool, int(snapshot.jobs.gang[job]))
    return Placement(snapshot.jobs.ids[job], pool)


def _plan(snapshot: Snapshot, placements: list[Placement], preempted: tuple[str, ...]) -> Plan:
    count = len(snapshot.jobs.ids)
    return Plan(tuple(placements), preempted, np.zeros(count, dtype=np.int8), np.zeros(count))
