"""A clock that jumps, for the processes that are started with it.

Debian's libfaketime breaks every `time.sleep` of Python while it leaves the monotonic clock alone, and a clock that is
set leaves that one alone; so the few lines of C beside this file.
"""

import shutil
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
COMPILER = shutil.which("cc") or shutil.which("gcc")
MISSING = "a C compiler is needed to set a process's clock (Debian: gcc, libc6-dev)"


@dataclass(frozen=True)
class Clock:
    """Processes with `env` see the time of day as `jump` sets it, from that moment on."""

    folder: Path

    def make(self) -> None:
        self.jump(0)
        command = [str(COMPILER), "-shared", "-fPIC", "-O2", "-o", str(self.library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)

    @property
    def library(self) -> Path:
        return self.folder / "clock.so"

    @property
    def env(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CLOCK_AHEAD": str(self.folder / "ahead")}

    def jump(self, hours: int) -> None:
        """To so far ahead of the right time."""
        file = self.folder / "ahead"
        file.touch()
        with file.open("r+b") as held:  # in place: they have it mapped
            held.write(struct.pack("q", hours * 3600))
        time.sleep(0.1)
