"""How far a build for an FPGA board is. Its proof takes minutes in which the tools say nothing."""

import math
import re
import time
from collections.abc import Callable

SAMPLED = 0.05
"""The part of a proof that goes by before it begins: the test split in LiteRT's reference kernels."""

STAGES = {
    "reference": SAMPLED,
    "rtl": 0.1,
    "netlist": 0.25,
    "place and route": 0.4,
    "pack": 0.8,
    "contained": 0.85,
    "timing": 0.98,
}
"""The stages of a proof and of its flow, and from which part of the proof on each is expected."""

WORK_FOLDER = "fpga"
"""Below the task's `out`: sources, the tools' logs, the vector of a mismatch."""

_PROOF = (0.25, 0.95)
PHASES = {
    "loading": (0.0, 0.05),
    "exporting": (0.05, 0.15),
    "evaluating": (0.15, 0.25),
    **dict.fromkeys(STAGES, _PROOF),
    "packing": (0.95, 1.0),
}
_PACE_S = 600.0
_COUNTED = re.compile(r"\d+ of \d+ vectors")  # said every second: nothing for a log


class Telling:
    """Tells a proof's stages: each is a phase of the job, its details go to the log.

    The part that is done creeps on between two stages, so that a tool at work is not taken for one that hangs; it never
    goes back. `tick` gets phase and 0..1, and may raise to break off.
    """

    def __init__(
        self,
        tick: Callable[[str, float], None],
        log: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tick, self._log, self._now = tick, log, now
        self._phase, self._from, self._began = next(iter(STAGES)), SAMPLED, now()

    def stage(self, name: str, detail: str) -> None:
        """A stage has begun, or something of it is being done."""
        if not _COUNTED.fullmatch(detail):
            self._log(f"{name}: {detail}")
            self._from, self._began = max(self._reached(), STAGES.get(name, 0.0)), self._now()
            self._phase = name if name in STAGES else self._phase
        self.look()

    def look(self) -> bool:
        """False: nobody has called it off; else `tick` raises."""
        self._tick(self._phase, self._reached())
        return False

    def _reached(self) -> float:
        left = 1.0 - self._from
        return self._from + left * (1.0 - math.exp(-(self._now() - self._began) / _PACE_S))
