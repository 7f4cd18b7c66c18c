"""Boards and computers that run Linux and Python: `run.py` on a LiteRT runtime.

Memory, processor and clock of the Raspberry Pis: the product briefs on raspberrypi.com (Zero 2 W: RP3A0, 4 × Cortex-A53
at 1 GHz, 512 MB; 3B: BCM2837, 4 × A53 at 1.2 GHz, 1 GB; 3B+: BCM2837B0, 4 × A53 at 1.4 GHz, 1 GB; 4B: BCM2711,
4 × A72 at 1.5 GHz, from 1 GB; 5: BCM2712, 4 × A76 at 2.4 GHz, from 2 GB). What is free beside the system is an
allowance of ours, and so are all figures of the generic targets.
"""

from dataclasses import replace

from hardware.targets.profiles import GIB, MIB, Kind, Runtime, Status, Target

_PI_OS = Runtime(
    packages=("numpy", "ai-edge-litert"),
    note="64-bit Raspberry Pi OS (Bookworm or newer). Check with `uname -m`: it prints aarch64.",
)
_ARM64 = Runtime(
    packages=("numpy", "ai-edge-litert"),
    note="Any 64-bit Linux on ARM with glibc 2.31 or newer. Check with `uname -m`: it prints aarch64.",
)
# On 32-bit ARM only the older tflite-runtime has wheels, for Python 3.11 alone; it was built against NumPy 1. Static
# int8 and fp32 are right there, dynamic quantisation silently wrong: bundles hold none.
_PI_OS_32 = Runtime(
    packages=("numpy<2", "tflite-runtime"),
    min_python="3.11",
    max_python="3.11",
    note="32-bit Raspberry Pi OS (Bookworm) with its Python 3.11. Where pip finds no NumPy or Pillow, Debian's do: "
    "`sudo apt install python3-numpy python3-pil`, then `python3 -m venv --system-site-packages`.",
)
_DEBIAN_32 = replace(
    _PI_OS_32,
    note="32-bit Debian 12 on ARM (ARMv7 with NEON) with its Python 3.11. `sudo apt install python3-numpy "
    "python3-pil`, then `python3 -m venv --system-site-packages`: PyPI has neither for 32-bit ARM.",
)


def _pi(name: str, title: str, *, ram: int, free: int, clock_hz: int) -> Target:
    """`ram` is that of the smallest model sold: a bundle that fits there fits all of them."""
    return Target(
        name=name,
        title=title,
        kind=Kind.LINUX,
        arch="aarch64",
        ram_bytes=ram,
        ram_free_bytes=free,
        flash_bytes=2 * GIB,
        clock_hz=clock_hz,
        cores=4,
        status=Status.OFFERED,
        runtime=_PI_OS,
    )


LINUX = (
    _pi("raspberry-pi-5", "Raspberry Pi 5", ram=2 * GIB, free=1536 * MIB, clock_hz=2_400_000_000),
    _pi("raspberry-pi-4", "Raspberry Pi 4", ram=1 * GIB, free=640 * MIB, clock_hz=1_500_000_000),
    _pi("raspberry-pi-3", "Raspberry Pi 3", ram=1 * GIB, free=640 * MIB, clock_hz=1_200_000_000),
    _pi("raspberry-pi-3b-plus", "Raspberry Pi 3B+", ram=1 * GIB, free=640 * MIB, clock_hz=1_400_000_000),
    replace(
        _pi(
            "raspberry-pi-3b-plus-32bit",
            "Raspberry Pi 3B+ (32-bit system)",
            ram=1 * GIB,
            free=640 * MIB,
            clock_hz=1_400_000_000,
        ),
        arch="armv7l",
        runtime=_PI_OS_32,
    ),
    _pi(
        "raspberry-pi-zero-2-w",
        "Raspberry Pi Zero 2 W",
        ram=512 * MIB,
        free=256 * MIB,
        clock_hz=1_000_000_000,
    ),
    Target(
        name="linux-pc",
        title="Linux computer (x86-64)",
        kind=Kind.LINUX,
        arch="x86_64",
        ram_bytes=4 * GIB,
        ram_free_bytes=2 * GIB,
        flash_bytes=8 * GIB,
        clock_hz=2_000_000_000,
        cores=2,
        status=Status.OFFERED,
        runtime=Runtime(
            packages=("numpy", "ai-edge-litert"), note="Any 64-bit Linux on an Intel or AMD processor."
        ),
    ),
    Target(
        name="linux-arm64",
        title="Linux board (64-bit ARM)",
        kind=Kind.LINUX,
        arch="aarch64",
        ram_bytes=1 * GIB,
        ram_free_bytes=512 * MIB,
        flash_bytes=2 * GIB,
        clock_hz=1_200_000_000,
        cores=4,
        status=Status.OFFERED,
        runtime=_ARM64,
    ),
    Target(
        name="linux-armhf",
        title="Linux board (32-bit ARM)",
        kind=Kind.LINUX,
        arch="armv7l",
        ram_bytes=512 * MIB,
        ram_free_bytes=256 * MIB,
        flash_bytes=1 * GIB,
        clock_hz=1_000_000_000,
        cores=1,
        status=Status.OFFERED,
        runtime=_DEBIAN_32,
    ),
)
