"""`make bench`: the figures we promise, measured in one run, ratios against a named baseline.

Usage: python -m benchmarks [NAME ...] [--write]. With --write the table goes to docs/benchmarks.md.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import dispatch, first_step, memory, one_pass, submissions, uploads, whole_job
from benchmarks.row import Row
from tests.e2e.portal import Portal

DOCS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
SUITES: dict[str, Callable[[Portal], list[Row]]] = {
    "memory": memory.measure,
    "submissions": submissions.measure,
    "dispatch": dispatch.measure,
    "uploads": uploads.measure,
    "one-pass": one_pass.measure,
    "first-step": first_step.measure,
    "whole-job": whole_job.measure,
}
HEAD = """# Benchmarks

Measured by `make bench ARGS=--write` on {machine}, {date}, Python {python}.
Each ratio is of two figures of the same run, but those against other systems: these were measured before, on such a
machine.

| what | measured | baseline | ratio | goal | |
|---|---|---|---|---|---|
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    asked = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        portal = Portal(Path(folder) / "home", extra={"GRISTMILL_API_WRITES": "1000000/minute"})
        portal.start()
        try:
            for name in asked.names or SUITES:
                for row in SUITES[name](portal):
                    rows.append(row)
                    print(row.markdown(), flush=True)
        finally:
            portal.stop()
    if asked.write:
        write(rows)
    return 0 if all(row.met is not False for row in rows) else 1


def write(rows: list[Row]) -> None:
    head = HEAD.format(machine=machine(), date=time.strftime("%Y-%m-%d"), python=platform.python_version())
    DOCS.write_text(head + "".join(row.markdown() + "\n" for row in rows), encoding="utf-8")


def machine() -> str:
    from hardware.nodes.probe.machine import probe

    facts = probe(DOCS.parent)
    return f"{facts['cpu'].get('model', platform.machine())}, {facts['cpu'].get('cores', '?')} cores"


if __name__ == "__main__":
    sys.exit(main())
