"""A board in iverilog's simulation, at the other end of a serial line: in step with its caller, or behind a
pseudo-terminal that a host program opens like any port.

    python -m hardware.fpga.simulation.serial_line ulx3s-85f     # prints the port, and serves until Ctrl-C

Needs iverilog (Debian's). The line is simulated bit by bit, the board clock cycle by clock cycle.
"""

import argparse
import contextlib
import os
import pty
import select
import subprocess
import sys
import tempfile
import threading
import tty
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.engine import Engine
from hardware.fpga.identity import identity
from hardware.fpga.shell import of_cells, shell, sources
from portal.kit import process

DIVISOR = 8
IDLE = 400
"""Cycles a bit, and until a frame counts as cut (five bytes' time): fewer than a board's, to be quicker."""

_COMPILING_S = 60.0
_AT_ONCE = 64  # bytes' time to let pass before looking at the line again
_HERE = Path(__file__).parent

Spoil = Callable[[bytes], bytes]


class SimulationError(Exception):
    """The simulation could not be made, or ended: what iverilog said."""


def compiled(
    board: Board, engine: Engine, verilog: Mapping[str, str], folder: Path, *, contained: bool = False
) -> Path:
    """The simulation of a board with these sources. SimulationError with the compiler's words, warnings included.

    `contained`: among the sources are contained.py's files, which its memories begin with; it has to be started in
    `folder`.
    """
    said = identity(board, engine, verilog)
    outermost = shell(board, engine, said, divisor=DIVISOR, idle=IDLE, contained=contained)
    cells = of_cells(board)
    plain = {
        name: text for name, text in sources().items() if name in cells and verilog.get(name) == cells[name]
    }
    files = {**verilog, **plain, "board.v": outermost}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    paths = [str(folder / name) for name in sorted(files) if name.endswith(".v")]
    program = folder / "line.vvp"
    argv = ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-I", str(folder), "-s", "line"]
    argv += [f"-Pline.DIVISOR={DIVISOR}", "-o", str(program), str(_HERE / "line.v"), *paths]
    try:
        done = process.run(argv, timeout=_COMPILING_S)
    except FileNotFoundError:
        raise SimulationError("iverilog is not installed: sudo apt-get install iverilog") from None
    if not done.ok or done.err:
        raise SimulationError(done.err or done.out)
    return program


class Simulator:
    """One board, switched on. In step with its caller: time passes only in these calls.

    It serves as wire/link.py's line: `write` sends, `read` lets time pass while the board is at work.
    """

    baudrate = 1_000_000

    def __init__(self, program: Path) -> None:
        self._process = process.spawn(
            ["vvp", "-n", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._came = bytearray()
        self.active = False

    def send(self, data: bytes) -> None:
        """Bytes to the board, one after the other."""
        self._tokens(b"".join(b"b" + bytes((byte,)) for byte in data), len(data))

    def send_broken(self, byte: int) -> None:
        """A byte without its stop bit."""
        self._tokens(b"x" + bytes((byte,)), 1)

    def wait(self, bytes_time: int = _AT_ONCE) -> None:
        """Lets the time of up to 255 bytes pass."""
        self._tokens(b"i" + bytes((bytes_time,)), 1)

    def settle(self) -> bytes:
        """Lets time pass until the board is at rest: what it sent."""
        self.wait()
        while self.active:
            self.wait()
        return self.taken()

    def taken(self) -> bytes:
        """What the board has sent since the last call."""
        found = bytes(self._came)
        self._came.clear()
        return found

    def write(self, data: bytes) -> int:
        self.send(data)
        return len(data)

    def read(self, size: int) -> bytes:
        if not self._came:
            self.wait()
        found = bytes(self._came[:size])
        del self._came[:size]
        return found

    def close(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()  # it ends with its input
        process.ended(self._process, within=1.0)
        process.stop(self._process, grace=0.0)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tokens(self, tokens: bytes, count: int) -> None:
        commands, answers = self._process.stdin, self._process.stdout
        assert commands is not None  # noqa: S101 # both are pipes
        assert answers is not None  # noqa: S101
        try:
            commands.write(tokens)
            commands.flush()
        except BrokenPipeError:
            raise SimulationError("the simulation has ended") from None
        while count:
            kind, _, value = answers.readline().decode("ascii").strip().partition(" ")
            if kind == "r":
                self._came.append(int(value, 16))
            elif kind == "k":
                self.active = value == "1"
                count -= 1
            elif kind not in (
                "e",
                "WARNING:",
            ):  # a file for $readmemh that says fewer words than the memory has
                raise SimulationError(f"the simulation said {kind!r}, or has ended")


class Port:
    """A simulator behind a pseudo-terminal: `name` is what a host program opens.

    `spoil_in`, `spoil_out`: what becomes of bytes on their way to the board, and from it. A thread of this process
    carries them; while the board rests and nobody writes, nothing is done.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        spoil_in: Spoil = lambda data: data,
        spoil_out: Spoil = lambda data: data,
    ) -> None:
        self.simulator = simulator
        self.spoil_in, self.spoil_out = spoil_in, spoil_out
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)  # kept open, so that the line stays up between two programs
        self.name = os.ttyname(self._theirs)
        self._bell, self._ring = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            patience = 0 if self.simulator.active else None
            ready, _, _ = select.select([self._ours, self._bell], [], [], patience)
            if self._bell in ready:
                return
            if self._ours in ready:
                self.simulator.send(self.spoil_in(os.read(self._ours, 1024)))
            else:
                self.simulator.wait()
            if came := self.spoil_out(self.simulator.taken()):
                os.write(self._ours, came)

    def close(self) -> None:
        os.write(self._ring, b"!")
        self._thread.join()
        for handle in (self._ours, self._theirs, self._bell, self._ring):
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def main(argv: Sequence[str]) -> int:
    options = argparse.ArgumentParser(prog="hardware.fpga.simulation.serial_line", description=__doc__)
    options.add_argument("board", choices=sorted(BOARDS))
    options.add_argument("verilog", nargs="*", type=Path, help="further sources, such as another engine")
    given = options.parse_args(argv)
    board = BOARDS[given.board]
    verilog = sources(board) | {path.name: path.read_text(encoding="utf-8") for path in given.verilog}
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = compiled(board, board.engine, verilog, Path(folder))
        except SimulationError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        with Simulator(program) as simulator, Port(simulator) as port:
            sys.stdout.write(f"{port.name}\n")
            sys.stdout.flush()
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
