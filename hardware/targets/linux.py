"""Boards and computers that run 64-bit Linux and Python: `run.py` on a LiteRT runtime."""

from hardware.targets.profiles import GIB, MIB, Kind, Runtime, Status, Target

# A 64-bit system is needed: on 32-bit ARM only the older tflite-runtime has wheels (Python 3.11), and some
# kinds of quantisation are silently wrong there.
_PI_OS = Runtime(
    packages=("numpy", "ai-edge-litert"),
    note="64-bit Raspberry Pi OS (Bookworm or newer). Check with `uname -m`: it prints aarch64.",
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
)
