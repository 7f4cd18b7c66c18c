"""The simulated machine: jobs come, run where a policy puts them, and end."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from jobs.scheduler import lifetable
from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.promises import for_later
from jobs.scheduler.simulate.trace import Trace
from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Ints, Jobs, Owners, Plan, Pools, Snapshot

REBUILD_S = 1800.0  # the life table
DONE_S = 1e-6
HALF_LIFE_S = 7 * 24 * 3600.0

Decide = Callable[[Snapshot, bool], Plan]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """capacity: accelerators of each type, `per_node` to a node. restart_s: lost at every start but the first.
    saving_s: how long who gives way stays where it is and saves its state, and does nothing else. sigma: of the
    lognormal error of the estimated length, None when there is no estimate. noise: relative error of the speeds that
    the policy is told. half_life_s: after so long half of a member's use is forgotten. mark_s: until then it is counted
    what each member has had.
    """

    capacity: tuple[int, ...]
    per_node: int = 4
    restart_s: float = 60.0
    saving_s: float = 0.0
    sigma: float | None = None
    noise: float = 0.0
    limit: int = 10**6
    half_life_s: float = HALF_LIFE_S
    mark_s: float = np.inf


def check(trace: Trace, conditions: Conditions) -> None:
    """ValueError in a sentence where no such machine can be built, or one of the jobs would wait for ever."""
    size = conditions.per_node
    if size < 1:
        raise ValueError(f"--per-node {size}: a node has at least one accelerator.")
    for name, count in zip(trace.types, conditions.capacity, strict=True):
        if count < 0 or count % size:
            raise ValueError(f"{name}={count}: nodes have {size} each, so this is a multiple of {size}.")
    there = np.array(conditions.capacity) > 0
    for job in np.flatnonzero(~(trace.rate[:, there] > 0).any(axis=1) | (trace.gang > size)):
        gang, at = int(trace.gang[job]), trace.arrival[job]
        why = (
            f"needs {gang} accelerators at once, a node has {size}"
            if gang > size
            else "runs on no type there is"
        )
        raise ValueError(f"The job that arrives at {at:g} s would wait for ever: it {why}.")


@dataclass
class Outcome:
    """What became of each job of a trace, times in seconds."""

    done: Floats
    first: Floats
    preempted: Ints
    migrated: Ints
    busy: float  # accelerator-seconds
    idle_while_waiting: float  # accelerator-seconds that somebody who waited could have used
    had: Floats  # accelerator-seconds of each member until `Conditions.mark_s`


@dataclass
class World:
    """One run. Times in seconds, work in seconds on a job's fastest type."""

    trace: Trace
    conditions: Conditions
    decide: Decide
    policy: Policy = DEFAULT
    seed: int = 0
    now: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        count, rng = len(self.trace.arrival), np.random.default_rng(self.seed)
        self.pools = _pools(self.conditions)
        self.speed = self.trace.rate / self.trace.rate.max(axis=1)[:, None]
        told = self.speed * rng.uniform(
            1 - self.conditions.noise, 1 + self.conditions.noise, self.speed.shape
        )
        self.told = told / told.max(axis=1)[:, None]
        sigma = self.conditions.sigma
        error = np.exp(rng.normal(0.0, sigma, count)) if sigma is not None else np.full(count, np.nan)
        self.estimate = self.trace.length_s * error
        self.work, self.ran, self.warming = np.zeros(count), np.zeros(count), np.zeros(count)
        self.pool = np.full(count, NOWHERE, dtype=np.int64)
        self.promise = self.pool.copy()
        self.leaves_in = np.full(count, np.inf)
        self.since = np.zeros(count)
        self.is_open = np.zeros(count, dtype=np.bool_)
        self.usage = np.zeros(int(self.trace.owner.max(initial=0)) + 1)
        self.out = Outcome(
            np.full(count, np.nan), np.full(count, np.nan),
            np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64), 0.0, 0.0, np.zeros(len(self.usage)),
        )  # fmt: skip
        self.lives, self.came = lifetable.EMPTY, 0

    def run(self) -> Outcome:
        tick = learn = last_full = 0.0
        while self.came < len(self.trace.arrival) or self.is_open.any():
            self._advance(min(self._next_arrival(), self._next_end(), max(tick - self.now, 0.0)))
            ended, came = self._leave() | self._end(), self._arrive()
            if self.now >= learn:
                self._learn()
                learn = self.now + REBUILD_S
            if self.now >= tick:
                self._decide(full=True)
                last_full, tick = self.now, self.now + self.policy.full_every_s
            elif ended or len(came):
                self._decide(full=False)
                if self._in_a_hurry(came):
                    tick = min(tick, max(self.now, last_full) + self.policy.full_soon_s)
        return self.out

    def _next_arrival(self) -> float:
        return float(self.trace.arrival[self.came]) - self.now if self.came < len(self.pool) else np.inf

    def _running(self) -> Ints:
        return np.flatnonzero(self.is_open & (self.pool != NOWHERE))

    def _rate(self, rows: Ints) -> Floats:
        return np.asarray(self.speed[rows, self.pools.type[self.pool[rows]]])

    def _next_end(self) -> float:
        """Until one ends, or has saved its state and leaves."""
        rows = self._running()
        left = self.trace.length_s[rows] - self.work[rows]
        works = np.isinf(self.leaves_in[rows])
        ends = np.where(works, self.warming[rows] + left / self._rate(rows), self.leaves_in[rows])
        return float(ends.min(initial=np.inf))

    def _advance(self, seconds: float) -> None:
        rows = self._running()
        warming = np.minimum(self.warming[rows], seconds)
        self.warming[rows] -= warming
        works = np.isinf(self.leaves_in[rows])
        self.leaves_in[rows] -= seconds
        self.work[rows] += self._rate(rows) * (seconds - warming) * works
        self.ran[rows] += seconds
        used: Floats = self.trace.gang[rows] * np.float64(seconds)
        self.out.busy += float(used.sum())
        until = np.clip(self.conditions.mark_s - self.now, 0.0, seconds)
        np.add.at(self.out.had, self.trace.owner[rows], self.trace.gang[rows] * until)
        self.usage *= 0.5 ** (seconds / self.conditions.half_life_s)
        np.add.at(self.usage, self.trace.owner[rows], self._charge(rows, used))
        self.now += seconds

    def _charge(self, _rows: Ints, used: Floats) -> Floats:
        """What counts as use of the accelerator-seconds that running jobs had: here every type costs the same."""
        return used

    def _end(self) -> bool:
        rows = self._running()
        left = self.trace.length_s[rows] - self.work[rows]
        works = np.isinf(self.leaves_in[rows])
        over = rows[(left <= DONE_S) & (self.warming[rows] <= DONE_S) & works]
        self.out.done[over], self.pool[over], self.is_open[over] = self.now, NOWHERE, False
        return bool(len(over))

    def _leave(self) -> bool:
        """Who gave way has saved its state."""
        gone = np.flatnonzero(self.leaves_in <= DONE_S)
        self.pool[gone], self.leaves_in[gone] = NOWHERE, np.inf
        return bool(len(gone))

    def _arrive(self) -> Ints:
        first = self.came
        self.came = int(np.searchsorted(self.trace.arrival, self.now + DONE_S, side="right"))
        self.is_open[first : self.came] = True
        return np.arange(first, self.came)

    def _learn(self) -> None:
        ended = ~np.isnan(self.out.done)
        self.lives = lifetable.fit(self.trace.length_s[ended], self.work[self.is_open & (self.work > 0)])

    def _in_a_hurry(self, came: Ints) -> bool:
        """Whether somebody who just came waits, or runs where it is slow."""
        waits = self.pool[came] == NOWHERE
        slow = self.speed[came, self.pools.type[np.maximum(self.pool[came], 0)]] < self.policy.slow
        return bool((waits | slow).any())

    def _decide(self, *, full: bool) -> None:
        rows = np.flatnonzero(self.is_open)
        if len(rows) == 0:
            return
        seen = self.snapshot(rows)
        plan = self.decide(seen, full)
        later = {int(each.job) for each in for_later(seen, plan)} if self.conditions.saving_s else set()
        moving = {int(each.job): each.pool for each in plan.placements}
        for job in map(int, plan.preempted):
            self._stop(job, moves=job in moving)
        kept = {job: int(self.promise[job]) for job in map(int, plan.promised)}
        self.promise[:] = NOWHERE
        for job, pool in (kept | {job: moving[job] for job in later}).items():
            self.promise[job] = pool
        for job, pool in moving.items():
            if job not in later:
                self._start(job, pool)

    def _stop(self, job: int, *, moves: bool) -> None:
        if np.isfinite(self.leaves_in[job]):
            return  # it was asked to already
        (self.out.migrated if moves else self.out.preempted)[job] += 1
        if self.conditions.saving_s:
            self.leaves_in[job] = self.conditions.saving_s
        else:
            self.pool[job] = NOWHERE

    def _start(self, job: int, pool: int) -> None:
        again = not np.isnan(self.out.first[job])
        self.warming[job] = self.conditions.restart_s if again else 0.0
        if not again:
            self.out.first[job] = self.now
        self.pool[job], self.since[job] = pool, self.now

    def snapshot(self, rows: Ints) -> Snapshot:
        """What the policy is told of the open jobs; their ids are their numbers in the trace."""
        count = len(self.usage)
        none: Bools = np.zeros(len(rows), dtype=np.bool_)
        leaving: Bools = np.isfinite(self.leaves_in[rows])
        return Snapshot(
            now=self.now,
            jobs=Jobs(
                ids=tuple(map(str, rows)),
                owner=self.trace.owner[rows],
                submitted_at=self.trace.arrival[rows],
                gang=self.trace.gang[rows],
                memory_bytes=np.zeros(len(rows), dtype=np.int64),
                speed=self.told[rows],
                attained=self.work[rows],
                remaining=self.estimate[rows] - self.work[rows],
                ran=self.ran[rows],
                pool=self.pool[rows],
                since=self.since[rows],
                checkpoint_s=np.zeros(len(rows)),
                fixed=leaving,
                spare=none,
                boost=np.ones(len(rows)),
                leaving=leaving,
                promise=self.promise[rows],
            ),
            pools=self.pools,
            owners=Owners(
                limit=np.full(count, self.conditions.limit, dtype=np.int64),
                usage=self.usage,
                share=np.full(count, 1.0 / count),
            ),
            lives=self.lives,
        )


def _pools(conditions: Conditions) -> Pools:
    nodes = [count // conditions.per_node for count in conditions.capacity]
    kind = np.repeat(np.arange(len(nodes)), nodes)
    return Pools(
        node=np.arange(len(kind)),
        type=kind,
        memory_bytes=np.zeros(len(kind), dtype=np.int64),
        size=np.full(len(kind), conditions.per_node, dtype=np.int64),
    )
