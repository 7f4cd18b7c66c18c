"""The energy that a stretch of work took, measured where the machine can, else estimated and marked as such.

Measured: RAPL's counters of the processor's packages and their memory, and NVML's counter of each GPU (`counters`,
`nvidia`). They are the machine's, not a process's: of several jobs at once, `Together` tells each its part.

Estimated: energy = time × cores × power of a core × utilisation, and the same of each accelerator, after
Lannelongue, Grealey and Inouye, "Green Algorithms: Quantifying the Carbon Footprint of Computation", Advanced
Science 2021, doi:10.1002/advs.202100707, without their terms for memory and for cooling. The powers are those of
the tool's tables (data/latest/TDP_cpu.csv and TDP_gpu.csv of GreenAlgorithms/green-algorithms-tool): of processors
and of accelerators that are not named there, row "Any". A GPU that has no energy counter but says what it draws is
estimated from that; one that says only what it is held to, from that and its utilisation. TPUs say nothing, and
are taken to be at work all the time. A board on USB is taken to draw what a USB 2.0 port gives at most, 5 V × 0.5
A.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from hardware.nodes.probe import counters, nvidia
from hardware.targets.fpga import TOOLCHAIN
from portal.kit import clock

CORE_W = 12.0
ANY_W = 200.0
TPU_W = {"TPU v2": 280.0, "TPU v3": 220.0, "TPU v4": 170.0}
BOARD_W = 2.5
JOULES_A_KWH = 3.6e6
LOOK_S = 30.0  # RAPL's counters may begin again after a minute (Intel SDM 3B, MSR_PKG_ENERGY_STATUS)


@dataclass(frozen=True)
class Energy:
    """`measured` tells whether all of it comes from counters of energy."""

    joules: float = 0.0
    measured: bool = True

    def __add__(self, other: "Energy") -> "Energy":
        return Energy(self.joules + other.joules, self.measured and other.measured)

    def __mul__(self, part: float) -> "Energy":
        return Energy(self.joules * part, self.measured)

    @property
    def kwh(self) -> float:
        return self.joules / JOULES_A_KWH


def assumed_w(kind: str, model: str = "", *, cores: float = 0.0, busy: float | None = None) -> float:
    """The watts of an accelerator whose power nobody read, nor anything but how busy it was (0 to 1; None: taken to be
    so all the time). Of a processor by its `cores`.
    """
    part = 1.0 if busy is None else busy
    if kind == "cpu":
        return cores * CORE_W * part
    if kind == "fpga":
        return 0.0 if model == TOOLCHAIN else BOARD_W  # its tools run on the processor, which is counted
    return TPU_W.get(model, ANY_W) if kind == "tpu" else ANY_W * part


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
            return ANY_W
        if (drawn := nvidia.power_w(self._handle)) is not None:
            return drawn
        busy = nvidia.utilisation(self._handle)
        return (nvidia.power_limit_w(self._handle) or ANY_W) * (1.0 if busy is None else busy)


class Assumed:
    """What draws so many watts, for all that is known."""

    def __init__(self, watts: float) -> None:
        self._watts = watts

    def since(self, seconds: float) -> Energy:
        return Energy(seconds * self._watts, measured=False)


Accelerator = tuple[str, int, str]  # its kind, its number on the node, and its model, as the probe names them
Place = tuple[str, int]
PROCESSOR: Place = ("cpu", 0)


def _all(_place: Place) -> float:
    return 1.0


def _source(kind: str, index: int, model: str) -> Source | None:
    """None for the processor, which every job keeps busy, and for the tools for FPGAs, which run there."""
    if kind == "gpu":
        return Gpu(index)
    if model == TOOLCHAIN:
        return None
    return Assumed(assumed_w(kind, model)) if kind in {"tpu", "fpga"} else None


class Meter:
    """Between `start` and `stop` it looks at the counters from time to time, in a thread of its own, as some begin
    again at nothing.

    `accelerators` are (kind, number, model) of what the work runs on, as the probe names them; the processor is
    counted with them unless `cpu` is false. `with Meter([("gpu", 0, "")]) as meter: …` and then `meter.energy`, or
    start and stop. It can be started once. `part` tells which part (0 to 1) of what a place took is counted here.
    """

    def __init__(
        self,
        accelerators: Iterable[Accelerator] = (),
        *,
        cpu: bool = True,
        root: Path = Path("/"),
        now: Callable[[], float] = clock.monotonic,
        part: Callable[[Place], float] = _all,
    ) -> None:
        self._cpu, self._accelerators, self._root, self._now = cpu, list(accelerators), root, now
        self._part = part
        self._sources: list[tuple[Place, Source]] = []
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="energy", daemon=True)
        self._at = 0.0
        self.energy = Energy()

    def start(self) -> None:
        """From now on."""
        self._sources = [(PROCESSOR, Processor(self._root))] if self._cpu else []
        for kind, index, model in self._accelerators:
            if (source := _source(kind, index, model)) is not None:
                self._sources.append(((kind, index), source))
        self._at = self._now()
        self._thread.start()

    def stop(self) -> Energy:
        """Until now. What was used since `start`."""
        self.halt()
        return self.look()

    def halt(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def look(self) -> Energy:
        """What was used since `start`; it goes on."""
        with self._lock:
            now = self._now()
            seconds, self._at = now - self._at, now
            for place, source in self._sources:
                self.energy += source.since(seconds) * self._part(place)
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


class Together:
    """The meters of all work on one node. What a place (the processor, an accelerator) takes is divided equally among
    those that are on it at the time, as its cores and its time are: so that the parts add up to what was measured,
    whoever comes and goes. What the node takes while nothing runs is nobody's.
    """

    def __init__(self, *, root: Path = Path("/"), now: Callable[[], float] = clock.monotonic) -> None:
        self._root, self._now = root, now
        self._lock = threading.Lock()
        self._meters: dict[str, tuple[Meter, frozenset[Place]]] = {}
        self._on: Counter[Place] = Counter()

    def begin(self, work: str, accelerators: Iterable[Accelerator]) -> None:
        """From now on `work` (any name of its own) is on the processor and on these."""
        found = list(accelerators)
        places = frozenset({PROCESSOR, *((kind, index) for kind, index, _model in found)})
        meter = Meter(found, root=self._root, now=self._now, part=self._part)
        with self._lock:
            self._settle()
            self._meters[work] = meter, places
            self._on.update(places)
            meter.start()

    def end(self, work: str) -> Energy:
        """What it took since it began. KeyError when it did not, or was ended."""
        with self._lock:
            self._settle()
            meter, places = self._meters.pop(work)
            self._on.subtract(places)
        meter.halt()
        return meter.energy

    def _settle(self) -> None:
        """What was used until now is divided among those who were there until now."""
        for meter, _places in self._meters.values():
            meter.look()

    def _part(self, place: Place) -> float:
        return 1.0 / max(1, self._on[place])
