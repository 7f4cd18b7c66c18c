"""Verilog becomes a program that simulates it, by Verilator, and is kept by a hash of what it was made from."""

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hardware.fpga import tools
from hardware.fpga.tools import Limits, ToolError

_FLAGS = (
    *("--cc", "--exe", "--build", "--top-module", "engine", "-O3"),
    *("--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-lint"),
)
_COMPILING = "-fno-tree-pre"
"""For all: a circuit is one long function, in which values that are computed early fill the registers. By OPT_FAST, as
Verilator's makefile has -Os behind what -CFLAGS says.
"""
_PROGRAM = "Vengine"


class SimulationError(Exception):
    """Verilator could not build the simulation, or what is simulated never came to an end."""


def program(
    files: Mapping[str, str],
    *,
    options: Sequence[str] = (),
    level: str = "-O2",
    folder: Path,
    limits: Limits | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """The program that simulates the module `engine` of these files (Verilog, and C++ with its `main`), by name; made
    unless it is in `folder` already. `options` are Verilator's; `level` is how the compiler makes it faster, for this
    processor alone.

    SimulationError with what Verilator said, CancelledError, LookupError where it is not installed.
    """
    options = [*options, "-MAKEFLAGS", f"OPT_FAST='{level} {_COMPILING}'"]
    said = json.dumps([sorted(files.items()), options, _FLAGS, _processor()])
    kept = folder / hashlib.sha256(said.encode()).hexdigest()[:32] / _PROGRAM
    if kept.exists():
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as name:
        made = _made(files, options, Path(name), limits or Limits(), cancelled)
        kept.parent.mkdir(exist_ok=True)
        made.replace(kept)
    return kept


def _made(
    files: Mapping[str, str],
    options: Sequence[str],
    home: Path,
    limits: Limits,
    cancelled: Callable[[], bool],
) -> Path:
    verilator = shutil.which("verilator")
    if verilator is None:
        raise LookupError("verilator is not installed: sudo apt-get install verilator g++ make")
    for name, text in files.items():
        (home / name).write_text(text, encoding="utf-8")
    sources = [str(home / name) for name in sorted(files) if name.endswith((".v", ".cpp"))]
    jobs = str(len(os.sched_getaffinity(0)))
    argv = [verilator, *_FLAGS, "-j", jobs, *options, "-Mdir", str(home / "made"), *sources]
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    try:
        tools.followed(
            "verilator",
            argv,
            env=env | {"LANG": "C.UTF-8"},
            log=home / "verilator.log",
            limits=limits,
            cancelled=cancelled,
        )
    except ToolError as error:
        raise SimulationError(f"No simulation could be made. {error}") from error
    return home / "made" / _PROGRAM


def _processor() -> str:
    """What this one is and can do: a program that was compiled for another may not run here."""
    told = ("model name", "flags", "Features", "CPU part")
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = [platform.processor()]
    return "\n".join(sorted({platform.machine(), *(line for line in lines if line.startswith(told))}))
