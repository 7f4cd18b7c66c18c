"""The energy that a stretch of work took, measured where the machine can, else estimated and marked as such.

Measured: RAPL's counters of the processor's packages and their memory, and NVML's counter of each GPU (`counters`,
`nvidia`). They are the machine's, not a process's: of several jobs at once each is told what all of them took.

Estimated: energy = time × cores × power of a core × utilisation, and the same of each accelerator, after
Lannelongue, Grealey and Inouye, "Green Algorithms: Quantifying the Carbon Footprint of Computation", Advanced
Science 2021, doi:10.1002/advs.202100707, without their terms for memory and for cooling. The powers are those of
the tool's tables for hardware it does not know by name (data/latest/TDP_cpu.csv and TDP_gpu.csv of
GreenAlgorithms/green-algorithms-tool, row "Any"). A GPU that has no energy counter but says what it draws is
estimated from that; one that says only what it is held to, from that and its utilisation.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from hardware.nodes.probe import counters, nvidia
from portal.kit import clock

CORE_W = 12.0
GPU_W = 200.0
LOOK_S = 30.0  # well within a round of RAPL's counters, which is 262 kJ on most processors


@dataclass(frozen=True)
class Energy:
    """`measured` tells whether all of it comes from counters of energy."""

    joules: float = 0.0
    measured: bool = True

    def __add__(self, other: "Energy") -> "Energy":
        return Energy(self.joules + other.joules, self.measured and other.measured)


class Source(Protocol):
    """Something that uses energy."""

    def since(self, seconds: float) -> Energy:
        """What it used since the last call, which was so many seconds ago, or since it was made."""


class Processor:
    """All packages of the machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ticks, self._packages = counters.ticks(root), counters.packages(root)
        self._watts = counters.cores(root) * CORE_W

    def since(self, seconds: float) -> Energy:
        ticks, packages = self._ticks, self._packages
        self._ticks, self._packages = counters.ticks(self._root), counters.packages(self._root)
        used = counters.joules(packages, self._packages)
        if used is not None:
            return Energy(used)
        busy = counters.share(ticks, self._ticks)
        return Energy(seconds * self._watts * (1.0 if busy is None else busy), measured=False)


class Gpu:
    """One GPU by its number."""

    def __init__(self, index: int) -> None:
        self._handle: Any = nvidia.handles().get(index) if nvidia.reach() else None
        self._used = self._counter()

    def _counter(self) -> float | None:
        return None if self._handle is None else nvidia.energy_j(self._handle)

    def since(self, seconds: float) -> Energy:
        before, self._used = self._used, self._counter()
        if before is not None and self._used is not None and self._used >= before:
            return Energy(self._used - before)
        return Energy(seconds * self._watts(), measured=False)

    def _watts(self) -> float:
        if self._handle is None:
            return GPU_W
        if (drawn := nvidia.power_w(self._handle)) is not None:
            return drawn
        busy = nvidia.utilisation(self._handle)
        return (nvidia.power_limit_w(self._handle) or GPU_W) * (1.0 if busy is None else busy)


class Meter:
    """Between `start` and `stop` it looks at the counters from time to time, in a thread of its own, as some begin
    again at nothing.

    `with Meter(gpus=[0]) as meter: …` and then `meter.energy`, or start and stop. It can be started once. Every
    job keeps the processor busy, so it is counted unless `cpu` is false.
    """

    def __init__(
        self,
        *,
        cpu: bool = True,
        gpus: Sequence[int] = (),
        root: Path = Path("/"),
        now: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._cpu, self._gpus, self._root, self._now = cpu, gpus, root, now
        self._sources: list[Source] = []
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="energy", daemon=True)
        self._at = 0.0
        self.energy = Energy()

    def start(self) -> None:
        """From now on."""
        self._sources = [*([Processor(self._root)] if self._cpu else []), *map(Gpu, self._gpus)]
        self._at = self._now()
        self._thread.start()

    def stop(self) -> Energy:
        """Until now. What was used since `start`."""
        self._over.set()
        self._thread.join()
        return self.look()

    def look(self) -> Energy:
        """What was used since `start`; it goes on."""
        with self._lock:
            now = self._now()
            seconds, self._at = now - self._at, now
            self.energy = sum((source.since(seconds) for source in self._sources), self.energy)
            return self.energy

    def _keep_looking(self) -> None:
        while not self._over.wait(LOOK_S):
            self.look()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
