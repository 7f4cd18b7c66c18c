"""TensorFlow Lite Micro as a package brings it: headers, and a library for x86-64. Its sources come in none.

It is XMOS's fork, two years of API the same, in a namespace of its own (`tflite_micro`) and built without
TF_LITE_STATIC_MEMORY. Its int8 MUL and dense layers round otherwise than the original's: nets with such a MUL are only
compiled against it, and it knows no dense layer of 16 bits with a scale for each output.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.locked import LOCKS, unpacked

LOCK = LOCKS / "board-tflm.txt"


@dataclass(frozen=True)
class Library:
    """Where the package lies."""

    folder: Path

    def built(self, project: Path, *what: str) -> "subprocess.CompletedProcess[str]":
        """The bundle's own Makefile with this library; `what` are targets and variables."""
        argv = ["make", "-C", str(project), *what, f"INCLUDES={self.flags}", f"LIB={self.here}"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)

    @property
    def flags(self) -> str:
        """What its headers need of the compiler."""
        headers = self.folder / "xmos_ai_tools" / "runtime" / "include"
        return (
            f"-UTF_LITE_STATIC_MEMORY -Dtflite=tflite_micro -isystem {headers} -isystem /usr/include/gemmlowp"
        )

    @property
    def here(self) -> Path:
        """The library for this computer."""
        return next(self.folder.glob("xmos_ai_tools/xinterpreters/libs/linux/xtflm_python.so.*"))


def library() -> Library:
    """The locked package, unpacked once and kept beside the boards' systems."""
    return Library(unpacked(LOCK))
