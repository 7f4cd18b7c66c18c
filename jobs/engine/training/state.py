"""Where a training stands, apart from its weights: everything that decides how it goes on."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass
class State:
    """Counters, the epoch under way, the best so far, and the history.

    `position` is the number of steps taken in `epoch` (both from 0); the sums belong to that unfinished epoch. `best`
    orders epochs: larger is better, compared left to right. `finished` means that only the evaluation is left.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    loss_sum: float = 0.0
    right_sum: float = 0.0
    best: list[float] = field(default_factory=list)
    best_epoch: int = -1
    stale: int = 0
    best_loss: float = math.inf
    history: list[dict[str, float]] = field(default_factory=list)
    finished: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**value)

    def count(self, outcomes: list[tuple[float, float]]) -> None:
        """Add the outcomes of steps, one by one: the sum must not depend on where a training was interrupted."""
        for loss, right in outcomes:
            self.loss_sum += loss
            self.right_sum += right

    def judge(self, score: list[float], loss: float) -> bool:
        """Take in an epoch's validation; whether it is the best so far. `stale` counts epochs without any progress."""
        better = score > self.best
        if better:
            self.best, self.best_epoch = score, self.epoch
        self.stale = 0 if better or loss < self.best_loss else self.stale + 1
        self.best_loss = min(loss, self.best_loss)
        return better

    def next_epoch(self) -> None:
        self.epoch, self.position, self.loss_sum, self.right_sum = self.epoch + 1, 0, 0.0, 0.0
