"""The Cortex-M cores that QEMU emulates on ARM's MPS2 boards, and running a program on them."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_LINK = """\
MEMORY {{ code (rx) : ORIGIN = {code}, LENGTH = {size} data (rwx) : ORIGIN = {data}, LENGTH = {size} }}
ENTRY(reset)
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.init) *(.fini) }} > code
  .ARM.exidx : {{ *(.ARM.exidx*) }} > code
  .data : {{ *(.data*) }} > data
  .bss : {{ *(.bss*) *(COMMON) . = ALIGN(8); end = .; }} > data
  stack_top = ORIGIN(data) + LENGTH(data);
}}
"""


@dataclass(frozen=True)
class Core:
    """`flags` for GCC; where the board has its memory, 2 MB for code and 2 MB for data (QEMU's docs, arm/mps2)."""

    name: str
    machine: str
    flags: str
    code: str = "0x00000000"
    data: str = "0x20000000"

    def __str__(self) -> str:
        return self.name

    def linked(self, folder: Path) -> str:
        """What the linker needs for it: where its memory is, and what stands before main()."""
        script = folder / f"{self.machine}.ld"
        script.write_text(_LINK.format(code=self.code, data=self.data, size="2M"))
        return f"{HERE / 'start.c'} -nostartfiles --specs=rdimon.specs -T {script}"

    def built(self, project: Path, *more: str) -> Path:
        """A bundle's self-test compiled for it, by the bundle's own Makefile."""
        argv = [
            "make",
            "-C",
            str(project),
            "plain",
            "CROSS=arm-none-eabi-",
            f"FLAGS=-mthumb {self.flags}",
            *more,
        ]
        done = subprocess.run(
            [*argv, f"LINK={self.linked(project)}"], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stderr, done.stderr
        return (project / "selftest_plain.elf").rename(project / f"{self.machine}.elf")

    def run(self, program: Path) -> "subprocess.CompletedProcess[str]":
        """What the program says, and its exit status."""
        argv = ["qemu-system-arm", "-M", self.machine, "-nographic", "-monitor", "none", "-serial", "none"]
        return subprocess.run(
            [*argv, "-semihosting-config", "enable=on,target=native", "-kernel", str(program)],
            capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip


CORES = (
    Core("cortex-m3", "mps2-an385", "-mcpu=cortex-m3"),
    Core("cortex-m4f", "mps2-an386", "-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16"),
    Core("cortex-m7", "mps2-an500", "-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-sp-d16"),
    # The secure side, which it starts on.
    Core(
        "cortex-m33",
        "mps2-an505",
        "-mcpu=cortex-m33+nofp -mfloat-abi=soft",
        code="0x10000000",
        data="0x38000000",
    ),
)


def missing() -> list[str]:
    """The commands that are needed and not there."""
    needed = ("qemu-system-arm", "arm-none-eabi-gcc", "cmake", "make")
    return [name for name in needed if shutil.which(name, path=os.environ["PATH"]) is None]
