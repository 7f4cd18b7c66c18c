"""How long explaining may take, and whether somebody wants it to end: looked at between any two pieces of work."""

import time
from collections.abc import Callable

from jobs.engine.events import Reporter

LIMIT_S = 20.0


class Watch:
    """One explanation's clock. Its parts ask `over` before each piece of work, and keep what they have when it is.

    It is over after `seconds`, or when the member asks to stop after it began; a training that was itself ended by
    such a request is still explained. A request to leave raises InterruptedByRequestError from `tick`: the checkpoint
    of the finished training has been sent, so that nothing is lost.
    """

    def __init__(
        self, reporter: Reporter, *, seconds: float = LIMIT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reporter, self._clock = reporter, clock
        self._ends = clock() + seconds
        self._stopped_before = reporter.must_stop
        self._from, self._to = 0.0, 1.0

    def part(self, start: float, end: float) -> None:
        """The shares that `tick` is told from here on are of this part of the whole, 0..1."""
        self._from, self._to = start, end

    def tick(self, share: float) -> None:
        """Tell how far the part under way is, 0..1."""
        self._reporter.leave_if_asked()
        self._reporter.progress("explaining", self._from + share * (self._to - self._from))

    @property
    def over(self) -> bool:
        """Whether to begin nothing more."""
        stopped = self._reporter.must_stop and not self._stopped_before
        return stopped or self._clock() >= self._ends
