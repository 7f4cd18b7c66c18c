"""A bitstream is taken apart, and its block RAMs are held against the netlist's: of a small circuit, routed here."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hardware.fpga import flow
from hardware.fpga.boards import BOARDS
from hardware.fpga.flow import Built, FlowError
from hardware.fpga.shell import Circuit, circuit, sources
from hardware.fpga.tools import Limits
from hardware.fpga.unpacked import block_rams, in_netlist

pytestmark = [pytest.mark.fpga, pytest.mark.timeout(300)]

BOARD = BOARDS["ulx3s-12f"]
WORDS = 700  # fewer than the memory has
VERILOG = """\
module board (input clk_pin, input rx_pin, output tx_pin, output led_pin, output high_pin);
    assign high_pin = 1'b1, tx_pin = 1'b1;
    reg [15:0] at = 0;
    wire [35:0] read;
    reg lit;
    assign led_pin = lit;
    always @(posedge clk_pin) begin
        at <= at + 1;
        lit <= ^read;
    end
    memory #(.WIDTH(36), .DEPTH(1024), .INIT("words.hex")) memory (
        .clk(clk_pin), .write(!rx_pin), .write_address(at), .write_data({36{at[15]}}), .read_address(at),
        .read_data(read)
    );
endmodule
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    words = np.random.default_rng(0).integers(0, 1 << 36, WORDS)
    made = Circuit(
        sources={
            "board.v": VERILOG,
            "memory.v": sources()["memory.v"],
            "words.hex": "".join(f"{word:09x}\n" for word in words),
        },
        constraints=circuit(BOARD).constraints,
        constraints_name="board.lpf",
        digest=bytes(16),
    )
    return flow.build(made, BOARD, folder=tmp_path_factory.mktemp("small"))


def test_what_was_packed_is_what_the_netlist_says(built: Built) -> None:
    assert block_rams(built, limits=Limits()) == 2
    halves = [half for contents in in_netlist(built.netlist) for half in contents]
    assert sum(half > 0 for half in halves) > 4 * WORDS * 0.98, "four halves of nine bits are a word of 36"


def test_another_bit_in_one_of_them_is_found(built: Built, tmp_path: Path) -> None:
    said = json.loads(built.netlist.read_text())
    cell = next(each for each in said["modules"]["board"]["cells"].values() if each["type"] == "DP16KD")
    bits = cell["parameters"]["INITVAL_05"]
    cell["parameters"]["INITVAL_05"] = bits[:-1] + ("0" if bits[-1] == "1" else "1")
    (tmp_path / "netlist.json").write_text(json.dumps(said))
    shutil.copy(built.bitstream, tmp_path)
    with pytest.raises(FlowError, match="don't begin with what the netlist's do"):
        block_rams(Built(tmp_path / built.bitstream.name, built.report), limits=Limits())


def test_a_bitstream_that_is_none_is_told(built: Built, tmp_path: Path) -> None:
    shutil.copy(built.netlist, tmp_path)
    (tmp_path / "board.bit").write_bytes(b"none")
    with pytest.raises(FlowError, match="could not be taken apart"):
        block_rams(Built(tmp_path / "board.bit", built.report), limits=Limits())
