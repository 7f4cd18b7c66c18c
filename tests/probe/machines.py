"""Machines made of files, for the real readers to read."""

import shutil
import subprocess
from pathlib import Path

COMPILER = shutil.which("cc") or shutil.which("gcc")


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def usb(root: Path, place: str, ids: str, product: str, *, maker: str = "", serial: str = "") -> Path:
    """Something plugged in at `place`."""
    vendor, _, number = ids.partition(":")
    strings = {
        "idVendor": vendor,
        "idProduct": number,
        "product": product,
        "manufacturer": maker,
        "serial": serial,
    }
    at = f"sys/bus/usb/devices/{place}"
    return write(root, {f"{at}/{name}": f"{text}\n" for name, text in strings.items() if text})


def pci(
    root: Path, place: str, vendor: str, device: str, *, subsystem: str = "0x0000", group: str = ""
) -> Path:
    """Something on the PCI bus, on wish in an IOMMU group, as /sys shows it."""
    at = f"sys/bus/pci/devices/{place}"
    names = {"vendor": vendor, "device": device, "subsystem_device": subsystem}
    write(root, {f"{at}/{name}": f"{text}\n" for name, text in names.items()})
    if group:
        (root / "sys/kernel/iommu_groups" / group).mkdir(parents=True)
        (root / at / "iommu_group").symlink_to(f"../../../../kernel/iommu_groups/{group}")
    return root


def package(root: Path, zone: str, name: str, energy_uj: int, *, range_uj: int = 262_143_328_850) -> Path:
    """A counter of RAPL's."""
    at = f"sys/class/powercap/{zone}"
    numbers = {"name": name, "energy_uj": str(energy_uj), "max_energy_range_uj": str(range_uj)}
    return write(root, {f"{at}/{file}": f"{text}\n" for file, text in numbers.items()})


def worked(root: Path, *, busy: int, idle: int) -> Path:
    """The processors' time since the start, in ticks; guests' is in the user's already."""
    return write(
        root, {"proc/stat": f"cpu  {busy} 0 0 {idle} 0 0 0 0 {busy} 0\ncpu0 {busy} 0 0 {idle} 0 0 0 0 0 0\n"}
    )


def driver(folder: Path) -> Path:
    """NVIDIA's library as a driver brings it, for pynvml to load from `folder`: two GPUs, of which the second is
    old, and answers only what it must. Energy and power come from the files `energy_mj` and `power_mw` beside it.
    """
    assert COMPILER is not None
    source = Path(__file__).with_name("nvml.c")
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return write(folder, {"energy_mj": "1000000", "power_mw": "120000"})
