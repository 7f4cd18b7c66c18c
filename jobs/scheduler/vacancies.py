"""What is left for a job that waits, once a plan is applied: how many accelerators at once, and how much memory."""

import numpy as np

from jobs.scheduler.applied import once_applied
from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.snapshot import NOWHERE, Ints, Jobs, Plan, Pools, Snapshot


def vacancies(snapshot: Snapshot, made: Plan, rows: Ints, policy: Policy = DEFAULT) -> tuple[Ints, Ints]:
    """For each of these jobs, of the types that it may use: the most alike accelerators that idle on one node and have
    as much memory as it asks for; and the most bytes that are free on one accelerator, idle or shared, 0 where none are
    or nobody knows. What is kept for another job counts as free.
    """
    jobs, pools = snapshot.jobs, snapshot.pools
    pool, unit = once_applied(jobs, made)
    shared, left = _shared(jobs, pools, pool, unit, policy.sharers)
    idle = _idle(jobs, pools, pool, unit) - shared
    usable = jobs.speed[rows][:, pools.type] > 0
    has = np.where(pools.memory_bytes == 0, np.inf, pools.memory_bytes)
    enough = usable & (has >= jobs.memory_bytes[rows, None])
    joins = jobs.may_share[rows]
    memory = np.maximum(np.where(idle > 0, pools.memory_bytes, 0), np.where(joins[:, None], left, 0))
    at_once = np.where(enough, np.maximum(idle, 0), 0).max(axis=1, initial=0)
    return at_once, np.where(usable, memory, 0).max(axis=1, initial=0)


def _idle(jobs: Jobs, pools: Pools, pool: Ints, unit: Ints) -> Ints:
    """The accelerators of each pool that nobody has to themselves."""
    alone = np.flatnonzero((pool != NOWHERE) & (unit == NOWHERE))
    used = np.bincount(pool[alone], jobs.gang[alone], minlength=len(pools.size))
    return np.asarray(pools.size - used.astype(np.int64))


def _shared(jobs: Jobs, pools: Pools, pool: Ints, unit: Ints, most: int) -> tuple[Ints, Ints]:
    """Of each pool, how many accelerators have somebody who lets others come beside them, `most` in all; and the most
    bytes that are left on one of these.
    """
    rows = np.flatnonzero((pool != NOWHERE) & (unit != NOWHERE))
    (at, _number), which = np.unique(np.stack([pool[rows], unit[rows]]), axis=1, return_inverse=True)
    taken = np.bincount(which.reshape(-1), jobs.memory_bytes[rows], minlength=len(at)).astype(np.int64)
    seats = np.minimum(pools.sharers, most)[at] - np.bincount(which.reshape(-1), minlength=len(at))
    left = np.zeros(len(pools.size), dtype=np.int64)
    np.maximum.at(left, at, np.where(seats > 0, pools.memory_bytes[at] - taken, 0))
    return np.bincount(at, minlength=len(pools.size)), left
