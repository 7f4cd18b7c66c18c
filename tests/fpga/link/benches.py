"""Test benches for iverilog: compiled once, fed with bytes, answering lines."""

import functools
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
RTL = HERE.parents[2] / "hardware" / "fpga" / "rtl"
ENGINE = HERE / "memory_engine.v"


@functools.cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="benches-")


@functools.cache
def compiled(bench: str, *modules: str, **parameters: int) -> Path:
    """The simulation of a bench (a file here without its ending) with these modules of ours."""
    program = Path(_folder().name) / f"{bench}-{'-'.join(map(str, parameters.values()))}.vvp"
    argv = ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-I", RTL, "-s", bench, "-o", program]
    argv += [f"-P{bench}.{name}={value}" for name, value in parameters.items()]
    files = [HERE / f"{bench}.v", *(RTL / f"{name}.v" for name in modules)]
    done = subprocess.run([*argv, *files], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return program


def said(program: Path, tokens: bytes, *plus: str) -> list[str]:
    """The lines that a bench answers to these bytes."""
    argv = ["vvp", "-n", str(program), *(f"+{each}" for each in plus)]
    done = subprocess.run(argv, input=tokens, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("ascii").splitlines()
