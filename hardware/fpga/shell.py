"""What is written for each board: the outermost module, which gives the circuit its clock, reset and identity, and the
constraints that bind its ports to pins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hardware.fpga.boards import Board, Family
from hardware.fpga.clocks import pll
from hardware.fpga.contained import files
from hardware.fpga.engine import Engine
from hardware.fpga.identity import SIZE, digest, identity
from hardware.fpga.image import Image

RTL = Path(__file__).with_name("rtl")
MODULE = "board"

_IDLE_S = 0.02  # how long a frame may pause: a computer's USB driver holds bytes back for some milliseconds


@dataclass(frozen=True)
class Circuit:
    """Verilog by file name, whose outermost module is `board`; the constraints, and the name their tool expects;
    the digest that a board answers when it is asked (identity.py).
    """

    sources: Mapping[str, str]
    constraints: str
    constraints_name: str
    digest: bytes


def sources(board: Board | None = None) -> dict[str, str]:
    """Our Verilog by file name, headers included; for a board with what is made of its chip's own cells."""
    plain = {path.name: path.read_text(encoding="utf-8") for path in sorted(RTL.glob("*.v*"))}
    return plain if board is None else plain | of_cells(board)


def of_cells(board: Board) -> dict[str, str]:
    """Modules that are made of cells of the board's chip, in place of those that any tool can read."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((RTL / board.device).glob("*.v"))}


def circuit(
    board: Board,
    engine: Engine | None = None,
    *,
    verilog: Mapping[str, str] | None = None,
    image: Image | None = None,
) -> Circuit:
    """All that the tools need for this board, with an engine of this size (default: the board's).

    `verilog`: other sources than ours. `image`: a net that the memories begin with, made for this size of engine.
    ValueError for a clock that can't be made, and for a net that they can't begin with.
    """
    if image is not None and not board.holds_nets:
        raise ValueError(f"{board.name}: its large memories begin with nothing, so no bitstream holds a net")
    engine = engine or board.engine
    found = dict(sources(board) if verilog is None else verilog) | ({} if image is None else files(image))
    said = identity(board, engine, found)
    name, write = _CONSTRAINTS[board.family]
    return Circuit(
        sources=found | {"board.v": shell(board, engine, said, contained=image is not None)},
        constraints=write(board),
        constraints_name=name,
        digest=digest(board, engine, found),
    )


def shell(
    board: Board, engine: Engine, said: bytes, *, divisor: int = 0, idle: int = 0, contained: bool = False
) -> str:
    """The module `board`. `contained`: its memories begin with the files of contained.py. For simulation, `divisor` and
    `idle`: other cycles a bit and until a frame counts as cut than the board's, and no PLL.
    """
    simulated = bool(divisor)
    parameters = {
        **engine.parameters(),
        "INIT": int(contained),
        "DIVISOR": divisor or board.divisor,
        "IDLE": idle or round(_IDLE_S * board.core_hz),
        "CAPACITY_BITS": board.capacity_bits,
        "IDENTITY_BYTES": SIZE,
        "IDENTITY_BITS": SIZE.bit_length() - 1,
        "IDENTITY": f"{8 * SIZE}'h{said[::-1].hex()}",
    }
    ports = ["input clk_pin", "input rx_pin", "output tx_pin", "output led_pin"]
    if board.pins.high:
        ports.append("output high_pin")
    lines = [
        f"// {board.title}: written by hardware/fpga/shell.py.",
        f"module {MODULE} ({', '.join(ports)});",
        "    wire clk, locked, led;",
        *(["    assign clk = clk_pin, locked = 1'b1;"] if simulated or not board.faster else pll(board)),
        "",
        "    reg [7:0] begun = 8'd0;",
        "    always @(posedge clk) if (locked && !begun[7]) begun <= begun + 8'd1;",
        "",
        f"    assign led_pin = {'!' if board.pins.led_low else ''}led;",
        *(["    assign high_pin = 1'b1;"] if board.pins.high else []),
        "",
        "    top #(",
        ",\n".join(f"        .{name}({value})" for name, value in parameters.items()),
        "    ) top (.clk(clk), .reset(!begun[7]), .rx(rx_pin), .tx(tx_pin), .led(led));",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _ports(board: Board) -> dict[str, str]:
    pins = board.pins
    found = {"clk_pin": pins.clock, "rx_pin": pins.rx, "tx_pin": pins.tx, "led_pin": pins.led}
    return found | ({"high_pin": pins.high} if pins.high else {})


def _lpf(board: Board) -> str:
    """Lattice's preference file, as far as nextpnr-ecp5 reads it."""
    lines = [f'FREQUENCY PORT "clk_pin" {board.clock_hz / 1e6:g} MHZ;']
    for port, site in _ports(board).items():
        pull = "UP" if port == "rx_pin" else "NONE"
        drive = "" if port in ("clk_pin", "rx_pin") else " DRIVE=4"
        lines += [
            f'LOCATE COMP "{port}" SITE "{site}";',
            f'IOBUF PORT "{port}" PULLMODE={pull} IO_TYPE=LVCMOS33{drive};',
        ]
    return "\n".join(lines) + "\n"


def _pcf(board: Board) -> str:
    """Physical constraints of the iCE40 tools."""
    return "".join(f"set_io {port} {site}\n" for port, site in _ports(board).items())


def _cst(board: Board) -> str:
    """Gowin's physical constraints."""
    ports = _ports(board).items()
    return "".join(f'IO_LOC "{port}" {site};\nIO_PORT "{port}" IO_TYPE=LVCMOS33;\n' for port, site in ports)


_CONSTRAINTS = {
    Family.ECP5: ("board.lpf", _lpf),
    Family.ICE40: ("board.pcf", _pcf),
    Family.GOWIN: ("board.cst", _cst),
}
