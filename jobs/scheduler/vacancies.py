"""What is left for a job that waits, once a plan is applied: how many accelerators at once, and how much memory."""

import numpy as np

from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.snapshot import NOWHERE, Bools, Ints, Jobs, Plan, Pools, Snapshot


def vacancies(snapshot: Snapshot, made: Plan, rows: Ints, policy: Policy = DEFAULT) -> tuple[Ints, Ints]:
    """For each of these jobs, of the types that it may use: the most alike accelerators that idle on one node and have
    as much memory as it asks for; and the most bytes that are free on one accelerator, idle or shared, 0 where none are
    or nobody knows. What is kept for another job counts as free.
    """
    jobs, pools = snapshot.jobs, snapshot.pools
    pool, unit = _after(snapshot, made)
    shared, left = _shared(jobs, pools, pool, unit, policy.sharers)
    idle = _idle(jobs, pools, pool, unit) - shared
    usable = jobs.speed[rows][:, pools.type] > 0
    has = np.where(pools.memory_bytes == 0, np.inf, pools.memory_bytes)
    enough = usable & (has >= jobs.memory_bytes[rows, None])
    joins = _sharing(jobs)[rows]
    memory = np.maximum(np.where(idle > 0, pools.memory_bytes, 0), np.where(joins[:, None], left, 0))
    at_once = np.where(enough, np.maximum(idle, 0), 0).max(axis=1, initial=0)
    return at_once, np.where(usable, memory, 0).max(axis=1, initial=0)


def _after(snapshot: Snapshot, made: Plan) -> tuple[Ints, Ints]:
    """The pool of each job once the plan is applied; and of those who let others beside them the accelerator, by a
    number that is its own within the pool.
    """
    jobs = snapshot.jobs
    named = {
        *made.preempted,
        *(each.job for each in made.placements),
        *(each.beside for each in made.placements),
    }
    place = {job: row for row, job in enumerate(jobs.ids) if job in named}
    pool, unit = jobs.pool.copy(), jobs.unit.copy()
    gone = [place[job] for job in made.preempted]
    pool[gone], unit[gone] = NOWHERE, NOWHERE
    for number, each in enumerate(made.placements, start=int(unit.max(initial=0)) + 1):
        row = place[each.job]
        pool[row] = each.pool
        unit[row] = unit[place[each.beside]] if each.beside else number
    return pool, np.where(_sharing(jobs), unit, NOWHERE)


def _sharing(jobs: Jobs) -> Bools:
    """Who may be on one accelerator with others."""
    return np.asarray(jobs.shares & (jobs.gang == 1) & (jobs.memory_bytes > 0))


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
