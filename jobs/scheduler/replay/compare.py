"""Who waits longer or shorter under other settings, and how far what is simulated resembles what was."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from jobs.scheduler.replay.history import History
from jobs.scheduler.simulate.world import Outcome
from jobs.scheduler.snapshot import Bools, Floats, Ints

SAME_S: Final = 1.0
SAME_PART: Final = 0.01
NEAR_S: Final = 300.0
NEAR_PART: Final = 0.2
LONGER, SHORTER, SAME = "longer", "shorter", "same"


@dataclass(frozen=True)
class Times:
    """Seconds from submission: `wait` until the first start, `took` until the end. NaN where there is no job."""

    wait_mean_s: float
    wait_median_s: float
    took_mean_s: float
    took_median_s: float


@dataclass(frozen=True)
class Line:
    """One member's jobs, or everyone's (`member` is empty), before and after. change_s: of the mean time until the end.
    preemptions: how often jobs gave way or moved.
    """

    member: str
    jobs: int
    before: Times
    after: Times
    change_s: float
    verdict: str
    preemptions_before: int
    preemptions_after: int


@dataclass(frozen=True)
class Trust:
    """Of the jobs that have really ended: what was, and what the simulator makes of it under the settings as they are.
    within: the part of them whose simulated wait is within five minutes, or a fifth, of the real one.
    """

    jobs: int
    real: Times
    simulated: Times
    within: float


@dataclass(frozen=True)
class Report:
    """lines: who loses most first. utilisation: 0 to 1, until the last job ends. accelerators: before and after."""

    whole: Line
    lines: tuple[Line, ...]
    trust: Trust
    utilisation_before: float
    utilisation_after: float
    accelerators_before: int
    accelerators_after: int

    def as_json(self) -> dict[str, Any]:
        """For JSON: what is not a number is None."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def compare(was: History, before: Outcome, then: History, after: Outcome) -> Report:
    """`was` under the settings as they are, and `then`, the same jobs, under others or on another machine."""
    counted = np.array([not job.carried for job in was.jobs], dtype=np.bool_)
    owner = _owners(was)
    lines = [
        _line(was, owner == number, counted, before, after, name) for number, name in enumerate(was.names)
    ]
    return Report(
        whole=_line(was, np.ones(len(counted), dtype=np.bool_), counted, before, after, ""),
        lines=tuple(
            sorted((line for line in lines if line.jobs), key=lambda line: (-line.change_s, line.member))
        ),
        trust=_trust(was, counted, before),
        utilisation_before=_utilisation(was, before),
        utilisation_after=_utilisation(then, after),
        accelerators_before=was.size,
        accelerators_after=then.size,
    )


def _owners(history: History) -> Ints:
    number = {name: index for index, name in enumerate(history.names)}
    return np.array([number[job.member] for job in history.jobs], dtype=np.int64)


def _line(history: History, whose: Bools, counted: Bools, before: Outcome, after: Outcome, name: str) -> Line:
    rows = np.flatnonzero(whose & counted)
    first, second = (_simulated(history, outcome, rows) for outcome in (before, after))
    change = second.took_mean_s - first.took_mean_s
    return Line(
        member=name,
        jobs=len(rows),
        before=first,
        after=second,
        change_s=change,
        verdict=_verdict(change, first.took_mean_s),
        preemptions_before=_stops(before, rows),
        preemptions_after=_stops(after, rows),
    )


def _stops(outcome: Outcome, rows: Ints) -> int:
    return int((outcome.preempted + outcome.migrated)[rows].sum())


def _verdict(change_s: float, before_s: float) -> str:
    if not abs(change_s) > max(SAME_S, SAME_PART * before_s):
        return SAME
    return LONGER if change_s > 0 else SHORTER


def _simulated(history: History, outcome: Outcome, rows: Ints) -> Times:
    submitted = np.array([job.submitted_s for job in history.jobs])[rows]
    return _times(outcome.first[rows] - submitted, outcome.done[rows] - submitted)


def _times(wait: Floats, took: Floats) -> Times:
    if len(wait) == 0:
        return Times(np.nan, np.nan, np.nan, np.nan)
    return Times(float(wait.mean()), float(np.median(wait)), float(took.mean()), float(np.median(took)))


def _trust(history: History, counted: Bools, outcome: Outcome) -> Trust:
    wait = np.array([job.wait_s for job in history.jobs])
    took = np.array([job.took_s for job in history.jobs])
    rows = np.flatnonzero(counted & np.isfinite(wait) & np.isfinite(took))
    submitted = np.array([job.submitted_s for job in history.jobs])[rows]
    error = np.abs(outcome.first[rows] - submitted - wait[rows])
    near = error <= np.maximum(NEAR_S, NEAR_PART * wait[rows])
    return Trust(
        jobs=len(rows),
        real=_times(wait[rows], took[rows]),
        simulated=_simulated(history, outcome, rows),
        within=float(near.mean()) if len(rows) else np.nan,
    )


def _utilisation(history: History, outcome: Outcome) -> float:
    begun = min(max(0.0, job.submitted_s) for job in history.jobs)
    span = float(outcome.done.max()) - begun
    return outcome.busy / (history.size * span) if span > 0 else 0.0


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
