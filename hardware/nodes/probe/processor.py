"""The processor and the memory that this process may use."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import psutil

from hardware.nodes.probe.facts import Processor
from hardware.nodes.probe.files import number, text

# What decides which kernels run: vector and matrix units, short floats, integer dot products.
FEATURES = frozenset(
    [
        "sse4_2",
        "avx",
        "avx2",
        "fma",
        "f16c",
        "avx_vnni",
        "avx512f",
        "avx512bw",
        "avx512vl",
        "avx512_vnni",
        "avx512_bf16",
        "avx512_fp16",
        "amx_tile",
        "amx_int8",
        "amx_bf16",
        "neon",
        "asimd",
        "asimddp",
        "asimdhp",
        "i8mm",
        "bf16",
        "sve",
        "sve2",
        "fphp",
    ]
)
_UNLIMITED = 1 << 60  # cgroup v1 says "no limit" as a number near 2^63


def processor(root: Path = Path("/")) -> Processor:
    """`root` is where /proc and /sys are looked for."""
    described = dict(_described(root / "proc/cpuinfo"))
    flags = (described.get("flags") or described.get("Features") or "").split()
    return Processor(
        model=described.get("model name") or described.get("Model") or platform.processor(),
        architecture=platform.machine(),
        cores=cores(root),
        features=sorted(FEATURES.intersection(flags)),
        memory_bytes=memory(root),
    )


def cores(root: Path = Path("/")) -> float:
    """Processors this process may run on, or the share of time a cgroup leaves it, whichever is less."""
    allowed = float(len(os.sched_getaffinity(0)))
    return min([allowed, *_quotas(root)])


def memory(root: Path = Path("/")) -> int:
    """Bytes of memory this process may use: the machine's, or less by a cgroup."""
    limits = [
        limit
        for folder, name in _groups(root, "memory", "memory.max", "memory.limit_in_bytes")
        if (limit := number(folder / name)) is not None and 0 < limit < _UNLIMITED
    ]
    return int(min([psutil.virtual_memory().total, *limits]))


def _described(cpuinfo: Path) -> Iterator[tuple[str, str]]:
    """The first value of each field; on some boards the model comes after all processors."""
    seen = set()
    for line in text(cpuinfo).splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() not in seen:
            seen.add(name.strip())
            yield name.strip(), value.strip()


def _quotas(root: Path) -> Iterator[float]:
    for folder, name in _groups(root, "cpu", "cpu.max", "cpu.cfs_quota_us"):
        if name == "cpu.max":
            quota, _, period = text(folder / name).partition(" ")
        else:
            quota, period = text(folder / name), text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            yield int(quota) / int(period)


def _groups(root: Path, controller: str, new: str, old: str) -> Iterator[tuple[Path, str]]:
    """(folder, file) of each cgroup that holds this process, from its own up to the top, version 2 and 1."""
    for line in text(root / "proc/self/cgroup").splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            tops, name = (root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"), new
        elif controller in controllers.split(","):
            tops, name = (root / "sys/fs/cgroup" / controllers, root / "sys/fs/cgroup" / controller), old
        else:
            continue
        for top in tops:
            yield from ((folder, name) for folder in _upward(top, path))


def _upward(top: Path, path: str) -> Iterator[Path]:
    folder = top / path.lstrip("/")
    while folder != top and folder.is_relative_to(top):
        yield folder
        folder = folder.parent
    yield top
