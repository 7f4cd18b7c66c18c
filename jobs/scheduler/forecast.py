"""When will it start: the same decisions, rolled forward with lengths that nobody knows drawn from the life table.

A job whose remaining time is known is drawn lognormally around it, the others from the lives of those that had run as
long. Nobody new comes in a roll, and nobody gives way but who is over their hours: so a start is a guess, and who
keeps the ranges counts how many came true.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from jobs.scheduler.plan import plan
from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Ints, Plan, Snapshot, only

KNOWN_SIGMA: Final = 0.3  # of the logarithm of a length that is known by pace or from jobs like it
LOW, HIGH = 0.1, 0.9
CONFIDENCE: Final = HIGH - LOW
LEAST_S: Final = 1.0
DONE_S: Final = 1e-6
OWN: Final = 10**9  # units of a roll's own, beyond those that accelerators have


@dataclass(frozen=True)
class Range:
    """Seconds from the snapshot's now between which a job starts, with the chance `CONFIDENCE`; the middle of them."""

    earliest: float
    median: float
    latest: float


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much a forecast may take: `rolls` at most, fewer when `budget_s` seconds are over (but `least` of them)."""

    rolls: int = 24
    least: int = 4
    budget_s: float = 1.0
    horizon_s: float = 30 * 86_400.0


def starts(
    snapshot: Snapshot,
    policy: Policy = DEFAULT,
    *,
    seed: int = 0,
    effort: Effort = Effort(),
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Range]:
    """The range of each waiting job that starts within the horizon in nine rolls of ten. Deterministic for a seed, but
    for how many rolls the budget allows.
    """
    rng, until = np.random.default_rng(seed), clock() + effort.budget_s
    rolled: list[Floats] = []
    while len(rolled) < effort.rolls and (len(rolled) < effort.least or clock() < until):
        rolled.append(_roll(snapshot, policy, lengths(snapshot, rng), effort.horizon_s))
    quantiles = np.quantile(np.stack(rolled), [LOW, 0.5, HIGH], axis=0, method="nearest")
    rows = np.flatnonzero((snapshot.jobs.pool == NOWHERE) & np.isfinite(quantiles[-1]))
    return {snapshot.jobs.ids[row]: Range(*map(float, quantiles[:, row])) for row in rows}


def lengths(snapshot: Snapshot, rng: np.random.Generator) -> Floats:
    """Seconds of work that each job has still to do, drawn once."""
    jobs, chance = snapshot.jobs, rng.uniform(size=len(snapshot.jobs.ids))
    error = np.exp(rng.normal(0.0, KNOWN_SIGMA, len(chance)))
    unknown = snapshot.lives.remaining_s(jobs.attained, chance)
    known = np.isfinite(jobs.remaining) & (jobs.remaining > 0)
    drawn = np.where(known, np.where(known, jobs.remaining, 0.0) * error, unknown)
    return np.maximum(drawn, LEAST_S)


def _roll(snapshot: Snapshot, policy: Policy, left: Floats, horizon_s: float) -> Floats:
    """Seconds until each job starts (0 for what runs), infinite where that is past the horizon or never."""
    began = np.where(snapshot.jobs.pool == NOWHERE, np.inf, 0.0)
    state, left, now = snapshot, left.copy(), 0.0
    while now < horizon_s and len(state.jobs.ids):
        began, state = _start(state, plan(state, policy, full=False), began, snapshot, now)
        running = state.jobs.pool != NOWHERE
        if not running.any() or running.all():
            break
        rows = _rows(snapshot, state)
        rate = state.jobs.speed[running, state.pools.type[state.jobs.pool[running]]]
        step = float((left[rows[running]] / rate).min())
        left[rows[running]] -= rate * step
        now += step
        state = _without(state, left[rows] > DONE_S, snapshot.now + now)
    return began


def _rows(snapshot: Snapshot, state: Snapshot) -> Ints:
    """Where the jobs of a later state stand in the first one."""
    place = {job: row for row, job in enumerate(snapshot.jobs.ids)}
    return np.fromiter((place[job] for job in state.jobs.ids), dtype=np.int64, count=len(state.jobs.ids))


def _start(
    state: Snapshot, made: Plan, began: Floats, snapshot: Snapshot, now: float
) -> tuple[Floats, Snapshot]:
    """The state once the placements are made; and when jobs began, theirs entered."""
    if not made.placements:
        return began, state
    place = {job: row for row, job in enumerate(state.jobs.ids)}
    pool, rows = state.jobs.pool.copy(), _rows(snapshot, state)
    unit = state.jobs.unit.copy()
    gone = [place[job] for job in made.preempted]  # who is over their hours gives way in any pass
    pool[gone], unit[gone] = NOWHERE, NOWHERE
    for each in made.placements:
        row = place[each.job]
        if pool[row] == NOWHERE:
            began[rows[row]] = min(began[rows[row]], now)
        pool[row] = each.pool
        unit[row] = unit[place[each.beside]] if each.beside else int(rows[row]) + OWN
    return began, replace(
        state, jobs=replace(state.jobs, pool=pool, unit=np.where(state.jobs.shares, unit, NOWHERE))
    )


def _without(state: Snapshot, stays: Bools, now: float) -> Snapshot:
    """The state at `now`, once the other jobs have ended."""
    return replace(state, now=now, jobs=only(state.jobs, np.flatnonzero(stays)))
