"""`make bench-bundles`: what exporting costs and what bundles are worth, against LiteRT's own tools.

Usage: python -m benchmarks.bundles FOLDER [--only NAME ...] [--write] [--remedies]. FOLDER holds cifar10-5k.zip. With
--write the table goes to docs/bundles.md. --remedies measures instead what brings back what int8 loses; its table goes
to docs/boards.md.
"""

import argparse
import importlib.metadata
import platform
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.__main__ import machine
from benchmarks.bundles import remedies
from benchmarks.bundles.measured import Measured, measure
from benchmarks.bundles.nets import NETS
from benchmarks.bundles.sets import ARCHIVE, SETS, DataSet
from benchmarks.bundles.table import all_met, table
from benchmarks.bundles.taken import take
from tests.arm.systems import USUAL, CannotMakeError
from tests.e2e.portal import Portal

DOCS = Path(__file__).resolve().parents[2] / "docs" / "bundles.md"
MARK = "<!-- measured -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.bundles", description=__doc__)
    parser.add_argument("folder", type=Path, help=f"with {ARCHIVE}")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="which data sets, or nets (default: all)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/")
    parser.add_argument("--remedies", action="store_true", help="what brings back what int8 loses")
    asked = parser.parse_args()
    known = {each.name for each in (NETS if asked.remedies else SETS)}
    if unknown := set(asked.only or ()) - known:
        parser.error(f"{', '.join(sorted(unknown))}: choose among {', '.join(sorted(known))}")
    if asked.only and asked.write:
        parser.error("a table of some alone is not written: leave out --only or --write")
    if not (asked.folder / ARCHIVE).exists():
        sys.stderr.write(f"{asked.folder} has no {ARCHIVE}: name the folder that has it (DATA=folder).\n")
        return 2
    if asked.remedies:
        return remedies.run(asked.folder, asked.only, write=asked.write)
    try:
        USUAL.ready()
    except CannotMakeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    began = time.monotonic()
    found = measured([each for each in SETS if not asked.only or each.name in asked.only], asked.folder)
    text = table(found)
    print(text)
    if asked.write:
        write(text, time.monotonic() - began)
    return 0 if all_met(found) else 1


def measured(sets: list[DataSet], source: Path) -> list[Measured]:
    """First everything is trained and built, then the portal is stopped: it would disturb what is measured."""
    with tempfile.TemporaryDirectory() as name:
        portal = Portal(Path(name) / "portal")
        portal.start()
        try:
            member = portal.member("ada")
            taken = [take(member, each, source, Path(name) / each.name) for each in sets]
        finally:
            portal.stop()
        return [measure(each) for each in taken]


def write(text: str, took_s: float) -> None:
    before = DOCS.read_text(encoding="utf-8").partition(MARK)[0]
    litert = importlib.metadata.version("ai-edge-litert")
    how = (
        f"Measured by `make bench-bundles ARGS=--write` on {time.strftime('%Y-%m-%d')} in {took_s / 60:.0f} minutes on "
        f"{machine()}, Python {platform.python_version()}, LiteRT {litert}.\n\n"
    )
    DOCS.write_text(before + MARK + how + text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
