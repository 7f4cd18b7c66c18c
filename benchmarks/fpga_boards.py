"""`make fpga-boards`: a bitstream of our circuit for each FPGA board, with open tools; no board is needed.

Usage: python -m benchmarks.fpga_boards [BOARD...] [--engine FILE] [--cache FOLDER] [--write]. With --write the runs go
to hardware/fpga/runs.json, those of other boards staying, and all as a table to docs/fpga-boards.md. A board is offered
once a run here gave a bitstream that meets timing.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.__main__ import machine
from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.flow import FlowError, build
from hardware.fpga.runs import FILE, RUNS, Run, written
from hardware.fpga.shell import circuit, sources
from hardware.fpga.tools import Limits

DOCS = Path(__file__).resolve().parents[1] / "docs" / "fpga-boards.md"
MARK = "<!-- measured -->\n"
LIMITS = Limits(seconds=1800)
COLUMNS = (
    *("board", "lanes", "cells", "multipliers", "block RAMs", "clock, needed", "clock, routed", "netlist"),
    *("routing, seeds", "met", "day"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.fpga_boards", description=__doc__)
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="default: " + ", ".join(BOARDS))
    parser.add_argument("--engine", type=Path, help="Verilog in place of our engine")
    parser.add_argument("--cache", type=Path, help="where bitstreams are kept, and taken from")
    parser.add_argument(
        "--write", action="store_true", help="write hardware/fpga/runs.json, docs/fpga-boards.md"
    )
    asked = parser.parse_args()
    if unknown := [name for name in asked.boards if name not in BOARDS]:
        parser.error(f"there is no board {unknown[0]}: {', '.join(BOARDS)}")
    if asked.write and asked.engine:
        parser.error("--write is for our own engine")
    other = {"engine.v": asked.engine.read_text(encoding="utf-8")} if asked.engine else {}
    found = {}
    for name in asked.boards or BOARDS:
        found[name] = measured(BOARDS[name], sources(BOARDS[name]) | other, asked.cache)
        if asked.write:
            write({**RUNS, **found})
    print(table(found))
    return 0 if all(run.met for run in found.values()) else 1


def measured(board: Board, verilog: Mapping[str, str], cache: Path | None) -> Run:
    made = circuit(board, verilog=verilog)
    run = Run(
        board=board.name,
        engine=board.engine,
        digest=made.digest.hex(),
        made=time.strftime("%Y-%m-%d"),
        machine=machine(),
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            built = build(made, board, folder=Path(folder), cache=cache, limits=LIMITS, progress=told)
        except FlowError as error:
            return dataclasses.replace(run, failure=f"{error.stage}: {str(error).splitlines()[0]}")
    return dataclasses.replace(run, report=dataclasses.replace(built.report, cached=False))


def told(stage: str, detail: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {stage}: {detail}", file=sys.stderr, flush=True)


def table(runs: Mapping[str, Run]) -> str:
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(row(runs[name]) for name in BOARDS if name in runs)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def row(run: Run) -> tuple[str, ...]:
    board, report = BOARDS[run.board], run.report
    if report is None:
        return (board.title, str(run.engine.lanes), run.failure, *[""] * 6, "no", run.made)
    return (
        board.title,
        str(run.engine.lanes),
        f"{report.cells} of {board.cells}",
        f"{report.multipliers} of {board.multipliers}",
        f"{report.block_rams} of {board.block_rams}",
        f"{report.wanted_hz / 1e6:g} MHz",
        f"{report.fmax_hz / 1e6:.1f} MHz",
        f"{report.seconds['netlist']:.0f} s",
        f"{report.seconds['place and route']:.0f} s, {len(report.tried)}",
        "yes" if report.met else "no",
        run.made,
    )


def write(runs: Mapping[str, Run]) -> None:
    FILE.write_text(written(runs), encoding="utf-8")
    before = DOCS.read_text(encoding="utf-8").partition(MARK)[0]
    used = sorted({pair for run in runs.values() if run.report for pair in run.report.versions.items()})
    how = (
        f"Measured by `make fpga-boards ARGS=--write` on {', '.join(sorted({run.machine for run in runs.values()}))}, "
        f"with {', '.join(f'{name} {version}' for name, version in used)}.\n\n"
    )
    DOCS.write_text(before + MARK + how + table(runs), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
