"""Places that others were asked to leave for somebody: they need a while, and until then nobody else comes there."""

from collections.abc import Collection

import numpy as np

from jobs.scheduler.applied import rows_of
from jobs.scheduler.packing import idle
from jobs.scheduler.places import Places
from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Ints, Jobs, Placement, Plan, Snapshot


def for_later(snapshot: Snapshot, made: Plan) -> tuple[Placement, ...]:
    """Of the plan's placements those for which somebody has to leave first: there is no room until then, they are
    beside one that waits for it, their member may have no more at once, or it is they who leave for another place. The
    others can be made at once.
    """
    if not made.placements:
        return ()
    jobs, row = snapshot.jobs, rows_of(snapshot.jobs, made)
    leaves = [*(row[job] for job in made.preempted), *map(int, np.flatnonzero(jobs.leaving))]
    shaken = {(int(jobs.pool[each]), int(jobs.unit[each])) for each in leaves}
    free, more = idle(jobs, snapshot.pools), _may_start(snapshot)
    found: dict[str, Placement] = {}
    for each in made.placements:
        job = row[each.job]
        gang, owner = int(jobs.gang[job]), int(jobs.owner[job])
        if each.beside is not None:
            host = row[each.beside]
            waits = each.beside in found or (int(jobs.pool[host]), int(jobs.unit[host])) in shaken
        else:
            waits = free[each.pool] < gang
        if waits or jobs.pool[job] != NOWHERE or more[owner] <= 0:
            found[each.job] = each
            continue
        more[owner] -= 1
        free[each.pool] -= 0 if each.beside is not None else gang
    return tuple(found.values())


def _may_start(snapshot: Snapshot) -> Ints:
    """How many more jobs each member may have running, while nobody has left yet."""
    owner, runs = snapshot.jobs.owner, snapshot.jobs.pool != NOWHERE
    return np.asarray(snapshot.owners.limit - np.bincount(owner[runs], minlength=len(snapshot.owners.limit)))


def beside_who_leaves(jobs: Jobs) -> Bools:
    """Jobs that share their accelerator with one that was asked to leave."""
    found = np.zeros(len(jobs.ids), dtype=np.bool_)
    if jobs.leaving.any():
        shared, unit, units = _shared(jobs)
        left = np.bincount(unit[jobs.leaving[shared]], minlength=units.shape[1]) > 0
        found[shared] = left[unit]
    return found


def keep(snapshot: Snapshot, places: Places, weight: Floats) -> Bools:
    """Of the jobs that were promised a place, those that may go there now do, the weightiest first. Which of the others
    still wait for theirs: what they need beyond what will be left to them is kept. A promise ends when too few leave
    for it, because a node or an accelerator went, or when its member may have no more jobs at once.
    """
    jobs = snapshot.jobs
    kept = np.zeros(len(weight), dtype=np.bool_)
    told = np.flatnonzero((jobs.promise != NOWHERE) & ((jobs.pool == NOWHERE) | jobs.leaving))
    if len(told):
        rows = told[np.argsort(-weight[told], kind="stable")]
        kept[_Keeping(snapshot, places).run(rows)] = True
    return kept


class _Keeping:
    def __init__(self, snapshot: Snapshot, places: Places) -> None:
        self.jobs, self.places = snapshot.jobs, places
        self.idle = idle(self.jobs, snapshot.pools)
        self.left = _accelerators_left(self.jobs, len(snapshot.pools.size))
        self.may_start = _may_start(snapshot)
        leaves = np.bincount(self.jobs.owner[self.jobs.leaving], minlength=len(self.may_start))
        self.may_have = self.may_start + leaves

    def run(self, rows: Ints) -> list[int]:
        """The rows whose promise stands and waits."""
        able = [int(row) for row in rows if self.places.could_be_in(int(row), int(self.jobs.promise[row]))]
        unmet = [row for row in able if not self._start(row)]
        kept = [row for row in unmet if self._keep(row)]
        self._close({int(self.jobs.promise[row]) for row in kept})
        return kept

    def _start(self, row: int) -> bool:
        pool, owner = int(self.jobs.promise[row]), self.jobs.owner[row]
        if self.jobs.pool[row] != NOWHERE or self.may_start[owner] <= 0:
            return False
        if not self.places.put_into(row, pool, int(self.idle[pool])):
            return False
        if not self.places.joined(row):
            self.idle[pool] -= self.jobs.gang[row]
        self.may_start[owner] -= 1
        self.may_have[owner] -= 1
        return True

    def _keep(self, row: int) -> bool:
        pool, gang, owner = int(self.jobs.promise[row]), int(self.jobs.gang[row]), self.jobs.owner[row]
        if self.may_have[owner] <= 0:
            return False
        left = min(gang, int(self.left[pool]))
        if gang - left <= self.idle[pool]:
            self.left[pool] -= left
            self.idle[pool] -= gang - left
            self.places.room.keep(pool, gang - left)
        elif not (self.places.shares[row] and self._somebody_leaves(pool)):
            return False
        self.may_have[owner] -= 1
        return True

    def _somebody_leaves(self, pool: int) -> bool:
        return bool((self.jobs.leaving & (self.jobs.pool == pool)).any())

    def _close(self, pools: Collection[int]) -> None:
        """Nobody comes to where somebody leaves."""
        for row in np.flatnonzero(self.jobs.leaving & (self.jobs.unit != NOWHERE)):
            if int(self.jobs.pool[row]) in pools:
                self.places.close_unit_of(int(row))


def _accelerators_left(jobs: Jobs, pools: int) -> Ints:
    """How many of each pool will be idle once everybody who was asked to leave has left."""
    alone = jobs.leaving & (jobs.pool != NOWHERE) & (jobs.unit == NOWHERE)
    found = np.bincount(jobs.pool[alone], weights=jobs.gang[alone], minlength=pools).astype(np.int64)
    shared, unit, units = _shared(jobs)
    stay = np.bincount(unit[~jobs.leaving[shared]], minlength=units.shape[1])
    return np.asarray(found + np.bincount(units[0][stay == 0], minlength=pools))


def _shared(jobs: Jobs) -> tuple[Ints, Ints, Ints]:
    """(the jobs on accelerators that may be shared, the number of each one's, the pool and unit of each number)."""
    rows = np.flatnonzero((jobs.pool != NOWHERE) & (jobs.unit != NOWHERE))
    places = np.stack([jobs.pool[rows], jobs.unit[rows]])
    units, which = np.unique(places, axis=1, return_inverse=True)
    return rows, which.reshape(-1), units
