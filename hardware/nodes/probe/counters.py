"""What the kernel counts for the whole machine: time at work, memory in use, heat, and the energy of its
processors.

Files: proc(5) for /proc/stat and /proc/meminfo; Documentation/hwmon/sysfs-interface.rst and
Documentation/driver-api/thermal/sysfs-api.rst for temperatures (thousandths of a degree Celsius);
Documentation/power/powercap/powercap.rst for RAPL's counters (microjoules, beginning again at 0 after
`max_energy_range_uj`). Since CVE-2020-8694 most kernels let only root read the counters.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hardware.nodes.probe.files import number, text

ROOT = Path("/")
SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "x86_pkg_temp", "soc_thermal")
MICRO = 1e-6
MILLI = 1e-3
IDLE, IO_WAIT = 3, 4  # fields of /proc/stat's first line
GUEST = 8  # fields from here on are counted in earlier ones already


@dataclass(frozen=True)
class Ticks:
    """Clock ticks of all processors since the machine started: `busy` of `total`."""

    busy: int
    total: int


@dataclass(frozen=True)
class Package:
    """What a processor's package (or its memory) has used by its counter, and where the counter begins again."""

    energy_uj: int
    range_uj: int


Packages = Mapping[str, Package]


def ticks(root: Path = ROOT) -> Ticks | None:
    """None where the kernel doesn't say."""
    name, *fields = text(root / "proc/stat").partition("\n")[0].split() or [""]
    counts = [int(field) for field in fields[:GUEST]]
    if name != "cpu" or len(counts) <= IO_WAIT:
        return None
    total = sum(counts)
    return Ticks(busy=total - counts[IDLE] - counts[IO_WAIT], total=total)


def share(before: Ticks | None, after: Ticks | None) -> float | None:
    """For how much of the time between two readings the processors were busy, 0 to 1."""
    if before is None or after is None or after.total <= before.total:
        return None
    return min(1.0, max(0.0, (after.busy - before.busy) / (after.total - before.total)))


def memory_used(root: Path = ROOT) -> int | None:
    """Bytes that are not available to a new program."""
    lines = (line.split() for line in text(root / "proc/meminfo").splitlines())
    kib = {words[0]: int(words[1]) for words in lines if len(words) > 1}
    if "MemTotal:" not in kib or "MemAvailable:" not in kib:
        return None
    return (kib["MemTotal:"] - kib["MemAvailable:"]) * 1024


def temperature_c(root: Path = ROOT) -> float | None:
    """Of the hottest part of the processor."""
    return max(_temperatures(root), default=None)


def _temperatures(root: Path) -> Iterator[float]:
    for place, name, pattern in (
        ("sys/class/hwmon", "name", "temp*_input"),
        ("sys/class/thermal", "type", "temp"),
    ):
        for sensor in (root / place).glob("*"):
            if text(sensor / name) in SENSORS:
                readings = (number(file) for file in sensor.glob(pattern))
                yield from (reading * MILLI for reading in readings if reading is not None)


def cores(root: Path = ROOT) -> int:
    """Of the whole machine; threads of one core are counted once. At least 1."""
    known: set[tuple[str, str]] = set()
    threads = 0
    for block in text(root / "proc/cpuinfo").split("\n\n"):
        said = {
            name.strip(): value.strip()
            for name, _, value in (line.partition(":") for line in block.splitlines())
        }
        threads += "processor" in said
        if "core id" in said:
            known.add((said.get("physical id", ""), said["core id"]))
    return len(known) or threads or 1


def packages(root: Path = ROOT) -> Packages:
    """By zone: each package and the memory beside it. What is within a package (cores, graphics), and the platform
    as a whole ("psys"), would count the same energy twice. Empty where there is no RAPL, or it may not be read.
    """
    found = {}
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):
        energy, wraps = number(zone / "energy_uj"), number(zone / "max_energy_range_uj")
        counted = text(zone / "name").startswith("package") or text(zone / "name") == "dram"
        if counted and energy is not None and wraps is not None:
            found[zone.name] = Package(energy, wraps)
    return found


def joules(before: Packages, after: Packages) -> float | None:
    """Used between two readings, less than one round of the counters apart (a minute at high power). None where a
    zone that was read before is not there now, or nothing can be read.
    """
    if not before or before.keys() - after.keys():
        return None
    return sum(_used(before[zone], after[zone]) for zone in before) * MICRO


def _used(before: Package, after: Package) -> int:
    used = after.energy_uj - before.energy_uj
    return used if used >= 0 else used + after.range_uj
