"""Putting jobs into pools one after the other, each where it fits best."""

from dataclasses import dataclass, field

import numpy as np

from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Ints, Jobs, Pools


@dataclass
class Room:
    """The free accelerators of each pool while a plan is made."""

    pools: Pools
    free: Ints
    _rows: list[Ints] = field(init=False)

    def __post_init__(self) -> None:
        kinds = int(self.pools.type.max(initial=-1)) + 1
        self._rows = [np.flatnonzero(self.pools.type == kind) for kind in range(kinds)]

    def of_type(self, count: int) -> Floats:
        """Free accelerators of each of `count` types."""
        return np.bincount(self.pools.type, weights=self.free, minlength=count).astype(np.float64)

    def best(self, kind: int, gang: int, memory_bytes: int) -> int:
        """The pool of that type where the gang leaves least unused: first by accelerators, then by memory; -1 where it
        fits in none.
        """
        if kind >= len(self._rows):
            return NOWHERE
        rows = self._rows[kind]
        fits = rows[(self.free[rows] >= gang) & self._holds(rows, memory_bytes)]
        if len(fits) == 0:
            return NOWHERE
        return int(fits[np.lexsort((self.pools.memory_bytes[fits], self.free[fits]))[0]])

    def _holds(self, rows: Ints, memory_bytes: int) -> Bools:
        memory = self.pools.memory_bytes[rows]
        return np.asarray((memory >= memory_bytes) | (memory == 0))

    def takes(self, pool: int, gang: int) -> bool:
        return bool(self.free[pool] >= gang)

    def take(self, pool: int, gang: int) -> None:
        self.free[pool] -= gang

    def reserve(self, jobs: Jobs, job: int) -> int:
        """Keep what is free in one pool for a job that does not fit yet: the pool that is nearest to holding it, -1
        where none ever could.
        """
        able = np.flatnonzero(
            (jobs.speed[job][self.pools.type] > 0)
            & (self.pools.size >= jobs.gang[job])
            & self._holds(np.arange(len(self.free)), int(jobs.memory_bytes[job]))
        )
        if len(able) == 0:
            return NOWHERE
        pool = int(able[np.argmax(self.free[able])])
        self.free[pool] = 0
        return pool

    @property
    def is_full(self) -> bool:
        return not self.free.any()
