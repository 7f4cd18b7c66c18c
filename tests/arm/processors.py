"""The boards' processors, as their kernel describes them: LiteRT picks by that what it computes with, or gives up."""

from dataclasses import dataclass
from pathlib import Path

CORES = 4
_ENTRY = """\
processor\t: {number}
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: {architecture}
CPU variant\t: 0x{variant}
CPU part\t: 0x{part}
CPU revision\t: {revision}

"""


@dataclass(frozen=True)
class Processor:
    """One of ARM's; `name` is QEMU's for it, the rest what `/proc/cpuinfo` on the board says of each core."""

    name: str
    part: str
    revision: int
    features: str
    variant: str = "0"
    architecture: int = 8

    def describe(self, folder: Path) -> dict[str, Path]:
        """Where a program looks for what it is told, and the files for that, written to `folder`."""
        (folder / "cpuinfo").write_text("".join(self._core(number) for number in range(CORES)))
        (folder / "cores").write_text(f"0-{CORES - 1}\n")
        lists = ("/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/present")
        return {"/proc/cpuinfo": folder / "cpuinfo", **dict.fromkeys(lists, folder / "cores")}

    def _core(self, number: int) -> str:
        return _ENTRY.format(number=number, **vars(self))


_V8 = "fp asimd evtstrm crc32 cpuid"
# By target; the last is what a system of 32 bits sees of the oldest board that runs it.
PROCESSORS = {
    "raspberry-pi-5": Processor(
        "cortex-a76",
        part="d0b",
        revision=1,
        variant="4",
        features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
    "raspberry-pi-4": Processor("cortex-a72", part="d08", revision=3, features=_V8),
    "raspberry-pi-zero-2-w": Processor("cortex-a53", part="d03", revision=4, features=_V8),
}
PI_2 = Processor(
    "cortex-a7",
    part="c07",
    revision=5,
    architecture=7,
    features="half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
)
