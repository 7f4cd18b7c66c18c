"""How many of the ranges came true that jobs are told first: of every tenth job that has to wait as it comes."""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.scheduling.cases import ESTIMATES, HOG, OURS, Case
from benchmarks.scheduling.run import Asked, world_of
from jobs.scheduler.forecast import CONFIDENCE
from jobs.scheduler.simulate.foretold import Foretold, Record, record

EVERY = 10
CASES = (OURS, ESTIMATES, HOG)
Told = Mapping[Case, tuple[Record, ...]]


def measure(pool: ProcessPoolExecutor, trace: Path, copies: int) -> Told:
    asked = [(trace, case, copy) for case in CASES for copy in range(copies)]
    each = list(pool.map(run, asked))
    return {case: tuple(each[place * copies : (place + 1) * copies]) for place, case in enumerate(CASES)}


def run(asked: Asked) -> Record:
    world = world_of(asked, partial(Foretold, every=EVERY))
    return record(world, world.run())


def table(found: Mapping[str, Told]) -> str:
    text = (
        "## Start ranges\n\nEvery tenth job that has to wait as it comes is told when it will start, with a chance of "
        f"{CONFIDENCE:.0%}; over all copies. Those that held, and those that started later than told (the others: "
        "sooner).\n\n"
    ).replace("%;", " %;")
    text += "| | told | held | late | middle width |\n|---|---|---|---|---|\n"
    for name, cases in found.items():
        text += "".join(_row(f"{name}: {case.title}", records) for case, records in cases.items())
    return text + "\n"


def _row(title: str, records: tuple[Record, ...]) -> str:
    told = sum(each.told for each in records)
    held, late = (sum(getattr(each, name) for each in records) / max(told, 1) for name in ("held", "late"))
    width = float(np.nanmedian([each.width_s for each in records])) / 60
    return f"| {title} | {told} | {100 * held:.0f} % | {100 * late:.0f} % | {width:.0f} min |\n"
