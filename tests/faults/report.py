"""docs/faults.md, from the outcomes and figures of a run."""

import datetime as dt
import json
import os
import platform
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import psutil

from tests.faults.matrix import MEANINGLESS, PHASES, VICTIMS

Rows = list[dict[str, Any]]
GIB = 1024**3
PARTS = {
    "child": "the training (or checking) process",
    "warm": "the warm parent",
    "node": "the Celery worker (in validation the helper's)",
    "web": "the web server",
    "scheduler": "the scheduler",
    "redis": "Redis",
    "postgres": "PostgreSQL, away for 2 s",
    "all": "everything at once",
}
HEAD = """# Faults

Written by `make test-faults ARGS=--write`: real processes, killed with SIGKILL while work is held in each phase. After
each fault the same is checked (`tests/faults/sound.py`): the job ended once, with one final event; every epoch is there
once, and no step before the last checkpoint was taken again; one model, one bundle; no process of the old tree lives;
no folder is left in `node/attempts`, `blobs/incoming`, `work/checks` or `uploads`; each stored file has its row and
each row its file; the quota is what the files come to; lost time is given back; the history says in sentences what
happened.

{machine}

## Who dies, and when

Seconds from the kill until the job was queued again → until it ran again; or until the part was of use again (the job
went on meanwhile, in the same attempt); `checked` is until the upload was ready.

{table}

– has no part in that phase. Slurm took 42 s to queue a killed worker's job again, jobd 319 s, on a machine like this.

## The rest

{rest}
"""


def page(outcomes: Path, figures: Path) -> str:
    tests = _tests(outcomes)
    known = _figures(figures)
    return HEAD.format(machine=machine(), table=_table(tests, known), rest=_rest(tests, known))


def _tests(outcomes: Path) -> dict[str, str]:
    """What became of each test, by its name."""
    found = {}
    for case in ET.parse(outcomes).iter("testcase"):  # noqa: S314 - pytest wrote it just now
        kinds = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        place = case.get("classname", "").rpartition(".")[2]
        found[f"{place}::{case.get('name')}"] = kinds[0] if kinds else "passed"
    return found


def _figures(file: Path) -> dict[str, Rows]:
    """What each test measured, by its name."""
    found: dict[str, Rows] = defaultdict(list)
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        row = json.loads(line)
        found[row["test"].rpartition("/")[2].replace(".py", "").partition("@")[0]].append(row)
    return found


def machine() -> str:
    """When and on what a run is made, in words."""
    memory = psutil.virtual_memory().total / GIB
    load = os.getloadavg()[1]
    today = dt.datetime.now(tz=dt.UTC).date()
    return (
        f"Run on {today}: {os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}; load {load:.1f}."
    )


def _table(tests: dict[str, str], known: dict[str, Rows]) -> str:
    lines = [f"| killed | {' | '.join(PHASES)} |", f"|{'---|' * (len(PHASES) + 1)}"]
    for victim in VICTIMS:
        cells = [_cell(phase, victim, tests, known) for phase in PHASES]
        lines.append(f"| {PARTS[victim]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(phase: str, victim: str, tests: dict[str, str], known: dict[str, Rows]) -> str:
    if victim in MEANINGLESS.get(phase, {}):
        return "–"
    names = [name for name in tests if f"::test_{phase}" in name and f"[{victim}]" in name]
    if any(tests[name] != "passed" for name in names) or not names:
        return ", ".join(tests[name] for name in names) or "not run"
    return "; ".join(dict.fromkeys(_said(row) for name in names for row in _telling(known[name]))) or "holds"


def _telling(rows: Rows) -> Rows:
    """The job's own recovery says more than the part's."""
    own = [row for row in rows if row["what"] in {"recovery", "checked"}]
    return own or rows


def _said(row: dict[str, Any]) -> str:
    if row["what"] == "recovery":
        return f"{row['requeued']:.1f} → {row['running']:.1f}"
    return f"{row['what']} {row['seconds']:.1f}"


def _rest(tests: dict[str, str], known: dict[str, Rows]) -> str:
    lines = ["| fault | outcome | measured |", "|---|---|---|"]
    for name in sorted(tests):
        if name.startswith(("test_matrix", "test_transfers")) or name.endswith("None"):
            continue
        said = "; ".join(_measured(known[name]))
        lines.append(f"| {_sentence(name)} | {tests[name]} | {said} |")
    return "\n".join(lines)


def _measured(rows: Rows) -> Iterable[str]:
    return (f"{row['what']}: {row['seconds']:.1f} s" for row in rows if "seconds" in row)


def _sentence(name: str) -> str:
    words, _, case = name.partition("::")[2].removeprefix("test_").partition("[")
    return words.replace("_", " ") + (f" ({case.removesuffix(']').replace('_', ' ')})" if case else "")
