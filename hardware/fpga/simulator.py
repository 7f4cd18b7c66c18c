"""The engine's own Verilog, simulated cycle by cycle with Verilator."""

import hashlib
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from hardware.fpga.engine import Engine
from hardware.fpga.image import Image
from hardware.fpga.ir import Int8s
from portal.kit import process

RTL = Path(__file__).with_name("rtl")
_MAIN = Path(__file__).with_name("simulation") / "engine.cpp"
MODULES = (
    *("engine", "loader", "memory", "sequencer", "walker", "array", "mac_row", "elements", "slots"),
    *("requantiser", "packer"),
)
"""The engine's own modules, a file each in RTL."""
_BUILD_SECONDS = 600
_ENDLESS = (1 << 32) - 1


class SimulationError(Exception):
    """Verilator could not build the engine, or the engine never came to an end."""


def build(engine: Engine, folder: Path, *, contained: bool = False) -> Path:
    """The program that simulates an engine of this size, built unless it is in `folder` already.

    `contained`: its memories begin with the files of contained.py, in the folder that the program is started in.
    SimulationError with what Verilator said.
    """
    sources = [path for path in sorted(RTL.glob("*.v")) if path.stem in MODULES]
    parameters = {**engine.parameters(), "INIT": int(contained)}
    key = hashlib.sha256(repr(parameters).encode())
    for path in [*sources, _MAIN]:
        key.update(path.read_bytes())
    home = folder / key.hexdigest()[:16]
    program = home / "Vengine"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        done = process.run(
            [
                *("verilator", "--cc", "--exe", "--build", "-O3", "-Wno-lint", "-CFLAGS", "-O1"),
                *("--x-assign", "fast", "--x-initial", "fast", "--noassert", "--top-module", "engine"),
                *("--default-language", "1364-2005", "-Mdir", str(home), "-y", str(RTL)),
                *(f"-G{name}={value}" for name, value in parameters.items()),
                *(str(RTL / "engine.v"), str(_MAIN)),
            ],
            timeout=_BUILD_SECONDS,
        )
        if not done.ok:
            raise SimulationError(f"Verilator built no engine of {engine.lanes} lanes:\n{done.err}{done.out}")
    return program


class Simulator:
    """An engine that runs as a program of its own, until it is closed."""

    def __init__(self, program: Path) -> None:
        self._process = process.spawn([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._process:
            process.stop(self._process)

    def write(self, address: int, content: bytes) -> None:
        self._send(b"W" + struct.pack("<II", address, len(content)) + content)

    def read(self, address: int, length: int) -> bytes:
        self._send(b"R" + struct.pack("<II", address, length))
        return self._receive(length)

    def start(self, most: int = _ENDLESS - 1) -> int:
        """Runs the program, for at most so many cycles; the cycles it took."""
        self._send(b"S" + struct.pack("<I", most))
        cycles: int = struct.unpack("<I", self._receive(4))[0]
        if cycles == _ENDLESS:
            raise SimulationError(f"The engine was still busy after {most:,} cycles.")
        return cycles

    def load(self, image: Image) -> None:
        for address, content in image.segments:
            self.write(address, content)

    def answers(self, image: Image, vectors: Int8s) -> tuple[Int8s, Sequence[int]]:
        """Outputs for int8 inputs (n, …) of the loaded image, and the cycles that each took."""
        found, cycles = [], []
        for vector in vectors:
            self.write(image.input.address, image.input.packed(vector))
            cycles.append(self.start(4 * image.cycles + 1000))
            found.append(image.output.unpacked(self.read(image.output.address, image.output.size)))
        return np.stack(found), cycles

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it was made with pipes
        self._process.stdin.write(content)
        self._process.stdin.flush()

    def _receive(self, length: int) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - as above
        content = self._process.stdout.read(length)
        if len(content) != length:
            raise SimulationError("The simulated engine ended.")
        return content
