"""Snapshots of small machines and queues, for the scheduler's tests."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from jobs.scheduler.snapshot import NOWHERE, Jobs, Owners, Pools, Snapshot

NOW = 1_000_000.0
OWNERS = 4


def jobs(count: int, **columns: Any) -> Jobs:
    """`count` jobs that wait, run anywhere at the same speed and are alike but for `columns`."""
    whole = np.int64
    plain: dict[str, Any] = {
        "ids": tuple(f"j{row}" for row in range(count)),
        "owner": np.zeros(count, whole),
        "submitted_at": np.full(count, NOW - 60.0),
        "gang": np.ones(count, whole),
        "memory_bytes": np.zeros(count, whole),
        "speed": np.ones((count, 2)),
        "attained": np.zeros(count),
        "remaining": np.full(count, np.nan),
        "ran": np.zeros(count),
        "pool": np.full(count, NOWHERE, whole),
        "since": np.full(count, NOW - 10_000.0),
        "checkpoint_s": np.zeros(count),
        "fixed": np.zeros(count, np.bool_),
        "spare": np.zeros(count, np.bool_),
        "boost": np.ones(count),
    }
    for name, values in columns.items():
        plain[name] = values if name == "ids" else np.asarray(values, plain[name].dtype)
    return Jobs(**plain)


def pools(*rows: tuple[int, int, int, int]) -> Pools:
    """(node, type, memory, size) a row."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Pools(node=table[:, 0], type=table[:, 1], memory_bytes=table[:, 2], size=table[:, 3])


def snapshot(of: Jobs, machine: Pools, **owners: Any) -> Snapshot:
    known = {
        "limit": np.full(OWNERS, 1000),
        "usage": np.zeros(OWNERS),
        "share": np.full(OWNERS, 1 / OWNERS),
    } | {name: np.asarray(values) for name, values in owners.items()}
    return Snapshot(now=NOW, jobs=of, pools=machine, owners=Owners(**known))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any machine with any queue. What runs fits where it runs."""
    rows = [
        (node, draw(st.integers(0, 1)), draw(st.sampled_from([0, 8, 32])), draw(st.integers(1, 4)))
        for node in range(draw(st.integers(1, 4)))
    ]
    count = draw(st.integers(0, 12))
    gang = draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    memory = draw(st.lists(st.sampled_from([0, 4, 16]), min_size=count, max_size=count))
    speed = draw(
        st.lists(
            st.sampled_from([(1.0, 1.0), (1.0, 0.3), (0.0, 1.0), (0.2, 1.0)]), min_size=count, max_size=count
        )
    )
    free = [row[3] for row in rows]
    pool = [_somewhere(draw, rows, free, gang[job], memory[job], speed[job]) for job in range(count)]
    numbers = st.lists(st.floats(0, 50_000), min_size=count, max_size=count)
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    columns = {
        "owner": draw(st.lists(st.integers(0, OWNERS - 1), min_size=count, max_size=count)),
        "submitted_at": NOW - np.array(draw(numbers)),
        "since": NOW - np.array(draw(numbers)),
        "attained": draw(numbers),
        "ran": draw(numbers),
        "fixed": draw(flags),
        "spare": draw(flags),
    }
    made = jobs(
        count, gang=gang, memory_bytes=memory, speed=np.reshape(speed, (count, 2)), pool=pool, **columns
    )
    running = np.bincount(made.owner[made.pool != NOWHERE], minlength=OWNERS)
    limit = running + draw(st.lists(st.integers(0, 3), min_size=OWNERS, max_size=OWNERS))
    usage = draw(st.lists(st.floats(0, 1e6), min_size=OWNERS, max_size=OWNERS))
    return snapshot(made, pools(*rows), limit=limit, usage=usage)


def _somewhere(
    draw: st.DrawFn, rows: list[Any], free: list[int], gang: int, memory: int, speed: tuple[float, float]
) -> int:
    able = [
        pool
        for pool, (_node, kind, has, _size) in enumerate(rows)
        if free[pool] >= gang and speed[kind] > 0 and has in {0, *range(memory, 33)}
    ]
    chosen = draw(st.sampled_from([NOWHERE, *able]))
    if chosen != NOWHERE:
        free[chosen] -= gang
    return int(chosen)
