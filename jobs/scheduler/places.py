"""Where each job goes, while a plan is made: into a pool, alone or onto an accelerator that it shares."""

from collections.abc import Callable, Iterable

import numpy as np

from jobs.scheduler.packing import Room, idle
from jobs.scheduler.policy import Policy
from jobs.scheduler.sharing import ALONE, NEW, Units
from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Ints, Placement, Snapshot


class Places:
    """`pool` and `unit` of each job so far; a unit is a row of `units`. Jobs that are `held` are where they are, what
    other running ones take is free. With `spares` it is taken only where nothing idles; else all is dealt out anew.
    """

    def __init__(self, snapshot: Snapshot, policy: Policy, held: Bools, *, spares: bool) -> None:
        self.jobs, self.pools = snapshot.jobs, snapshot.pools
        running = int(np.count_nonzero(self.jobs.pool != NOWHERE))
        self.units = Units(self.pools, policy.sharers, int(self.pools.size.sum()) + running)
        self.shares = self.jobs.may_share
        self.pool = np.where(held, self.jobs.pool, NOWHERE)
        self.unit = np.full(len(self.pool), ALONE)
        self._stays = held.copy()
        self._joined: list[int] = []
        alone = held & (self.jobs.unit == NOWHERE)
        free = self._free(alone)
        self._spares = spares
        self.room = Room(self.pools, free, idle(self.jobs, self.pools) if spares else free.copy())
        for job in np.flatnonzero(held & ~alone):
            self._hold(int(job))

    def _free(self, alone: Bools) -> Ints:
        gang = self.jobs.gang[alone]
        used = np.bincount(self.jobs.pool[alone], weights=gang, minlength=len(self.pools.size))
        return np.maximum(self.pools.size - used.astype(np.int64), 0)

    def _hold(self, job: int) -> None:
        pool, number = int(self.jobs.pool[job]), int(self.jobs.unit[job])
        row = self.units.row(pool, number)
        if row == ALONE:
            row = self.units.open(pool, number, job)
            self.room.free[pool] = max(self.room.free[pool] - 1, 0)
        self._sit(job, row)

    def could_ever_hold(self) -> Bools:
        """Jobs that some pool would hold if it were empty."""
        kinds = self.jobs.speed.shape[1]
        most = self.room.most_memory(self.pools.size, kinds)
        rows = np.arange(len(self.pool))
        return self._any_type(rows, range(kinds), lambda rows, kind: self._within(most, rows, kind))

    def could_hold_now(self, rows: Ints) -> Bools:
        """Of all jobs, those among `rows`, who all wait, that some pool would hold as it is."""
        kinds = self.jobs.speed.shape[1]
        some = (self.room.of_type(kinds) > 0) | (self.units.left_of_type(kinds) > 0)
        return self._any_type(rows, np.flatnonzero(some), self.holds)

    def _any_type(self, rows: Ints, kinds: Iterable[int], fits: Callable[[Ints, int], Bools]) -> Bools:
        """Of all jobs, those among `rows` that may run on one of the types `kinds` where they fit; each type is asked
        for those that fitted on none before.
        """
        found = np.zeros(len(self.pool), dtype=np.bool_)
        for kind in kinds:
            rows = rows[~found[rows]]
            found[rows] = fits(rows, kind)
            found[rows] &= self.jobs.speed[rows, kind] > 0
        return found

    def holds(self, jobs: Ints, kind: Ints | int) -> Bools:
        """Which of the jobs could be put on that type now, or may be there already."""
        kinds, memory = self.jobs.speed.shape[1], self.jobs.memory_bytes[jobs]
        alone = self._within(self.room.most_memory(self.room.free, kinds), jobs, kind)
        beside = self.shares[jobs] & (self.units.left_of_type(kinds)[kind] >= memory)
        here = self.jobs.pool[jobs]
        return np.asarray(alone | beside | ((here != NOWHERE) & (self.pools.type[here] == kind)))

    def _within(self, most: Floats, jobs: Ints, kind: Ints | int) -> Bools:
        gang = np.minimum(self.jobs.gang[jobs], len(most) - 1)
        return np.asarray(most[gang, kind] >= self.jobs.memory_bytes[jobs])

    @property
    def is_full(self) -> bool:
        return self.room.is_full and self.units.seats == 0

    @property
    def openings(self) -> int:
        """How many jobs could still find a place at most."""
        return self.room.idle + self.units.seats

    def put(self, job: int, kind: int) -> bool:
        """Place it on that type: where it is if it can stay, else beside others, else where nothing runs; False where
        it fits nowhere.
        """
        here = int(self.jobs.pool[job])
        if here != NOWHERE and self.pools.type[here] == kind and self._stay(job, here):
            return True
        return (bool(self.shares[job]) and self._join(job, kind)) or self._open(job, kind)

    def _stay(self, job: int, pool: int) -> bool:
        number = int(self.jobs.unit[job])
        row = self.units.row(pool, number)
        if number == NOWHERE and self.room.takes(pool, int(self.jobs.gang[job])):
            self.room.take(pool, int(self.jobs.gang[job]))
            self.pool[job] = pool
        elif row != ALONE and self.units.has_room(row, int(self.jobs.memory_bytes[job])):
            self._sit(job, row)
        elif number != NOWHERE and row == ALONE and self.room.takes(pool, 1):
            self.room.take(pool, 1)
            self._sit(job, self.units.open(pool, number, job))
        else:
            return False
        self._stays[job] = True
        return True

    def _join(self, job: int, kind: int) -> bool:
        row = self.units.best(kind, int(self.jobs.memory_bytes[job]))
        if row == ALONE:
            return False
        self._sit(job, row)
        self._joined.append(job)
        return True

    def could_be_in(self, job: int, pool: int) -> bool:
        """Whether that pool would hold it if it were empty."""
        memory = int(self.pools.memory_bytes[pool])
        fits = memory == 0 or memory >= self.jobs.memory_bytes[job]
        return bool(
            fits
            and self.pools.size[pool] >= self.jobs.gang[job]
            and self.jobs.speed[job, self.pools.type[pool]] > 0
        )

    def put_into(self, job: int, pool: int, free: int) -> bool:
        """Place a job that waits in that pool, where nothing runs on `free` of them; False where somebody would have to
        leave. It comes beside others only where all of these stay: not while everything is dealt out anew.
        """
        memory = int(self.jobs.memory_bytes[job])
        row = self.units.best_in(pool, memory) if self._spares and self.shares[job] else ALONE
        if row != ALONE:
            self._sit(job, row)
            self._joined.append(job)
        elif free >= self.jobs.gang[job]:
            self._open_in(job, pool)
        else:
            return False
        return True

    def joined(self, job: int) -> bool:
        """Whether it was placed beside others."""
        return job in self._joined

    def close_unit_of(self, job: int) -> None:
        """Nobody else comes to where this one is."""
        self.units.close_rows(np.array([self.unit[job]]))

    def _open(self, job: int, kind: int) -> bool:
        pool = self.room.best(kind, int(self.jobs.gang[job]), int(self.jobs.memory_bytes[job]))
        if pool == NOWHERE:
            return False
        self._open_in(job, pool)
        return True

    def _open_in(self, job: int, pool: int) -> None:
        self.room.fill(pool, int(self.jobs.gang[job]))
        self.pool[job] = pool
        self.unit[job] = ALONE
        if self.shares[job] and self.units.may_share(pool):
            self._sit(job, self.units.open(pool, NEW, job))

    def _sit(self, job: int, row: int) -> None:
        self.units.join(row, int(self.jobs.memory_bytes[job]))
        self.pool[job], self.unit[job] = self.units.pool[row], row

    def spread(self) -> bool:
        """Those that joined others get what is idle after all, the first placed first: alone they run faster. Whether
        any did.
        """
        still = [job for job in self._joined if self.room.is_full or not self._leave(job)]
        left = len(still) < len(self._joined)
        self._joined = still
        return left

    def _leave(self, job: int) -> bool:
        unit = int(self.unit[job])
        if not self._open(job, int(self.pools.type[self.pool[job]])):
            return False
        self.units.leave(unit, int(self.jobs.memory_bytes[job]))
        return True

    def reserve(self, job: int) -> None:
        """Keep what is free in one pool for a job that does not fit yet: nobody new comes there."""
        pool = self.room.reserve(self.jobs, job)
        if pool != NOWHERE:
            self.units.close(pool)

    def kept_from(self, rows: Ints) -> Ints:
        """Of these jobs, those that would fit into what is kept for another."""
        found = np.zeros(len(rows), dtype=np.bool_)
        for pool in np.flatnonzero(self.room.kept):
            fits = self.jobs.gang[rows] <= self.room.kept[pool]
            fits &= self.jobs.speed[rows, self.pools.type[pool]] > 0
            memory = self.pools.memory_bytes[pool]
            found |= fits & ((memory == 0) | (self.jobs.memory_bytes[rows] <= memory))
        return np.asarray(rows[found])

    @property
    def waits(self) -> Bools:
        return np.asarray(self.pool == NOWHERE)

    @property
    def moved(self) -> Bools:
        """Who is no longer, or newly, somewhere."""
        return np.asarray(~self._stays & ((self.pool != NOWHERE) | (self.jobs.pool != NOWHERE)))

    def placements(self, weight: Floats) -> tuple[Placement, ...]:
        """What is to start, the weightiest first, whoever joins one of them after all of them."""
        rows = np.flatnonzero(self.moved & ~self.waits)
        joins = np.isin(rows, self._joined)
        order = rows[np.lexsort((rows, -weight[rows], joins))]
        ids = self.jobs.ids
        joined = set(self._joined)
        return tuple(
            Placement(ids[row], int(self.pool[row]), self._host(row) if row in joined else None)
            for row in order
        )

    def _host(self, job: int) -> str:
        return self.jobs.ids[int(self.units.host[self.unit[job]])]
