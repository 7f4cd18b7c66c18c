"""Google's TPUs, by what they show on the PCI bus and as device files.

Vendor and device ids: jax/_src/hardware_utils.py of JAX. Google's vendor id alone says little, as the network
cards of its machines have it too. What tells v2 from v3, and the memory of each chip: tpu_info/device.py of
AI-Hypercomputer/cloud-accelerator-diagnostics.
"""

from collections.abc import Iterator
from pathlib import Path

from hardware.nodes.probe.facts import Accelerator
from hardware.nodes.probe.files import text

GOOGLE = "0x1ae0"
GIB = 1024**3
V2_OR_V3 = "0x0027"
BY_SUBSYSTEM = {"0x004e": ("TPU v2", 16), "0x004f": ("TPU v3", 32)}
BY_DEVICE = {
    "0x005e": ("TPU v4", 32),
    "0x0062": ("TPU v5p", 95),
    "0x0063": ("TPU v5e", 16),
    "0x006f": ("TPU v6e", 32),
}


def tpus(root: Path = Path("/")) -> tuple[list[Accelerator], list[str]]:
    """(chips in the order of their PCI addresses, what is there but can't be used, as sentences)."""
    chips = list(_chips(root / "sys/bus/pci/devices"))
    found, trouble = [], []
    for index, (place, model, gib) in enumerate(chips):
        if _has_device_file(root, place, index):
            details = {"pci_bus": place.name}
            found.append(Accelerator("tpu", index, model, gib * GIB, details=details))
        else:
            trouble.append(
                f"A {model} is at {place.name}, but neither /dev/accel{index} nor its group in /dev/vfio is there: "
                "load its driver, or give this container the device."
            )
    return found, trouble


def _chips(bus: Path) -> Iterator[tuple[Path, str, int]]:
    for place in sorted(bus.glob("*")):
        if text(place / "vendor") == GOOGLE and (known := _known(place)):
            yield place, *known


def _known(place: Path) -> tuple[str, int] | None:
    device = text(place / "device")
    if device == V2_OR_V3:
        return BY_SUBSYSTEM.get(text(place / "subsystem_device"))
    return BY_DEVICE.get(device)


def _has_device_file(root: Path, place: Path, index: int) -> bool:
    group = (place / "iommu_group").resolve().name  # a link to the group's folder, which is named by a number
    return (root / "dev" / f"accel{index}").exists() or (root / "dev/vfio" / group).exists()
