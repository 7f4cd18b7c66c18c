"""`make fpga-boards`: a bitstream of our circuit for each FPGA board, with open tools; no board is needed.

Usage: python -m benchmarks.fpga_boards [BOARD...] [--engine FILE] [--write]. With --write the table goes to
docs/fpga-boards.md. A board may be offered once a run here gave a bitstream that meets timing.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.__main__ import machine
from hardware.fpga import tools
from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.chips import CHIPS
from hardware.fpga.flow import FlowError, Report, build
from hardware.fpga.shell import circuit, sources
from hardware.fpga.tools import Limits

DOCS = Path(__file__).resolve().parents[1] / "docs" / "fpga-boards.md"
MARK = "<!-- measured -->\n"
LIMITS = Limits(seconds=1800)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.fpga_boards", description=__doc__)
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="default: " + ", ".join(BOARDS))
    parser.add_argument("--engine", type=Path, help="Verilog in place of our engine")
    parser.add_argument("--write", action="store_true", help="write docs/fpga-boards.md")
    asked = parser.parse_args()
    if unknown := [name for name in asked.boards if name not in BOARDS]:
        parser.error(f"there is no board {unknown[0]}: {', '.join(BOARDS)}")
    verilog = sources()
    if asked.engine:
        verilog["engine.v"] = asked.engine.read_text(encoding="utf-8")
    found = {name: measured(BOARDS[name], verilog) for name in asked.boards or BOARDS}
    text = table(found)
    print(text)
    if asked.write:
        write(text)
    return 0 if all(isinstance(each, Report) and each.met for each in found.values()) else 1


def measured(board: Board, verilog: Mapping[str, str]) -> Report | str:
    """The report, or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return build(
                circuit(board, verilog=verilog), board, folder=Path(folder), limits=LIMITS, progress=told
            ).report
        except FlowError as error:
            return f"{error.stage}: {str(error).splitlines()[0]}"


def told(stage: str, detail: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {stage}: {detail}", file=sys.stderr, flush=True)


def table(found: Mapping[str, Report | str]) -> str:
    names = (
        "board",
        "lanes",
        "cells",
        "multipliers",
        "block RAMs",
        "clock, needed",
        "clock, routed",
        "netlist",
    )
    lines = [f"| {' | '.join(names)} | routing, seeds | met |", "|---" * (len(names) + 2) + "|"]
    for name, report in found.items():
        board = BOARDS[name]
        if isinstance(report, str):
            lines.append(f"| {board.title} | {board.engine.lanes} | {report} | | | | | | | no |")
            continue
        lines.append(
            f"| {board.title} | {board.engine.lanes} | {report.cells} of {board.cells} "
            f"| {report.multipliers} of {board.multipliers} | {report.block_rams} of {board.block_rams} "
            f"| {report.wanted_hz / 1e6:g} MHz | {report.fmax_hz / 1e6:.1f} MHz | {report.seconds['netlist']:.0f} s "
            f"| {report.seconds['place and route']:.0f} s, {len(report.tried)} | {'yes' if report.met else 'no'} |"
        )
    return "\n".join(lines) + "\n"


def write(text: str) -> None:
    before = DOCS.read_text(encoding="utf-8").partition(MARK)[0]
    versions = tools.versions([tool for chip in CHIPS.values() for tool in chip.tools])
    how = (
        f"Measured by `make fpga-boards ARGS=--write` on {time.strftime('%Y-%m-%d')} on {machine()}, with "
        f"{', '.join(f'{name} {version}' for name, version in sorted(versions.items()))}.\n\n"
    )
    DOCS.write_text(before + MARK + how + text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
