"""`make bench-fpga`: whole nets on FPGA boards' circuits, trained by a portal and proved vector by vector.

Usage: python -m benchmarks.fpga FOLDER [--only NAME ...] [--board NAME] [--cache FOLDER] [--trained] [--write]. FOLDER
holds cifar10-5k.zip and spoken-digits.zip. --board: that one alone, with all nets or those that --only names. With
--write the tables go to docs/fpga-measured.md; --trained ends when the nets are trained.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.__main__ import machine
from benchmarks.fpga.measured import Measured, measure
from benchmarks.fpga.nets import BOARDS as MEASURED
from benchmarks.fpga.nets import HELD, NETS
from benchmarks.fpga.sets import PICTURES, RECORDINGS
from benchmarks.fpga.table import table
from benchmarks.fpga.trained import trained
from benchmarks.fpga_boards import told
from hardware.fpga.boards import BOARDS

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

DOCS = Path(__file__).resolve().parents[2] / "docs" / "fpga-measured.md"
HEAD = """# Nets on FPGA boards, measured

Each net was trained by a portal: a zip of pictures was uploaded, and a job of the image classifier ran on them, with
the parameters that stand below and every other the recipe's default, but that it never stopped early. Spoken digits
were uploaded as grey pictures of 49 × 10, a row for each 20 ms, a column for each band of tones. The model was
converted as a build converts it and proved on the portal's test split: every picture in the engine's Verilog, a sample
in the netlist that was routed. No board was attached: time on a board is reckoned from cycles, which simulation
confirms, and the board's clock. The programs that simulate a board's circuit are made once: those of the ULX3S 85F were
there, as on a node that was prepared (`make fpga-node`); the first net on each other board waits for them.

The two accuracies of int8 may differ by a few pictures: LiteRT's default kernels and its reference kernels, which the
engine follows bit by bit, do not round alike, and a picture whose two best classes are a few steps apart may go either
way. Neither is the better one.

"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.fpga", description=__doc__)
    parser.add_argument("folder", type=Path, help=f"with {PICTURES} and {RECORDINGS}")
    parser.add_argument("--only", nargs="+", choices=[each.name for each in NETS], help="(default: all)")
    parser.add_argument("--board", choices=sorted(BOARDS))
    parser.add_argument("--cache", type=Path, help="where bitstreams and simulations are kept")
    parser.add_argument("--trained", action="store_true", help="train the nets, and no more")
    parser.add_argument("--write", action="store_true", help=f"write docs/{DOCS.name}")
    asked = parser.parse_args()
    if lacking := [name for name in (PICTURES, RECORDINGS) if not (asked.folder / name).exists()]:
        sys.stderr.write(f"{asked.folder} has no {lacking[0]}: name the folder that has it (DATA=folder).\n")
        return 2
    named = asked.only or [net.name for net in NETS]
    wanted = {asked.board: tuple(named)} if asked.board else MEASURED
    plan = {board: [each for each in names if each in named] for board, names in wanted.items()}
    nets = [net for net in NETS if any(net.name in names for names in plan.values())]
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        cache = asked.cache or home / "cache"
        ready = trained(nets, asked.folder, home / "trained")
        for each in ready:
            print(f"{each.net.title}: {each.floats:.1%} right, trained in {each.seconds:.0f} s", flush=True)
        if asked.trained:
            return 0
        found = [
            [
                measure(each, BOARDS[board], home / board / each.net.name, cache, told, held=board in HELD)
                for each in ready
                if each.net.name in names
            ]
            for board, names in plan.items()
            if names
        ]
    text = "\n".join(map(table, found))
    print(text)
    if asked.write:
        write(found, text)
    return 0


def write(found: list[list[Measured]], text: str) -> None:
    versions = {pair for on_one in found for pair in on_one[0].proved.built.report.versions.items()}
    how = (
        f"Measured by `make bench-fpga ARGS=--write` on {time.strftime('%Y-%m-%d')} on {machine()}, with "
        f"{', '.join(f'{name} {version}' for name, version in sorted(versions))}.\n\n"
    )
    DOCS.write_text(HEAD + how + text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
