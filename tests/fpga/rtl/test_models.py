"""Which cells there are models of, and what becomes of netlists with others."""

import subprocess
from pathlib import Path

import pytest

from hardware.fpga.boards import Family
from hardware.fpga.simulation import netlist
from hardware.fpga.verilator import SimulationError


@pytest.mark.parametrize(
    ("family", "name", "setting"),
    [
        ("ecp5", "DP16KD", 'REGMODE_A("OUTREG")'),
        ("ecp5", "MULT18X18D", 'REG_OUTPUT_CLK("CLK0")'),
        ("gowin", "DPX9B", "READ_MODE0(1)"),
        ("gowin", "SDPX9B", "BIT_WIDTH_1(4)"),
        ("gowin", "MULT9X9", "OUT_REG(1)"),
        ("gowin", "MULT18X18", "AREG(1)"),
        ("gowin", "rPLL", 'CLKFB_SEL("external")'),
        ("ice40", "SB_PLL40_CORE", 'FEEDBACK_PATH("DELAY")'),
        ("ice40", "SB_PLL40_PAD", 'FEEDBACK_PATH("DELAY")'),
    ],
)
def test_what_is_not_modelled_ends_the_simulation(
    tmp_path: Path, family: str, name: str, setting: str
) -> None:
    bench = f"module bench;\n{name} #(.{setting}) one ();\nendmodule\n"
    (tmp_path / "bench.v").write_text(netlist.models(Family(family), {name}) + bench)
    argv = ["iverilog", "-g2012", "-s", "bench", "-o", "bench", "bench.v"]
    subprocess.run(argv, cwd=tmp_path, check=True, timeout=60)
    done = subprocess.run(
        ["vvp", "-n", "bench"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "a mode that is not modelled" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("family", "known", "missing"),
    [
        ("ecp5", "LUT4", "DCCA"),
        ("gowin", "LUT4", "PLLVR"),
        ("ice40", "SB_LUT4", "SB_DFFN"),
        ("ice40", "SB_MAC16", "SB_PLL40_2_PAD"),
    ],
)
def test_a_cell_without_a_model_is_named(family: str, known: str, missing: str) -> None:
    with pytest.raises(SimulationError, match=f"no model of the cell {missing}"):
        netlist.models(Family(family), {known, missing})


def test_a_netlist_without_the_engine_s_bus_is_refused() -> None:
    with pytest.raises(SimulationError, match="no bus_write of 1 bits"):
        netlist.verilog({"cells": {}, "netnames": {"top.bus_data": {"bits": [2, 3]}}, "ports": {}})
