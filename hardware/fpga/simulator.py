"""The engine in simulation, cycle by cycle: our own Verilog, or what a netlist says of it (simulation/netlist.py)."""

import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from hardware.fpga import verilator
from hardware.fpga.engine import Engine
from hardware.fpga.image import Image
from hardware.fpga.ir import Int8s
from hardware.fpga.tools import Limits
from hardware.fpga.verilator import SimulationError
from portal.kit import process

RTL = Path(__file__).with_name("rtl")
MAIN = Path(__file__).with_name("simulation") / "engine.cpp"
MODULES = (
    "engine", "loader", "memory", "single_port_memory", "sequencer", "walker", "array", "mac_row", "products",
    "product", "elements", "slots", "requantiser", "serial_requantiser", "packer",
)  # fmt: skip
"""The engine's own modules, a file each in RTL."""
_ENDLESS = (1 << 32) - 1


def build(
    engine: Engine,
    folder: Path,
    *,
    contained: bool = False,
    limits: Limits | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """The program that simulates an engine of this size, built unless it is in `folder` already.

    `contained`: its memories begin with the files of contained.py, in the folder that the program is started in.
    Errors as verilator.program.
    """
    files = {f"{name}.v": (RTL / f"{name}.v").read_text(encoding="utf-8") for name in MODULES}
    files[MAIN.name] = MAIN.read_text(encoding="utf-8")
    parameters = {**engine.parameters(), "INIT": int(contained)}
    options = [
        "--default-language",
        "1364-2005",
        *(f"-G{name}={value}" for name, value in parameters.items()),
    ]
    # The array does the same in each lane: a compiler that may use wide registers takes many at once. What it believes
    # of this very processor's times makes the program slower by an eighth.
    return verilator.program(
        files,
        options=options,
        level="-O3 -march=native -mtune=generic",
        folder=folder,
        limits=limits,
        cancelled=cancelled,
    )


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

    def each_answer(self, image: Image, vectors: Int8s) -> Iterator[tuple[Int8s, int]]:
        """One after the other, an output for each int8 input (n, …) of the loaded image, and the cycles it took."""
        for vector in vectors:
            self.write(image.input.address, image.input.packed(vector))
            cycles = self.start(4 * image.cycles + 1000)
            yield image.output.unpacked(self.read(image.output.address, image.output.size)), cycles

    def answers(self, image: Image, vectors: Int8s) -> tuple[Int8s, Sequence[int]]:
        """All of them: (n, …), and their cycles."""
        found, cycles = zip(*self.each_answer(image, vectors), strict=True)
        return np.stack(found), cycles

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it was made with pipes
        try:
            self._process.stdin.write(content)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SimulationError("The simulated engine ended.") from None

    def _receive(self, length: int) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - as above
        content = self._process.stdout.read(length)
        if len(content) != length:
            raise SimulationError("The simulated engine ended.")
        return content
