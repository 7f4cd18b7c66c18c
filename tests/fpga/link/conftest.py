"""A board in simulation, with a small memory where the engine will be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.shell import sources
from hardware.fpga.simulation.serial_line import Simulator, compiled
from tests.fpga.link.benches import ENGINE

OURS = (
    "protocol.vh",
    "crc32.v",
    "uart_rx.v",
    "uart_tx.v",
    "frame_receiver.v",
    "frame_sender.v",
    "commands.v",
    "link.v",
    "top.v",
)
BOARD = BOARDS["ice40-hx8k"]


def verilog() -> dict[str, str]:
    """Ours without the engine, and the small memory."""
    found = sources()
    return {name: found[name] for name in OURS} | {ENGINE.name: ENGINE.read_text(encoding="utf-8")}


@pytest.fixture(scope="session")
def board() -> Board:
    return BOARD


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(BOARD, BOARD.engine, verilog(), tmp_path_factory.mktemp("line"))


@pytest.fixture
def simulator(program: Path) -> Iterator[Simulator]:
    with Simulator(program) as started:
        yield started


@pytest.fixture(scope="module")
def kept_on(program: Path) -> Iterator[Simulator]:
    """One that is left on for all tests of a file: its memory keeps what was written."""
    with Simulator(program) as started:
        yield started
