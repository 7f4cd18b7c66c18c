"""`python -m jobs.scheduler.simulate TRACE --cluster v100=12,p100=12,k80=12 --per-node 4 --json`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np

from jobs.scheduler.plan import plan
from jobs.scheduler.policy import Policy
from jobs.scheduler.replay import settings
from jobs.scheduler.simulate import baselines, fluid
from jobs.scheduler.simulate import trace as traces
from jobs.scheduler.simulate.measure import Figures, measure
from jobs.scheduler.simulate.trace import Trace
from jobs.scheduler.simulate.world import Conditions, Decide, World, check
from jobs.scheduler.snapshot import Plan, Snapshot

OTHERS: dict[str, Decide] = {
    "fifo": baselines.fifo,
    "easy": baselines.easy,
    "tiresias": baselines.tiresias,
}
OWNERS: dict[str, Callable[[Trace, np.random.Generator], Trace]] = {
    "one": lambda trace, _rng: trace,
    "zipf": traces.owned,
    "hog": traces.hogged,
}


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    try:
        cluster = _cluster(asked.cluster)
        trace = traces.read(asked.trace, tuple(cluster))
        policy = settings.parse(asked.set).policy
        conditions = _conditions(asked, cluster)
        check(trace, conditions)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    decide = OTHERS.get(asked.policy) or partial(_ours, policy)
    rows = [
        _one(OWNERS[asked.members], trace, conditions, decide, policy, copy) for copy in range(asked.copies)
    ]
    sys.stdout.write(_shown(rows, as_json=asked.json) + "\n")
    return 0


def _conditions(asked: argparse.Namespace, cluster: dict[str, int]) -> Conditions:
    return Conditions(
        capacity=tuple(cluster.values()),
        per_node=asked.per_node,
        restart_s=asked.restart,
        saving_s=asked.saving,
        sigma=asked.sigma,
        noise=asked.noise,
    )


def _ours(policy: Policy, snapshot: Snapshot, full: bool) -> Plan:
    return plan(snapshot, policy, full=full)


def _one(
    owners: Callable[[Trace, np.random.Generator], Trace],
    trace: Trace,
    conditions: Conditions,
    decide: Decide,
    policy: Policy,
    copy: int,
) -> Figures:
    """Copy 0 is the trace itself, the others are jittered."""
    rng = np.random.default_rng(copy)
    mine = owners(traces.jittered(trace, rng) if copy else trace, rng)
    capacity = np.array(conditions.capacity, dtype=np.float64)
    outcome = World(mine, conditions, decide, policy, seed=copy).run()
    return measure(mine, outcome, fluid.equal_share_times(mine, capacity), capacity)


def _shown(rows: Sequence[Figures], *, as_json: bool) -> str:
    """Means over the copies, and half the width of their 95 % interval (normal)."""
    table = {each.name: np.array([getattr(row, each.name) for row in rows]) for each in fields(Figures)}
    means = {name: float(values.mean()) for name, values in table.items()}
    widths = {
        name: float(1.96 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
        for name, values in table.items()
    }
    if as_json:
        return json.dumps({"copies": len(rows), "mean": _plain(means), "interval": _plain(widths)})
    return "\n".join(f"{name:18} {means[name]:10.3f} ± {widths[name]:.3f}" for name in means)


def _plain(figures: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN: what there is nothing to measure of is null."""
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}


def _cluster(text: str) -> dict[str, int]:
    """ValueError for what is not of the form v100=12,p100=12."""
    try:
        return {name: int(count) for name, count in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise ValueError(f"--cluster {text}: write it as v100=12,p100=12,k80=12.") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs.scheduler.simulate", description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--cluster", default="v100=12,p100=12,k80=12")
    parser.add_argument("--per-node", type=int, default=4)
    parser.add_argument("--policy", choices=["gristmill", *OTHERS], default="gristmill")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of the policy")
    parser.add_argument("--sigma", type=float, help="error of the estimated lengths; without: none known")
    parser.add_argument("--restart", type=float, default=60.0, help="seconds lost at each restart")
    parser.add_argument("--saving", type=float, default=0.0, help="seconds until who gives way has left")
    parser.add_argument("--noise", type=float, default=0.0, help="relative error of the known speeds")
    parser.add_argument("--members", choices=list(OWNERS), default="one")
    parser.add_argument("--copies", type=int, default=1, help="the trace, and so many less one jittered")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
