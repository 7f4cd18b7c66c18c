"""One simulated run, and the figures of several."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.scheduling.cases import CLUSTER, PER_NODE, Case
from jobs.scheduler.plan import plan
from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.simulate import baselines, fluid
from jobs.scheduler.simulate import trace as traces
from jobs.scheduler.simulate.measure import Figures, measure
from jobs.scheduler.simulate.trace import Trace
from jobs.scheduler.simulate.world import Conditions, Decide, World
from jobs.scheduler.snapshot import Plan, Snapshot

OTHERS: dict[str, Decide] = {
    "fifo": baselines.fifo,
    "easy": baselines.easy,
    "tiresias": baselines.tiresias,
}
MEMBERS = 20
CUT, PIECES = 10, 20


@dataclass(frozen=True)
class Measured:
    """The runs of one case, over the copies of a trace."""

    runs: tuple[Figures, ...]

    def values(self, name: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return np.array([getattr(run, name) for run in self.runs])

    def mean(self, name: str) -> float:
        return float(self.values(name).mean())

    def width(self, name: str) -> float:
        """Half the width of the 95 % interval of the mean (normal)."""
        values = self.values(name)
        return float(1.96 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _ours(policy: Policy, snapshot: Snapshot, full: bool) -> Plan:
    return plan(snapshot, policy, full=full)


Asked = tuple[Path, Case, int]  # copy 0 is the trace itself, the others are jittered
W = TypeVar("W", bound=World)


def run(asked: Asked) -> Figures:
    world = world_of(asked, World)
    capacity = np.array(world.conditions.capacity, dtype=np.float64)
    return measure(world.trace, world.run(), fluid.equal_share_times(world.trace, capacity), capacity)


def world_of(asked: Asked, kind: Callable[..., W]) -> W:
    path, case, copy = asked
    rng = np.random.default_rng(copy)
    trace = traces.read(path, tuple(CLUSTER))
    mine = _owned(traces.jittered(trace, rng) if copy else trace, case.members, rng)
    conditions = Conditions(
        capacity=tuple(CLUSTER.values()),
        per_node=PER_NODE,
        restart_s=case.restart_s,
        saving_s=case.saving_s,
        sigma=case.sigma,
        noise=case.noise,
        mark_s=float(trace.arrival[-1]),
    )
    policy = DEFAULT if case.fair_power is None else replace(DEFAULT, fair_power=case.fair_power)
    decide = OTHERS.get(case.policy) or partial(_ours, policy)
    return kind(mine, conditions, decide, policy, seed=copy)


def _owned(trace: Trace, members: str, rng: np.random.Generator) -> Trace:
    if members == "zipf":
        return traces.owned(trace, rng, members=MEMBERS)
    if members == "hog":
        return traces.hogged(trace, rng, members=MEMBERS)
    if members == "splitter":
        return _cut(traces.hogged(trace, rng, members=MEMBERS))
    return trace


def _cut(trace: Trace) -> Trace:
    theirs = np.flatnonzero(trace.owner == 0)
    longest = theirs[np.argsort(-(trace.length_s * trace.gang)[theirs])[:CUT]]
    return traces.split(trace, longest, PIECES)
