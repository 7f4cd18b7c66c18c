"""When will it start: the same decisions, rolled forward with lengths that nobody knows drawn from the life table.

A job whose remaining time is known is drawn lognormally around it, the others from the lives of those that had run as
long. What runs gives way as it really does, in full passes at the policy's times. Nobody new comes in a roll: so a
start is a guess, and who keeps the ranges counts how many came true.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from jobs.scheduler.applied import once_applied, rows_of
from jobs.scheduler.plan import plan
from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Plan, Snapshot, only

KNOWN_SIGMA: Final = 0.3  # of the logarithm of a length that is known by pace or from jobs like it
LOW, HIGH = 0.1, 0.9
CONFIDENCE: Final = HIGH - LOW
WIDER: Final = (
    1.5  # of both ends, for who comes meanwhile: by this four of five held (`benchmarks.scheduling`)
)
LEAST_S: Final = 1.0
DONE_S: Final = 1e-6
SLOWEST: Final = 1e-9  # it runs where it may not any more
RARER: Final = (
    0.1  # far ahead full passes are this part of the time until then apart: nothing hangs on each of them
)


@dataclass(frozen=True)
class Range:
    """Seconds from the snapshot's now between which a job starts, with the chance `CONFIDENCE`; the middle of them."""

    earliest: float
    median: float
    latest: float


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much a forecast may take: `rolls` at most, and `budget_s` seconds, after which it breaks off. A range is told
    from `least` rolls. Each of the first ones has an even part of the time, so that who is next is told of even where
    it is too short to roll on to the end.
    """

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
    whom: Collection[str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Range]:
    """The range of each waiting job that starts within the horizon in nine rolls of ten, wider than in these by
    `WIDER`; with `whom` of these only, which is sooner done. Deterministic for a seed, but for how far the budget
    allows to roll.
    """
    asked = (snapshot.jobs.pool == NOWHERE) & _named(snapshot, whom)
    rng, began_at = np.random.default_rng(seed), clock()
    rolled: list[Floats] = []
    while len(rolled) < effort.rolls and clock() < began_at + effort.budget_s:
        until = began_at + effort.budget_s * min(1.0, (len(rolled) + 1) / effort.least)
        rolled.append(_Roll(snapshot, policy, rng, asked).run(effort.horizon_s, clock, until))
    if len(rolled) < effort.least:
        return {}
    quantiles = np.quantile(np.stack(rolled), [LOW, 0.5, HIGH], axis=0, method="nearest")
    quantiles *= np.array([[1.0 / WIDER], [1.0], [WIDER]])
    rows = np.flatnonzero(asked & np.isfinite(quantiles[-1]))
    return {snapshot.jobs.ids[row]: Range(*map(float, quantiles[:, row])) for row in rows}


def _named(snapshot: Snapshot, whom: Collection[str] | None) -> Bools:
    named = set(whom) if whom is not None else None
    return np.array([named is None or job in named for job in snapshot.jobs.ids], dtype=np.bool_)


def lengths(snapshot: Snapshot, rng: np.random.Generator) -> Floats:
    """Seconds of work that each job has still to do, drawn once."""
    jobs, chance = snapshot.jobs, rng.uniform(size=len(snapshot.jobs.ids))
    error = np.exp(rng.normal(0.0, KNOWN_SIGMA, len(chance)))
    unknown = snapshot.lives.remaining_s(jobs.attained, chance)
    known = np.isfinite(jobs.remaining) & (jobs.remaining > 0)
    drawn = np.where(known, np.where(known, jobs.remaining, 0.0) * error, unknown)
    return np.maximum(drawn, LEAST_S)


def _first_full(snapshot: Snapshot, policy: Policy, rng: np.random.Generator) -> float:
    """Seconds until the next full pass. When the last one was is not known: any moment of the usual while. It is due
    sooner when somebody has come since who waits.
    """
    last = rng.uniform(0.0, policy.full_every_s)
    came = snapshot.jobs.submitted_at[snapshot.jobs.pool == NOWHERE] - snapshot.now
    soon = came[came > -last].min(initial=np.inf) + policy.full_soon_s
    return max(0.0, min(policy.full_every_s - last, float(soon)))


class _Roll:
    """One way in which things may go. Times in seconds from the snapshot's now; `rows` are those of the jobs of `state`
    in the snapshot.
    """

    def __init__(self, snapshot: Snapshot, policy: Policy, rng: np.random.Generator, asked: Bools) -> None:
        self.policy, self.asked, self.then = policy, asked, snapshot.now
        self.left = lengths(snapshot, rng)
        self.began = np.where(snapshot.jobs.pool == NOWHERE, np.inf, 0.0)
        self.full_at = _first_full(snapshot, policy, rng)
        self.now = 0.0
        self.rows = np.arange(len(self.left))
        self.state = _once_left(snapshot)

    def run(self, horizon_s: float, clock: Callable[[], float], until: float) -> Floats:
        """When each job starts (0 for what runs), infinite where that is past the horizon, never, or nobody asked; or
        was not seen before `until`, by the clock.
        """
        self._decide(full=False)
        while self.now < horizon_s and np.isinf(self.began[self.asked]).any() and clock() < until:
            if not (self.state.jobs.pool != NOWHERE).any():
                break
            self._advance()
            self._decide(full=self.now >= self.full_at)
        return self.began

    def _decide(self, *, full: bool) -> None:
        made = plan(self.state, self.policy, full=full)
        if full:
            self.full_at = self.now + max(self.policy.full_every_s, RARER * self.now)
        if made.placements or made.preempted:
            self._apply(made)

    def _apply(self, made: Plan) -> None:
        jobs, row = self.state.jobs, rows_of(self.state.jobs, made)
        gone, came = [row[job] for job in made.preempted], [row[each.job] for each in made.placements]
        saved = self.now + float(jobs.checkpoint_s[gone].max(initial=0.0))
        self.began[self.rows[came]] = np.minimum(self.began[self.rows[came]], saved)
        since = jobs.since.copy()
        since[came] = self.state.now
        pool, unit = once_applied(jobs, made)
        self.state = replace(self.state, jobs=replace(jobs, pool=pool, unit=unit, since=since))

    def _advance(self) -> None:
        """To when the next one ends, or the next full pass is due."""
        jobs, runs = self.state.jobs, np.flatnonzero(self.state.jobs.pool != NOWHERE)
        rate = np.maximum(jobs.speed[runs, self.state.pools.type[jobs.pool[runs]]], SLOWEST)
        left = self.left[self.rows[runs]]
        step = max(0.0, min(float((left / rate).min()), self.full_at - self.now))
        work = np.zeros(len(jobs.ids))
        work[runs] = rate * step
        self.left[self.rows] -= work
        self.now += step
        later = replace(
            jobs,
            attained=jobs.attained + work,
            remaining=jobs.remaining - work,
            ran=jobs.ran + step * (work > 0),
        )
        stays = np.flatnonzero(self.left[self.rows] > DONE_S)
        self.rows = self.rows[stays]
        self.state = replace(self.state, now=self.then + self.now, jobs=only(later, stays))


def _once_left(snapshot: Snapshot) -> Snapshot:
    """As if those that were asked to leave had left: it is a matter of seconds."""
    jobs = snapshot.jobs
    if not jobs.leaving.any():
        return snapshot
    pool, unit = (np.where(jobs.leaving, NOWHERE, column) for column in (jobs.pool, jobs.unit))
    none = np.zeros_like(jobs.leaving)
    fixed = jobs.fixed & ~jobs.leaving
    return replace(snapshot, jobs=replace(jobs, pool=pool, unit=unit, leaving=none, fixed=fixed))
