"""Traces of jobs: a CSV of arrivals, gangs, steps and steps per second on each type of accelerator."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jobs.scheduler.snapshot import Floats, Ints

SUFFIX = "_steps_per_s"


@dataclass(frozen=True)
class Trace:
    """arrival: seconds, ascending. gang: accelerators at once. steps: in all. rate (jobs × types): steps per second of
    the whole gang. types: names in the order of the columns. owner: dense member numbers, one member at first.
    """

    arrival: Floats
    gang: Ints
    steps: Floats
    rate: Floats
    types: tuple[str, ...]
    owner: Ints

    @property
    def length_s(self) -> Floats:
        """Seconds of work on each job's fastest type."""
        return np.asarray(self.steps / self.rate.max(axis=1))


def read(path: Path, types: tuple[str, ...]) -> Trace:
    """The trace in the file, with the columns of `types`. ValueError in words for what is none."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = ["arrival_s", "gang", "total_steps", *(name + SUFFIX for name in types)]
    missing = [name for name in wanted if not rows or name not in rows[0]]
    if missing:
        raise ValueError(f"{path.name} has no rows or lacks the columns {', '.join(missing)}.")
    column = {name: _numbers(path, name, [row[name] for row in rows]) for name in wanted}
    _check(path, column)
    order = np.argsort(column["arrival_s"], kind="stable")
    rate = np.stack([column[name + SUFFIX] for name in types], axis=1)
    return Trace(
        arrival=column["arrival_s"][order],
        gang=column["gang"][order].astype(np.int64),
        steps=column["total_steps"][order],
        rate=rate[order],
        types=types,
        owner=np.zeros(len(rows), dtype=np.int64),
    )


def _numbers(path: Path, name: str, texts: Sequence[str | None]) -> Floats:
    for line, text in enumerate(texts, start=2):
        try:
            value = float(text or "")
        except ValueError:
            value = np.nan
        if not 0 <= value < np.inf:
            raise ValueError(f"{path.name}, line {line}: {name} is {text!r}, write a number from 0 on.")
    return np.array(texts, dtype=np.float64)


def _check(path: Path, column: Mapping[str, Floats]) -> None:
    """ValueError for a job that could not run, or would be nothing to run."""
    rates = np.stack([column[name] for name in column if name.endswith(SUFFIX)])
    for line in np.flatnonzero(rates.max(axis=0) == 0) + 2:
        raise ValueError(f"{path.name}, line {line}: it makes no steps on any of these types.")
    for line in (
        np.flatnonzero((column["total_steps"] == 0) | (column["gang"] < 1) | (column["gang"] % 1 > 0)) + 2
    ):
        raise ValueError(
            f"{path.name}, line {line}: gang is a whole number from 1 on, total_steps more than 0."
        )


def jittered(trace: Trace, rng: np.random.Generator) -> Trace:
    """A copy whose gaps between arrivals vary by a fifth and whose lengths by a tenth."""
    gaps = np.diff(trace.arrival, prepend=0.0) * rng.uniform(0.8, 1.2, len(trace.arrival))
    steps = trace.steps * rng.uniform(0.9, 1.1, len(trace.steps))
    return replace(trace, arrival=np.cumsum(gaps), steps=steps)


def owned(trace: Trace, rng: np.random.Generator, *, members: int = 20, exponent: float = 1.1) -> Trace:
    """A copy whose jobs belong to members drawn by Zipf's law."""
    share = np.arange(1, members + 1) ** -exponent
    return replace(trace, owner=rng.choice(members, len(trace.arrival), p=share / share.sum()))


def hogged(trace: Trace, rng: np.random.Generator, *, share: float = 0.6, members: int = 20) -> Trace:
    """A copy of which member 0 submits `share`, and the others the rest evenly."""
    others = rng.integers(1, members, len(trace.arrival))
    return replace(trace, owner=np.where(rng.random(len(others)) < share, 0, others))


def split(trace: Trace, rows: Ints, pieces: int) -> Trace:
    """A copy in which each of these jobs is cut into `pieces` equal ones, submitted at once."""
    times = np.ones(len(trace.arrival), dtype=np.int64)
    times[rows] = pieces
    steps = trace.steps.copy()
    steps[rows] /= pieces
    return replace(
        trace,
        arrival=np.repeat(trace.arrival, times),
        gang=np.repeat(trace.gang, times),
        steps=np.repeat(steps, times),
        rate=np.repeat(trace.rate, times, axis=0),
        owner=np.repeat(trace.owner, times),
    )
