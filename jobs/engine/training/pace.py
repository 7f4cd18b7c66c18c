"""How fast a training goes now: steps a second, validation and checkpoints counted in."""

import time
from collections.abc import Callable

HALF_LIFE_S = (
    60.0  # a neighbour that comes or goes changes the pace, and half the figure is of the last minute
)


class Pace:
    """A mean that forgets: steps and seconds so far, each halved with every 60 s that pass.

    What is counted first is left out: its steps waited for the graph to be built.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen_at: float | None = None
        self._steps = self._seconds = 0.0

    def count(self, steps: int) -> None:
        """So many steps have been completed since the last call."""
        now = self._clock()
        if self._seen_at is not None:
            passed = now - self._seen_at
            kept = 0.5 ** (passed / HALF_LIFE_S)
            self._steps, self._seconds = kept * self._steps + steps, kept * self._seconds + passed
        self._seen_at = now

    @property
    def steps_per_s(self) -> float | None:
        """None until two counts have been taken."""
        return float(f"{self._steps / self._seconds:.4g}") if self._seconds > 0 and self._steps else None
