"""The tables of docs/scheduler.md."""

from collections.abc import Mapping

from benchmarks.scheduling.cases import Case
from benchmarks.scheduling.run import Measured

COLUMNS = (
    ("average", "average h", 2),
    ("median", "median h", 2),
    ("p99", "p99 h", 1),
    ("makespan", "makespan h", 1),
    ("utilisation", "utilisation", 3),
    ("rho_max", "max ρ", 2),
    ("rho_p99", "p99 ρ", 2),
    ("jain", "Jain", 3),
    ("short_wait_p50_s", "short p50 s", 0),
    ("short_wait_p95_s", "short p95 s", 0),
    ("preemptions", "preemptions", 2),
    ("migrations", "migrations", 2),
)
Found = Mapping[str, Mapping[Case, Measured]]


def tables(found: Found) -> str:
    return "".join(f"## {name}\n\n{_table(cases)}\n" for name, cases in found.items())


def _table(cases: Mapping[Case, Measured]) -> str:
    head = "| | " + " | ".join(title for _name, title, _digits in COLUMNS) + " |\n"
    line = "|---|" + "---|" * len(COLUMNS) + "\n"
    return head + line + "".join(_row(case, measured) for case, measured in cases.items())


def _row(case: Case, measured: Measured) -> str:
    cells = (_cell(measured, name, digits) for name, _title, digits in COLUMNS)
    return f"| {case.title} | " + " | ".join(cells) + " |\n"


def _cell(measured: Measured, name: str, digits: int) -> str:
    width = measured.width(name)
    spread = f" ± {width:.{digits}f}" if round(width, digits) else ""
    return f"{measured.mean(name):.{digits}f}{spread}"
