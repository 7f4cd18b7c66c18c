"""One full pass of the scheduler over a long queue and a large machine, in one thread.

Usage: python -m benchmarks.one_pass [PASSES]; prints the seconds of each as JSON.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from benchmarks.row import Row
from jobs.scheduler import lifetable
from jobs.scheduler.plan import plan
from jobs.scheduler.snapshot import NOWHERE, Ints, Jobs, Owners, Pools, Snapshot
from tests.e2e.portal import ROOT, Portal

PASSES = 40
QUEUED = 100_000
ACCELERATORS = 1000
MEMBERS = 500
BUSY = 0.85
GIB = 1024**3
NOW = 1e6
GOAL_MEDIAN_MS, GOAL_MAX_MS = 60, 100
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def measure(_portal: Portal) -> list[Row]:
    command = [sys.executable, "-m", "benchmarks.one_pass"]
    one_thread = os.environ | dict.fromkeys(THREADS, "1")
    done = subprocess.run(command, cwd=ROOT, env=one_thread, capture_output=True, text=True, check=True)
    took = [1000 * each for each in json.loads(done.stdout)]
    median, most = statistics.median(took), max(took)
    return [
        Row(
            f"one full scheduling pass, {QUEUED:,} queued × {ACCELERATORS:,} accelerators, one thread",
            f"median {median:.0f} ms, max {most:.0f} ms of {len(took)}",
            goal=f"≤ {GOAL_MEDIAN_MS} ms, ≤ {GOAL_MAX_MS} ms",
            met=median <= GOAL_MEDIAN_MS and most <= GOAL_MAX_MS,
        )
    ]


def passes(count: int) -> list[float]:
    """Seconds of each, every one over a queue of its own."""
    return [one(snapshot(seed)) for seed in range(count)]


def one(machine: Snapshot) -> float:
    began = time.perf_counter()
    plan(machine)
    return time.perf_counter() - began


def snapshot(seed: int) -> Snapshot:
    """The queue of 500 members by Zipf, gangs of 1 to 8, a fifth of it small and willing to share; on four types of
    accelerator in nodes of 4 and 8, of which two thirds are busy, a third of that too young to be stopped.
    """
    rng = np.random.default_rng(seed)
    pools = _pools()
    pool, gang = _running(rng, pools)
    queued = np.full(QUEUED, NOWHERE)
    pool = np.concatenate([queued, pool])
    gang = np.concatenate([rng.choice([1, 2, 4, 8], QUEUED, p=[0.7, 0.1, 0.15, 0.05]), gang])
    count, runs = len(pool), pool != NOWHERE
    popular = np.arange(1, MEMBERS + 1) ** -1.1
    attained = np.where(runs | (rng.random(count) < 0.1), rng.exponential(4000.0, count), 0.0)
    jobs = Jobs(
        ids=tuple(map(str, range(count))),
        owner=rng.choice(MEMBERS, count, p=popular / popular.sum()),
        submitted_at=NOW - rng.exponential(20_000.0, count),
        gang=gang,
        memory_bytes=rng.choice([4, 8, 16], count) * GIB,
        speed=_speeds(rng, pools, pool),
        attained=attained,
        remaining=np.where(rng.random(count) < 0.5, rng.exponential(6000.0, count), np.nan),
        ran=attained * 1.5,
        pool=pool,
        since=NOW - rng.exponential(750.0, count),
        checkpoint_s=rng.uniform(0.0, 10.0, count),
        fixed=rng.random(count) < 0.01,
        spare=rng.random(count) < 0.05,
        shares=rng.random(count) < 0.2,
    )
    owners = Owners(
        limit=rng.integers(4, 64, MEMBERS),
        usage=rng.exponential(50_000.0, MEMBERS),
        share=np.full(MEMBERS, 1 / MEMBERS),
    )
    lives = lifetable.fit(rng.lognormal(7.0, 2.0, 5000), attained[runs])
    return Snapshot(now=NOW, jobs=jobs, pools=pools, owners=owners, lives=lives)


def _pools() -> Pools:
    """Of each type 250 accelerators."""
    size = np.array(([8] * 20 + [4] * 22 + [2]) * 4)
    kind = np.repeat(np.arange(4), len(size) // 4)
    memory = np.array([80, 40, 32, 16])[kind] * GIB
    return Pools(node=np.arange(len(size)), type=kind, memory_bytes=memory, size=size)


def _running(rng: np.random.Generator, pools: Pools) -> tuple[Ints, Ints]:
    """(the pool, the gang) of what runs: in each pool gangs of 1 and 2, until the next would not fit."""
    pool = np.repeat(np.arange(len(pools.size)), pools.size)
    gang = rng.choice([1, 2], len(pool))
    in_pool = np.bincount(pool, weights=gang)
    used = np.cumsum(gang) - np.repeat(np.cumsum(in_pool) - in_pool, pools.size)
    fits = used <= BUSY * pools.size[pool]
    return pool[fits], gang[fits]


def _speeds(
    rng: np.random.Generator, pools: Pools, pool: Ints
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Each runs at full speed on the first type that it may use; nothing runs where it may not."""
    speed = np.array([1.0, 0.6, 0.4, 0.15]) * rng.uniform(0.7, 1.3, (len(pool), 4))
    speed[rng.random(len(pool)) < 0.1, 0] = 0.0
    runs = np.flatnonzero(pool != NOWHERE)
    here = pools.type[pool[runs]]
    speed[runs, here] = np.maximum(speed[runs, here], 0.1)
    return np.asarray(speed / speed.max(axis=1)[:, None])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(passes(int(sys.argv[1]) if len(sys.argv) > 1 else PASSES)))
