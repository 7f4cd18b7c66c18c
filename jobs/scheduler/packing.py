"""Putting jobs into pools one after the other, each where it fits best."""

from dataclasses import dataclass, field

import numpy as np

from jobs.scheduler.snapshot import NO_NUMBERS, NOWHERE, Floats, Ints, Jobs, Pools

NO_ROOM = 2**31  # more than any pool has free
ELSEWHERE = 2**30  # and so is this


def idle(jobs: Jobs, pools: Pools) -> Ints:
    """Accelerators of each pool that nothing runs on."""
    runs = np.flatnonzero(jobs.pool != NOWHERE)
    alone = runs[jobs.unit[runs] == NOWHERE]
    used = np.bincount(jobs.pool[alone], jobs.gang[alone], minlength=len(pools.size))
    shared = np.flatnonzero(jobs.unit != NOWHERE)
    units = np.unique(np.stack([jobs.pool[shared], jobs.unit[shared]]), axis=1)[0]
    used += np.bincount(units, minlength=len(pools.size))
    return np.maximum(pools.size - used.astype(np.int64), 0)


@dataclass
class Room:
    """The free accelerators of each pool while a plan is made."""

    pools: Pools
    free: Ints
    empty: Ints = field(
        default_factory=lambda: NO_NUMBERS
    )  # of these, those where nobody has to give way; left out: all
    idle: int = field(init=False)  # of all pools; never more than at first
    kept: Ints = field(init=False)  # what is free of each pool and kept for somebody meanwhile

    def __post_init__(self) -> None:
        self.idle = int(self.free.sum())
        self.kept = np.zeros_like(self.free)
        if len(self.empty) == 0:
            self.empty = self.free.copy()
        self._memory = np.where(self.pools.memory_bytes == 0, np.inf, self.pools.memory_bytes)
        by_memory = np.lexsort((np.arange(len(self.free)), self.pools.memory_bytes))
        kinds = range(int(self.pools.type.max(initial=-1)) + 1)
        self._rows = [by_memory[self.pools.type[by_memory] == kind] for kind in kinds]
        self._most = [NO_ROOM for _kind in kinds]  # no pool of a type has more free

    def of_type(self, count: int) -> Floats:
        """Free accelerators of each of `count` types."""
        return np.bincount(self.pools.type, weights=self.free, minlength=count).astype(np.float64)

    def best(self, kind: int, gang: int, memory_bytes: int) -> int:
        """The pool of that type where the gang leaves least unused: one where nobody has to give way for it if there is
        one, then by accelerators, then by memory; -1 where it fits in none.
        """
        if kind >= len(self._rows) or gang > self._most[kind]:
            return NOWHERE
        rows = self._rows[kind]
        free = self.free[rows]
        worth = free + np.where(self.empty[rows] >= gang, 0, ELSEWHERE)
        fits = np.where((free >= gang) & (self._memory[rows] >= memory_bytes), worth, NO_ROOM)
        found = int(fits.argmin()) if len(fits) else NOWHERE
        if found == NOWHERE or fits[found] == NO_ROOM:
            self._most[kind] = int(free.max(initial=0))
            return NOWHERE
        return int(rows[found])

    def most_memory(self, free: Ints, kinds: int) -> Floats:
        """For each size of gang (rows, the last one larger than any that fits) and type, the most memory an
        accelerator has where so many are free; -1 where so many are nowhere.
        """
        most = np.full((int(free.max(initial=0)) + 2, kinds), -1.0)
        np.maximum.at(most, (free, self.pools.type), self._memory)
        return np.asarray(np.maximum.accumulate(most[::-1], axis=0)[::-1])

    def takes(self, pool: int, gang: int) -> bool:
        return bool(self.free[pool] >= gang)

    def take(self, pool: int, gang: int) -> None:
        self.free[pool] -= gang
        self.idle -= gang

    def fill(self, pool: int, gang: int) -> None:
        """Somebody new came there."""
        self.take(pool, gang)
        self.empty[pool] = max(int(self.empty[pool]) - gang, 0)

    def keep(self, pool: int, count: int) -> None:
        """Nobody new gets so many of what is free there."""
        self.fill(pool, count)
        self.kept[pool] += count

    def reserve(self, jobs: Jobs, job: int) -> int:
        """Keep what is free in one pool for a job that does not fit yet: the pool that is nearest to holding it, -1
        where none ever could.
        """
        able = np.flatnonzero(
            (jobs.speed[job][self.pools.type] > 0)
            & (self.pools.size >= jobs.gang[job])
            & (self._memory >= jobs.memory_bytes[job])
        )
        if len(able) == 0:
            return NOWHERE
        pool = int(able[np.argmax(self.free[able])])
        self.keep(pool, int(self.free[pool]))
        return pool

    @property
    def is_full(self) -> bool:
        return self.idle == 0
