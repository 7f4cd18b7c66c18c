"""`make bench-fpga`: whole nets on an FPGA board's circuit, proved vector by vector; no board is needed.

Usage: python -m benchmarks.fpga FOLDER [--only NAME ...] [--board NAME] [--cache FOLDER] [--write]. FOLDER holds
cifar10-5k.zip and spoken-digits.zip. With --write the table goes to docs/fpga-measured.md.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.__main__ import machine
from benchmarks.fpga.measured import Measured, measure
from benchmarks.fpga.nets import NETS
from benchmarks.fpga.sets import PICTURES, RECORDINGS
from benchmarks.fpga.table import table
from benchmarks.fpga_boards import told
from hardware.fpga.boards import BOARDS

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

DOCS = Path(__file__).resolve().parents[2] / "docs" / "fpga-measured.md"
HEAD = """# Nets on FPGA boards, measured

Each net was trained with Keras on a part of its set, converted as a build converts it, and proved on the other part:
every test vector in the engine's Verilog, a sample in the netlist that was routed. No board was attached: time on a
board is reckoned from cycles, which simulation confirms, and the board's clock.

"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.fpga", description=__doc__)
    parser.add_argument("folder", type=Path, help=f"with {PICTURES} and {RECORDINGS}")
    parser.add_argument("--only", nargs="+", choices=[each.name for each in NETS], help="(default: all)")
    parser.add_argument("--board", choices=sorted(BOARDS), default="ulx3s-85f")
    parser.add_argument("--cache", type=Path, help="where bitstreams and simulations are kept")
    parser.add_argument("--write", action="store_true", help=f"write docs/{DOCS.name}")
    asked = parser.parse_args()
    if lacking := [name for name in (PICTURES, RECORDINGS) if not (asked.folder / name).exists()]:
        sys.stderr.write(f"{asked.folder} has no {lacking[0]}: name the folder that has it (DATA=folder).\n")
        return 2
    nets = [net for net in NETS if not asked.only or net.name in asked.only]
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        cache = asked.cache or home / "cache"
        board = BOARDS[asked.board]
        found = [measure(net, asked.folder, board, home / net.name, cache, told) for net in nets]
    text = table(found)
    print(text)
    if asked.write:
        write(found, text)
    return 0


def write(found: list[Measured], text: str) -> None:
    versions = found[0].proved.built.report.versions
    how = (
        f"Measured by `make bench-fpga ARGS=--write` on {time.strftime('%Y-%m-%d')} on {machine()}, with "
        f"{', '.join(f'{name} {version}' for name, version in sorted(versions.items()))}.\n\n"
    )
    DOCS.write_text(HEAD + how + text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
