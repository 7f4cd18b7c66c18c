"""Accelerators that several jobs are on at once, each within its own memory."""

from typing import Final

import numpy as np

from jobs.scheduler.snapshot import Bools, Floats, Ints, Pools

ALONE: Final = -1
NEW: Final = -1
CLOSED: Final = -(2**31)


class Units:
    """Shared accelerators, one a row. In each row: its pool, the caller's number for it (NEW: one that was idle),
    the memory and the seats that are left, and the row of a job that is on it.
    """

    def __init__(self, pools: Pools, limit: int, capacity: int) -> None:
        self._memory = pools.memory_bytes
        self._type = pools.type
        self._sharers = np.minimum(pools.sharers, limit)
        self._count = 0
        self.seats = 0  # how many could still come, as far as seats go
        self._row: dict[tuple[int, int], int] = {}
        self.pool, self.number, self.host, self._kind, self._left, self._seats = (
            np.zeros(capacity, dtype=np.int64) for _ in range(6)
        )

    def may_share(self, pool: int) -> bool:
        return bool(self._memory[pool] > 0 and self._sharers[pool] > 1)

    def row(self, pool: int, number: int) -> int:
        """ALONE while nobody is on it."""
        return self._row.get((pool, number), ALONE)

    def open(self, pool: int, number: int, host: int) -> int:
        """The row of one more, with nobody on it yet."""
        row, self._count = self._count, self._count + 1
        self.pool[row], self.number[row], self.host[row] = pool, number, host
        self._kind[row], self._left[row], self._seats[row] = (
            self._type[pool], self._memory[pool], self._sharers[pool],
        )  # fmt: skip
        self.seats += int(self._sharers[pool])
        if number != NEW:
            self._row[pool, number] = row
        return row

    def join(self, row: int, memory_bytes: int) -> None:
        """Whoever's memory is unknown leaves none to others."""
        self._left[row] -= memory_bytes or self._left[row]
        self._seats[row] -= 1
        self.seats -= self._seats[row] >= 0

    def leave(self, row: int, memory_bytes: int) -> None:
        self._left[row] += memory_bytes
        self._seats[row] += 1
        self.seats += self._seats[row] > 0

    def has_room(self, row: int, memory_bytes: int) -> bool:
        return bool(self._seats[row] > 0 and self._left[row] >= memory_bytes)

    def best(self, kind: int, memory_bytes: int) -> int:
        """The one of that type where the least memory is left over; ALONE where it fits on none."""
        return self._best(self._kind[: self._count] == kind, memory_bytes)

    def best_in(self, pool: int, memory_bytes: int) -> int:
        """The same among those of a pool."""
        return self._best(self.pool[: self._count] == pool, memory_bytes)

    def _best(self, among: Bools, memory_bytes: int) -> int:
        rows = slice(self._count)
        fits = np.flatnonzero(among & (self._seats[rows] > 0) & (self._left[rows] >= memory_bytes))
        return int(fits[np.argmin(self._left[fits])]) if len(fits) else ALONE

    def close(self, pool: int) -> None:
        """Nobody else may come to those of a pool."""
        self.close_rows(np.flatnonzero(self.pool[: self._count] == pool))

    def close_rows(self, rows: Ints) -> None:
        """Nobody else may come there."""
        self.seats -= int(np.maximum(self._seats[rows], 0).sum())
        self._seats[rows] = CLOSED

    def left_of_type(self, kinds: int) -> Floats:
        """The most memory that is left on one of each type that has a seat; 0 where none has."""
        most, rows = np.zeros(kinds), np.flatnonzero(self._seats[: self._count] > 0)
        np.maximum.at(most, self._kind[rows], self._left[rows])
        return most
