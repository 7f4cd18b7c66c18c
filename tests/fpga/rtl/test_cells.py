"""Our models of cells: what yosys makes of our own modules, simulated with them, answers as the modules do.

Models of other cells are yosys' own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hardware.fpga import tools
from hardware.fpga.boards import Family
from hardware.fpga.simulation import netlist
from hardware.fpga.simulator import RTL
from hardware.fpga.tools import Limits
from tests.fpga.rtl.benches import Trace, traced

CYCLES = 3000
CELLS = {
    Family.ECP5: ("DP16KD", "MULT18X18D", "TRELLIS_FF", "LUT4", "CCU2C", "PFUMX", "L6MUX21"),
    Family.GOWIN: (
        "DPX9B", "SDPX9B", "MULT9X9", "MULT18X18", "LUT1", "LUT2", "LUT3", "LUT4", "ALU", "MUX2_LUT5", "MUX2_LUT6",
        "MUX2_LUT7", "MUX2_LUT8", "DFF", "DFFE", "DFFR", "DFFS", "DFFRE", "DFFSE", "IBUF", "OBUF", "VCC", "GND",
    ),
    Family.ICE40: (
        "SB_MAC16", "SB_SPRAM256KA", "SB_RAM40_4K", "SB_LUT4", "SB_CARRY", "SB_DFF", "SB_DFFE", "SB_DFFSR", "SB_DFFSS",
        "SB_DFFESR", "SB_DFFESS",
    ),
}  # fmt: skip
SYNTHESIS = {
    Family.ECP5: "synth_ecp5",
    Family.GOWIN: "synth_gowin -family gw2a",
    Family.ICE40: "synth_ice40 -device u -spram",
}


@dataclass(frozen=True)
class Memory:
    """One of the sizes that our memories have; `begins`: with content of its own."""

    width: int
    depth: int
    begins: bool

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return f"memory_{self.width}_{self.depth}_{'init' if self.begins else 'plain'}"

    def verilog(self, where: str) -> str:
        """A module around memory.v; `where`: the folder that its content is found in, as a beginning."""
        init = f"{where}{self.name}.hex" if self.begins else ""
        return (
            f"module {self.name} (input clk, input write, input [15:0] write_address, input [{self.width - 1}:0] "
            f"write_data, input [15:0] read_address, output [{self.width - 1}:0] read_data);\n"
            f'memory #(.WIDTH({self.width}), .DEPTH({self.depth}), .INIT("{init}")) memory (.clk(clk), .write(write), '
            ".write_address(write_address), .write_data(write_data), .read_address(read_address), "
            ".read_data(read_data));\nendmodule\n"
        )


MEMORIES = {
    Family.ECP5: [
        Memory(64, 512, begins=False),
        *(
            Memory(*size, begins=True)
            for size in [(64, 512), (43, 512), (32, 1024), (8, 2048), (8, 4096), (8, 8192)]
        ),
    ],
    Family.GOWIN: [
        Memory(64, 512, begins=False),
        *(Memory(*size, begins=True) for size in [(64, 512), (43, 512), (32, 1024), (8, 2048)]),
    ],
    Family.ICE40: [
        Memory(64, 512, begins=False),
        *(Memory(*size, begins=True) for size in [(43, 256), (8, 512), (8, 1024), (8, 2048)]),
    ],
}
"""Blocks of 36 bits, of 18, of 9, of 4 and of 2, as our memories become on one ECP5 board or another; of 36, 18 and 9
on a Gowin board; of 16, 8, 4 and 2 on an iCE40.
"""
WIDTHS = {
    Family.ECP5: (r"DATA_WIDTH_B\(\d+'[dh](\d+)\)", {"2", "4", "9", "18", "36"}),
    Family.GOWIN: (r"BIT_WIDTH_1\(\d+'[dh](\d+)\)", {"9", "18", "36"}),
    Family.ICE40: (r"READ_MODE\(\d+'[dh](\d+)\)", {"0", "1", "2", "3"}),
}
FLIP_FLOPS = """\
module flip_flops (input clk, input enable, input clear, input [7:0] d, output reg [31:0] q);
always @(posedge clk) begin
    q[7:0] <= clear ? 8'h5a : d;
    if (enable) q[15:8] <= d;
    if (enable) q[23:16] <= clear ? 8'ha5 : d;
    q[31:24] <= d + q[7:0];
end
endmodule
"""
MULTIPLIERS = {
    "requantiser": (RTL / "requantiser.v").read_text(),
    **{
        f"{name}_product": f"module {name}_product (input clk, input {sign} [17:0] a, b, output reg {sign} [35:0] p);\n"
        "always @(posedge clk) p <= a * b;\nendmodule\n"
        for name, sign in (("plain", ""), ("signed", "signed"))
    },
}
"""What takes multipliers: an iCE40-HX has none."""
MULTIPLIER = {Family.ECP5: "MULT18X18D", Family.GOWIN: "MULT18X18"}
MODULES = {
    "mac_row": "".join((RTL / f"{name}.v").read_text() for name in ("mac_row", "products")),
    "flip_flops": FLIP_FLOPS,
}
OF_CELLS = {Family.ICE40: {path.stem: path for path in sorted((RTL / "up5k").glob("*.v"))}}
"""Modules of ours that are made of the family's own cells."""
LARGE = {Family.ICE40: {"single_port_memory": RTL / "single_port_memory.v"}}


def netlists(home: Path, family: Family) -> Path:
    """Each module's netlist of the family's cells, beside the module itself; one run of yosys."""
    modules = MODULES | (MULTIPLIERS if family in MULTIPLIER else {})
    for memory in MEMORIES[family]:
        ours = (RTL / "memory.v").read_text()
        (home / f"{memory.name}.v").write_text(ours + memory.verilog(""))
        (home / f"{memory.name}.rtl.v").write_text(ours + memory.verilog(f"{home}/"))
        values = np.random.default_rng(memory.width).integers(0, 1 << min(memory.width, 62), memory.depth)
        (home / f"{memory.name}.hex").write_text("".join(f"{value:x}\n" for value in values))
    for name, text in modules.items():
        for ending in ("v", "rtl.v"):
            (home / f"{name}.{ending}").write_text(text)
    given = OF_CELLS.get(family, {}) | LARGE.get(family, {})
    for name, path in given.items():
        (home / f"{name}.v").write_text(path.read_text())
        (home / f"{name}.rtl.v").write_text((RTL / f"{name}.v").read_text())
    lines = []
    for name in [*(memory.name for memory in MEMORIES[family]), *modules, *given]:
        lines += [
            "design -reset", f"read_verilog {tools.INSIDE}/{name}.v", f"{SYNTHESIS[family]} -top {name}",
            f"write_verilog -noattr {tools.INSIDE}/{name}.netlist.v",
        ]  # fmt: skip
    (home / "cells.ys").write_text("\n".join(lines))
    arguments = ["-s", f"{tools.INSIDE}/cells.ys"]
    tools.run(tools.YOSYS, arguments, folder=home, log=home / "yosys.log", limits=Limits())
    (home / "models.v").write_text(netlist.models(family, set(CELLS[family])))
    return home


@pytest.fixture(scope="module")
def ecp5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return netlists(tmp_path_factory.mktemp("ecp5"), Family.ECP5)


@pytest.fixture(scope="module")
def gowin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return netlists(tmp_path_factory.mktemp("gowin"), Family.GOWIN)


@pytest.fixture(scope="module")
def ice40(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return netlists(tmp_path_factory.mktemp("ice40"), Family.ICE40)


@pytest.fixture(params=list(CELLS))
def family(request: pytest.FixtureRequest) -> Family:
    chosen: Family = request.param
    return chosen


@pytest.fixture
def folder(request: pytest.FixtureRequest, family: Family) -> Path:
    found: Path = request.getfixturevalue(family)
    return found


def both(
    folder: Path,
    name: str,
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    cycles: list[dict[str, int]],
) -> tuple[Trace, Trace]:
    """Of the module and of its netlist."""
    ours = traced(name, inputs, outputs, cycles, sources=[folder / f"{name}.rtl.v"])
    theirs = traced(
        name, inputs, outputs, cycles, sources=[folder / f"{name}.netlist.v", folder / "models.v"]
    )
    return ours, theirs


@pytest.mark.parametrize(
    ("family", "memory"), [(family, memory) for family in CELLS for memory in MEMORIES[family]], ids=str
)
def test_block_rams(folder: Path, memory: Memory) -> None:
    """First every word is read as it is from the start, then words are written and read at random."""
    chance = np.random.default_rng(memory.depth)
    reads = [{"read_address": at} for at in range(memory.depth)] if memory.begins else []
    mixed = [
        {
            "write": int(chance.integers(2)),
            "write_address": int(chance.integers(memory.depth)),
            "write_data": int(chance.integers(1 << min(memory.width, 62))) << max(0, memory.width - 62),
            "read_address": int(chance.integers(memory.depth)),
        }
        for _ in range(CYCLES)
    ]
    cycles = [*reads, *mixed, {}]
    written: set[int] = set(range(memory.depth)) if memory.begins else set()
    inputs = {"write": 1, "write_address": 16, "write_data": memory.width, "read_address": 16}
    ours, theirs = both(folder, memory.name, inputs, {"read_data": memory.width}, cycles)
    compared = 0
    for at, cycle in enumerate(cycles[:-1]):
        # A read in the cycle that writes the same word is not defined, nor what nothing was written to.
        same = cycle.get("write") and cycle["write_address"] == cycle["read_address"]
        if cycle.get("read_address", -1) in written and not same:
            assert theirs[at + 1] == ours[at + 1], f"cycle {at}"
            compared += 1
        if cycle.get("write"):
            written.add(cycle["write_address"])
    assert compared > CYCLES // 10


def test_every_width_that_our_memories_take_is_among_them(folder: Path, family: Family) -> None:
    said, wanted = WIDTHS[family]
    found = {
        width for path in folder.glob("memory*.netlist.v") for width in re.findall(said, path.read_text())
    }
    assert found == wanted


def test_a_read_of_what_is_written_in_the_same_cycle_is_wrong(folder: Path) -> None:
    """So that a circuit that relied on it would show."""
    inputs = {"write": 1, "write_address": 16, "write_data": 64, "read_address": 16}
    both_at_once = {"write": 1, "write_address": 5, "write_data": 2, "read_address": 5}
    cycles = [{"write": 1, "write_address": 5, "write_data": 1}, both_at_once, {}]
    ours, theirs = both(folder, "memory_64_512_plain", inputs, {"read_data": 64}, cycles)
    assert ours[2]["read_data"] == 1
    assert theirs[2]["read_data"] == (1 << 64) - 2


@pytest.mark.parametrize("family", MULTIPLIER, ids=str)
@pytest.mark.parametrize("name", ["plain_product", "signed_product"])
def test_whole_products(folder: Path, family: Family, name: str) -> None:
    chance = np.random.default_rng(3)
    ends = [0, 1, (1 << 17) - 1, 1 << 17, (1 << 18) - 1]
    pairs = [(a, b) for a in ends for b in ends] + chance.integers(0, 1 << 18, (300, 2)).tolist()
    cycles = [{"a": int(a), "b": int(b)} for a, b in pairs]
    ours, theirs = both(folder, name, {"a": 18, "b": 18}, {"p": 36}, [*cycles, {}])
    assert ours[1:] == theirs[1:]
    assert f"{MULTIPLIER[family]} " in (folder / f"{name}.netlist.v").read_text()


def test_flip_flops_with_enable_reset_and_set(folder: Path, family: Family) -> None:
    """All that our Verilog becomes: none with an asynchronous reset."""
    chance = np.random.default_rng(4)
    inputs = {"enable": 1, "clear": 1, "d": 8}
    cycles = [
        {
            "enable": int(chance.integers(2)),
            "clear": int(chance.integers(4) == 0),
            "d": int(chance.integers(256)),
        }
        for _ in range(500)
    ]
    ours, theirs = both(folder, "flip_flops", inputs, {"q": 32}, [{"enable": 1, "clear": 1}, *cycles])
    assert ours[3:] == theirs[3:]
    if family is not Family.ECP5:  # which has one for all
        text = (folder / "flip_flops.netlist.v").read_text()
        assert [name for name in CELLS[family] if "DFF" in name and f"{name} " not in text] == []


def test_signed_multipliers(folder: Path) -> None:
    chance = np.random.default_rng(1)
    inputs = {"data": 64, "weights": 64, "add": 1, "first": 1}
    cycles = [
        {
            "data": int.from_bytes(chance.bytes(8), "little"),
            "weights": int.from_bytes(chance.bytes(8), "little"),
            "add": 1,
            "first": int(at < 10 or at % 7 == 0),
        }
        for at in range(500)
    ]
    ours, theirs = both(folder, "mac_row", inputs, {"sum": 32}, cycles)
    assert ours[10:] == theirs[10:]
    assert len({row["sum"] for row in ours}) > 400


@pytest.mark.parametrize("family", OF_CELLS, ids=str)
@pytest.mark.parametrize(("name", "bits", "made"), [("products", 16, 32), ("product", 9, 18)])
def test_modules_made_of_a_chip_s_own_cells(
    folder: Path, family: Family, name: str, bits: int, made: int
) -> None:
    chance = np.random.default_rng(5)
    ends = [0, 1, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1, 0x80, 0x7F]
    pairs = [(a, b) for a in ends for b in ends] + chance.integers(0, 1 << bits, (500, 2)).tolist()
    cycles = [{"a": int(a), "b": int(b)} for a, b in pairs]
    port = name  # each is called as its module
    ours, theirs = both(folder, name, {"a": bits, "b": bits}, {port: made}, [*cycles, {}])
    assert ours[1:] == theirs[1:]
    assert len({row[port] for row in ours}) > 300
    assert set(OF_CELLS[family]) == {"products", "product"}
    assert (folder / f"{name}.netlist.v").read_text().count("SB_MAC16 ") == 1


@pytest.mark.parametrize("family", LARGE, ids=str)
def test_large_rams(folder: Path) -> None:
    chance = np.random.default_rng(6)
    places = [0, 1, (1 << 14) - 1, *chance.integers(1 << 14, size=500).tolist()]
    word = [int(each) for each in chance.integers(1 << 62, size=len(places))]
    cycles = [
        {"write": 1, "address": at, "write_data": value << 1 | 1}
        for at, value in zip(places, word, strict=True)
    ]
    cycles += [{"address": at} for at in chance.permutation(places).tolist()]
    inputs = {"write": 1, "address": 16, "write_data": 64}
    ours, theirs = both(folder, "single_port_memory", inputs, {"read_data": 64}, [*cycles, {}])
    first = len(places) + 1
    assert ours[first:] == theirs[first:]
    assert len({row["read_data"] for row in ours[first:]}) > 400
    assert (folder / "single_port_memory.netlist.v").read_text().count("SB_SPRAM256KA ") == 4


@pytest.mark.parametrize("family", MULTIPLIER, ids=str)
def test_multipliers_without_signs(folder: Path) -> None:
    """The requantiser's four, of 18 × 18 and less."""
    chance = np.random.default_rng(2)
    inputs = {
        "reset": 1, "valid": 1, "sum": 32, "bias": 32, "scale": 43, "zero": 8, "low": 8, "high": 8,
    }  # fmt: skip
    cycles = [
        {
            "valid": 1,
            "sum": int(chance.integers(-(1 << 30), 1 << 30)),
            "bias": int(chance.integers(-(1 << 20), 1 << 20)),
            "scale": int(chance.integers(1 << 35))
            | int(chance.integers(20, 64)) << 35
            | int(chance.integers(4)) << 41,
            "low": -128,
            "high": 127,
        }
        for _ in range(2000)
    ]
    ours, theirs = both(folder, "requantiser", inputs, {"valid_out": 1, "result": 8}, [{"reset": 1}, *cycles])
    assert ours[20:] == theirs[20:]
    assert len({row["result"] for row in ours}) > 50
