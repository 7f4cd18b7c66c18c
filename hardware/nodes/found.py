"""What a node's probe says, as the accelerators that jobs can run on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hardware.nodes.models import AcceleratorKind


class Terms(NamedTuple):
    """How fast an accelerator is and what it costs, against one CPU, and how many jobs at most may share it."""

    relative_speed: float
    price: float
    sharing: int


# A first guess for a new accelerator: its speed is its price. Jobs' times correct the speed, a steward both.
FIRST_TERMS = {
    AcceleratorKind.CPU: Terms(1.0, 1.0, 1),
    AcceleratorKind.GPU: Terms(10.0, 10.0, 4),
    AcceleratorKind.TPU: Terms(20.0, 20.0, 1),
    AcceleratorKind.FPGA: Terms(1.0, 1.0, 1),
}
FIRST_INDEX = {AcceleratorKind.FPGA: 1}  # 0 is the number of the tools
MODEL_LENGTH = 120


@dataclass(frozen=True)
class Found:
    """One accelerator as a probe found it. `memory_bytes` is 0 when it is not known."""

    kind: AcceleratorKind
    index: int
    model: str
    memory_bytes: int


def accelerators(probe: Mapping[str, Any]) -> list[Found]:
    """Every accelerator in `probe`; always with a CPU, which takes one job at a time."""
    listed = list(_listed(probe))
    if any(found.kind == AcceleratorKind.CPU for found in listed):
        return listed
    return [_processor(probe), *listed]


def _listed(probe: Mapping[str, Any]) -> Iterator[Found]:
    counts: dict[AcceleratorKind, int] = {}
    for entry in probe.get("accelerators", []):
        kind = AcceleratorKind(entry["kind"])
        index = int(entry.get("index", counts.get(kind, 0)))
        counts[kind] = index + 1
        yield Found(
            kind, index, str(entry.get("model", ""))[:MODEL_LENGTH], int(entry.get("memory_bytes") or 0)
        )


def _processor(probe: Mapping[str, Any]) -> Found:
    cpu = probe.get("cpu") or {}
    model = cpu.get("model", "") if isinstance(cpu, Mapping) else str(cpu)
    return Found(AcceleratorKind.CPU, 0, str(model)[:MODEL_LENGTH], int(probe.get("memory_bytes") or 0))
