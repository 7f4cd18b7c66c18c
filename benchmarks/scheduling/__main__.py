"""`make simulate`: our policy and others on traces of real clusters, in one simulator.

Usage: python -m benchmarks.scheduling FOLDER [--copies 6] [--write]. FOLDER holds mixed-600.csv and philly-1000.csv.
With --write the tables go to docs/scheduler.md.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.__main__ import machine
from benchmarks.scheduling import aims, foretold
from benchmarks.scheduling.cases import CASES, TRACES, Case
from benchmarks.scheduling.run import Measured, run
from benchmarks.scheduling.tables import tables

DOCS = Path(__file__).resolve().parents[2] / "docs" / "scheduler.md"
MARK = "<!-- measured -->\n"
PROCESSES = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.scheduling", description=__doc__)
    parser.add_argument("folder", type=Path, help="with " + " and ".join(f"{name}.csv" for name in TRACES))
    parser.add_argument("--copies", type=int, default=6, help="each trace, and so many less one jittered")
    parser.add_argument("--write", action="store_true", help="write docs/scheduler.md")
    asked = parser.parse_args()
    missing = [name for name in TRACES if not (asked.folder / f"{name}.csv").exists()]
    if missing:
        sys.stderr.write(f"{asked.folder} has no {missing[0]}.csv: name the folder that has the traces.\n")
        return 2
    began = time.monotonic()
    paths = {name: asked.folder / f"{name}.csv" for name in TRACES}
    with ProcessPoolExecutor(PROCESSES) as pool:
        found = {name: measure(pool, path, asked.copies) for name, path in paths.items()}
        told = {name: foretold.measure(pool, path, asked.copies) for name, path in paths.items()}
    text = tables(found) + foretold.table(told) + aims.table(found)
    took = time.monotonic() - began
    print(text)
    if asked.write:
        write(text, asked.copies, took)
    return 0 if aims.all_met(found) else 1


def measure(pool: ProcessPoolExecutor, trace: Path, copies: int) -> dict[Case, Measured]:
    each = list(pool.map(run, [(trace, case, copy) for case in CASES for copy in range(copies)]))
    return {
        case: Measured(tuple(each[place * copies : (place + 1) * copies])) for place, case in enumerate(CASES)
    }


def write(text: str, copies: int, took_s: float) -> None:
    before = DOCS.read_text(encoding="utf-8").partition(MARK)[0]
    how = (
        f"Measured by `make simulate ARGS=--write` on {time.strftime('%Y-%m-%d')} in {took_s / 60:.0f} minutes on "
        f"{machine()}: means over each trace and {copies - 1} jittered copies, ± half the width of the 95 % "
        "interval.\n\n"
    )
    DOCS.write_text(before + MARK + how + text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
