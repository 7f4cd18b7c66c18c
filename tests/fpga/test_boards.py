"""The boards' facts, and what is written from them."""

import dataclasses
import re
import zlib

import pytest

from hardware.fpga.boards import BAUD, BOARDS, Board, Family
from hardware.fpga.identity import SIZE, identity
from hardware.fpga.runs import offered
from hardware.fpga.shell import circuit, shell
from hardware.fpga.wire import link
from hardware.targets.profiles import Kind
from hardware.targets.registry import TARGETS

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
SOURCES = {"top.v": "module top; endmodule\n"}


@every_board
def test_a_bit_on_the_line_is_a_whole_number_of_cycles(board: Board) -> None:
    assert board.core_hz % BAUD == 0
    assert board.divisor >= 8


@every_board
def test_a_board_is_a_target_with_its_memory(board: Board) -> None:
    target = TARGETS[board.name]
    assert target.kind is Kind.FPGA
    assert target.title == board.title
    assert target.ram_bytes == board.block_rams * board.block_ram_bits // 8
    assert target.clock_hz == board.clock_hz
    assert target.buildable == offered(board.name)


@every_board
def test_an_engine_of_its_size_can_fit(board: Board) -> None:
    size = board.engine
    memories = [
        (64, size.program_words), (8 * size.lanes, size.weight_words),
        (75 * max(1, size.lanes // 64), size.constant_words),
        (64, size.table_words), (64, size.activation_words), (8, 1 << board.capacity_bits),
    ]  # fmt: skip
    bits = sum(width * depth for width, depth in memories)
    assert bits < board.block_rams * board.block_ram_bits
    assert size.lanes <= board.multipliers or board.family is Family.ICE40


@every_board
def test_each_port_of_the_shell_has_a_pin(board: Board) -> None:
    made = circuit(board, verilog=SOURCES)
    ports = re.findall(r"(?:input|output) (\w+)", made.sources["board.v"])
    assert len(ports) == 4 + bool(board.pins.high)
    pins = board.pins
    for port, pin in zip(ports, [pins.clock, pins.rx, pins.tx, pins.led, pins.high], strict=False):
        assert re.search(rf'\b{port}"?( SITE)? "?{pin}\b', made.constraints), port
    assert made.constraints_name.endswith({"ecp5": "lpf", "ice40": "pcf", "gowin": "cst"}[board.family])


@every_board
def test_its_identity_reads_as_the_host_reads_it(board: Board) -> None:
    said = identity(board, board.engine, SOURCES)
    assert len(said) == SIZE == 64

    class Line:
        """Answers with the identity."""

        baudrate = BAUD
        tag = 0

        def write(self, data: bytes) -> int:
            self.tag = data[1]
            return len(data)

        def read(self, _size: int) -> bytes:
            inside = bytes((self.tag, link.OK)) + len(said).to_bytes(2, "little") + said
            return b"\x5a" + inside + zlib.crc32(inside).to_bytes(4, "little")

    found = link.Client(Line()).identify()
    assert (found.board, found.lanes) == (board.name, board.engine.lanes)


def test_the_identity_tells_boards_sizes_and_sources_apart() -> None:
    board, other = BOARDS["ulx3s-85f"], BOARDS["ulx3s-45f"]
    smaller = dataclasses.replace(board.engine, lanes=64)
    said = [
        identity(board, board.engine, SOURCES),
        identity(other, board.engine, SOURCES),
        identity(board, smaller, SOURCES),
        identity(board, board.engine, {"top.v": "module top; wire a; endmodule\n"}),
    ]
    digests = {each[28:44] for each in said}
    assert len(digests) == 4
    assert identity(board, board.engine, dict(SOURCES)) == said[0]


def test_a_clock_that_no_pll_makes_is_refused() -> None:
    board = dataclasses.replace(BOARDS["icebreaker"], core_hz=30_000_000)
    with pytest.raises(ValueError, match="no PLL settings for 12000000 to 30000000 Hz"):
        shell(board, board.engine, bytes(64))


def test_the_pll_of_an_ecp5_makes_the_engines_clock() -> None:
    board = BOARDS["ulx3s-85f"]
    text = shell(board, board.engine, bytes(64))
    settings = {name: int(value) for name, value in re.findall(r"\.(CLK\w+_DIV)\((\d+)\)", text)}
    assert board.clock_hz * settings["CLKFB_DIV"] // settings["CLKI_DIV"] == board.core_hz
    assert 400e6 <= board.core_hz * settings["CLKOP_DIV"] <= 800e6
