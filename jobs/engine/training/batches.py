"""Which samples each step sees, by seed alone: a resumed training takes the same ones in the same order."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.engine.data import Split
from jobs.engine.training.augment import Augment

AHEAD = 4


class Batch(NamedTuple):
    """Inputs and targets of one step."""

    x: NDArray[Any]
    y: NDArray[Any]


@dataclass(frozen=True)
class Batches:
    """Shuffled batches of one split, all of the same size.

    An epoch takes every sample at least once; its last batch is filled up from the epoch's first samples, so that the
    shape never changes. Batch `(epoch, position)` depends on nothing but the seed.
    """

    split: Split
    size: int
    seed: int
    augment: Augment | None = None

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.split.y) // self.size)

    def from_position(self, epoch: int, position: int) -> Iterator[Batch]:
        """The rest of an epoch, prepared ahead by a thread while the caller computes."""
        order = self._order(epoch)
        return _ahead(lambda at: self._batch(order, epoch, at), range(position, self.steps))

    def _order(self, epoch: int) -> NDArray[np.int64]:
        count = len(self.split.y)
        order = np.random.default_rng([self.seed, epoch]).permutation(count)
        return np.resize(order, self.steps * self.size)

    def _batch(self, order: NDArray[np.int64], epoch: int, position: int) -> Batch:
        chosen = order[position * self.size : (position + 1) * self.size]
        x = self.split.x[chosen]
        if self.augment is not None:
            x = self.augment(x, np.random.default_rng([self.seed, epoch, position]))
        return Batch(np.ascontiguousarray(x), self.split.y[chosen])


def _ahead(make: Callable[[int], Batch], places: range) -> Iterator[Batch]:
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        try:
            for place in places:
                waiting.append(pool.submit(make, place))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
