"""The boards' facts, and what is written from them."""

import dataclasses
import re
import zlib

import pytest

from hardware.fpga.boards import BAUD, BOARDS, Board, Family
from hardware.fpga.frontend import read_graph
from hardware.fpga.identity import SIZE, identity
from hardware.fpga.program import compiled
from hardware.fpga.runs import offered
from hardware.fpga.shell import circuit, shell, sources
from hardware.fpga.wire import link
from hardware.targets.profiles import Kind
from hardware.targets.registry import TARGETS
from tests.fpga.test_passes import Net

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
    assert target.ram_bytes == board.block_rams * board.block_ram_bits // 8 + board.large_ram_bytes
    assert target.clock_hz == board.clock_hz
    assert target.buildable == offered(board.name)


@every_board
def test_an_engine_of_its_size_can_fit(board: Board) -> None:
    size = board.engine
    memories = [
        (64, size.program_words), (75 * max(1, size.lanes // 64), size.constant_words), (64, size.table_words),
        (64, size.activation_words), (8, 1 << board.capacity_bits),
    ]  # fmt: skip
    weights = 8 * size.lanes * size.weight_words
    if board.large_ram_bytes:
        assert weights == 8 * board.large_ram_bytes
        weights = 0
    bits = weights + sum(width * depth for width, depth in memories)
    assert bits <= board.block_rams * board.block_ram_bits
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


@pytest.mark.parametrize(
    ("name", "core_hz"),
    [
        ("icebreaker", 31_000_000),
        ("ice40-hx8k", 12_000_000 * 23),
        ("tang-nano-20k", 100_000_000),
        ("tang-nano-20k", 27_000_000 * 24),
        ("ulx3s-12f", 2_000_000),
    ],
)
def test_a_clock_that_no_pll_makes_is_refused(name: str, core_hz: int) -> None:
    board = dataclasses.replace(BOARDS[name], core_hz=core_hz)
    with pytest.raises(ValueError, match=f"{name}: no PLL settings for {board.clock_hz} to {core_hz} Hz"):
        shell(board, board.engine, bytes(64))


@every_board
def test_a_pll_makes_the_engines_clock(board: Board) -> None:
    """By the formulas of the sources that clocks.py names."""
    text = shell(board, board.engine, bytes(64))
    found = re.findall(r"\.((?:CLK|DIV|FB|FILTER|ID|OD)\w+)\((?:\d'd)?(\d+)\)", text)
    of = {name: int(value) for name, value in found}
    if board.family is Family.ECP5:
        clock = board.clock_hz * of["CLKFB_DIV"] / of["CLKI_DIV"]
        oscillator, within = clock * of["CLKOP_DIV"], (400e6, 800e6)
        assert of["CLKOP_CPHASE"] == of["CLKOP_DIV"] // 2
    elif board.family is Family.ICE40:
        oscillator, within = board.clock_hz * (of["DIVF"] + 1) / (of["DIVR"] + 1), (533e6, 1066e6)
        clock = oscillator / 2 ** of["DIVQ"]
        assert of["DIVF"] < 1 << 7
        assert of["FILTER_RANGE"] == 1, "which icepll has for 10 to 17 MHz"
    else:
        clock = board.clock_hz * (of["FBDIV_SEL"] + 1) / (of["IDIV_SEL"] + 1)
        oscillator, within = clock * of["ODIV_SEL"], (500e6, 1250e6)
    assert clock == board.core_hz
    assert within[0] <= oscillator <= within[1]


def test_the_clock_of_a_plls_own_pin_comes_in_there() -> None:
    told = {
        name: shell(BOARDS[name], BOARDS[name].engine, bytes(64)) for name in ("icebreaker", "ice40-hx8k")
    }
    assert "SB_PLL40_PAD" in told["icebreaker"]
    assert ".PACKAGEPIN(clk_pin)" in told["icebreaker"]
    assert "SB_PLL40_CORE" in told["ice40-hx8k"]
    assert ".REFERENCECLK(clk_pin)" in told["ice40-hx8k"]


def test_a_chip_has_modules_of_its_own_cells() -> None:
    plain, own = sources(), sources(BOARDS["icebreaker"])
    assert {name for name in plain if plain[name] != own[name]} == {"product.v", "products.v"}
    assert set(own) == set(plain)
    assert sources(BOARDS["ulx3s-85f"]) == plain


def test_no_net_lies_in_memories_that_begin_with_nothing() -> None:
    board = BOARDS["icebreaker"]
    net = Net()
    source = net.value((4, 4, 3), 0.05, 11)
    graph = read_graph(net.content(source, net.convolution(source, (4, 4, 3), 8)))
    with pytest.raises(ValueError, match="icebreaker: its large memories begin with nothing"):
        circuit(board, image=compiled(graph, board.engine))
