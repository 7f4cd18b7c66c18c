"""How busy, full, hot and hungry a machine is now: readings for a time series."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hardware.nodes.probe import counters, nvidia
from hardware.nodes.probe.counters import Packages, Ticks
from portal.kit import clock

EVERY_S = 15.0


@dataclass(frozen=True)
class Reading:
    """Of one accelerator, named as the probe names it; None for what can't be read. `utilisation` is 0 to 1."""

    kind: str
    index: int
    utilisation: float | None = None
    memory_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None


class Sampler:
    """Takes readings, at most every `EVERY_S` seconds: a processor's are means since the last time. Not for use by
    several threads at once.
    """

    def __init__(self, root: Path = Path("/"), now: Callable[[], float] = clock.monotonic) -> None:
        self._root, self._now = root, now
        self._at, self._ticks, self._packages = self._look()

    def due(self) -> list[Reading]:
        """Readings; empty when it is not yet time."""
        return self.take() if self._now() - self._at >= EVERY_S else []

    def take(self) -> list[Reading]:
        """The processor's, then each GPU's."""
        return [self._processor(), *_gpus()]

    def _look(self) -> tuple[float, Ticks | None, Packages]:
        return self._now(), counters.ticks(self._root), counters.packages(self._root)

    def _processor(self) -> Reading:
        at, ticks, packages = self._at, self._ticks, self._packages
        self._at, self._ticks, self._packages = self._look()
        used, seconds = counters.joules(packages, self._packages), self._at - at
        return Reading(
            kind="cpu",
            index=0,
            utilisation=counters.share(ticks, self._ticks),
            memory_bytes=counters.memory_used(self._root),
            temperature_c=counters.temperature_c(self._root),
            power_w=used / seconds if used is not None and seconds > 0 else None,
        )


def _gpus() -> Iterator[Reading]:
    if not nvidia.reach():
        return
    for index, handle in nvidia.handles().items():
        yield Reading(
            kind="gpu",
            index=index,
            utilisation=nvidia.utilisation(handle),
            memory_bytes=nvidia.memory_used_bytes(handle),
            temperature_c=nvidia.temperature_c(handle),
            power_w=nvidia.power_w(handle),
        )
