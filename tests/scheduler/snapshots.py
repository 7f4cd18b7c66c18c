"""Snapshots of small machines and queues, for the scheduler's tests."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from jobs.scheduler.policy import DEFAULT
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
        "shares": np.zeros(count, np.bool_),
        "unit": np.full(count, NOWHERE, whole),
        "boost": np.ones(count),
        "leaving": np.zeros(count, np.bool_),
        "promise": np.full(count, NOWHERE, whole),
    }
    for name, values in columns.items():
        plain[name] = values if name == "ids" else np.asarray(values, plain[name].dtype)
    return Jobs(**plain)


def pools(*rows: tuple[int, ...]) -> Pools:
    """(node, type, memory, size and perhaps sharers) a row."""
    return Pools(*np.array(rows, dtype=np.int64).T)


def snapshot(of: Jobs, machine: Pools, **owners: Any) -> Snapshot:
    known = {
        "limit": np.full(OWNERS, 1000),
        "usage": np.zeros(OWNERS),
        "share": np.full(OWNERS, 1 / OWNERS),
    } | {name: np.asarray(values) for name, values in owners.items()}
    return Snapshot(now=NOW, jobs=of, pools=machine, owners=Owners(**known))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any machine with any queue. What runs fits where it runs. In every other one, more small jobs than accelerators,
    so that they have to share.
    """
    crowd = draw(st.booleans())
    rows = [
        (
            node,
            draw(st.integers(0, 1)),
            draw(st.sampled_from([8, 32] if crowd else [0, 8, 32])),
            draw(st.integers(1, 2 if crowd else 4)),
            draw(st.integers(2 if crowd else 1, 5)),
        )
        for node in range(draw(st.integers(1, 2 if crowd else 4)))
    ]
    count = draw(st.integers(8, 12) if crowd else st.integers(0, 12))
    gang = draw(st.lists(st.just(1) if crowd else st.integers(1, 4), min_size=count, max_size=count))
    memory = draw(
        st.lists(st.sampled_from([3, 5, 14] if crowd else [0, 4, 16]), min_size=count, max_size=count)
    )
    speed = draw(
        st.lists(
            st.sampled_from([(1.0, 1.0), (1.0, 0.3), (0.0, 1.0), (0.2, 1.0)]), min_size=count, max_size=count
        )
    )
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    shares = [True] * count if crowd else draw(flags)
    machine = Machine(rows)
    places = [
        machine.somewhere(draw, gang[job], memory[job], speed[job], shares[job]) for job in range(count)
    ]
    numbers = st.lists(st.floats(0, 50_000), min_size=count, max_size=count)
    columns = {
        "owner": draw(st.lists(st.integers(0, OWNERS - 1), min_size=count, max_size=count)),
        "submitted_at": NOW - np.array(draw(numbers)),
        "since": NOW - np.array(draw(numbers)),
        "attained": draw(numbers),
        "ran": draw(numbers),
        "fixed": draw(flags),
        "spare": draw(flags),
        "checkpoint_s": draw(st.lists(st.sampled_from([0.0, 10.0, 900.0]), min_size=count, max_size=count)),
        "boost": draw(st.lists(st.sampled_from([1.0, 8.0]), min_size=count, max_size=count)),
        "gang": gang,
        "memory_bytes": memory,
        "speed": np.reshape(speed, (count, 2)),
        "shares": shares,
        "pool": [place[0] for place in places],
        "unit": [place[1] for place in places],
    }
    made = jobs(count, **columns)
    running = np.bincount(made.owner[made.pool != NOWHERE], minlength=OWNERS)
    limit = running + draw(st.lists(st.integers(0, 3), min_size=OWNERS, max_size=OWNERS))
    usage = draw(st.lists(st.floats(0, 1e6), min_size=OWNERS, max_size=OWNERS))
    return snapshot(made, pools(*rows), limit=limit, usage=usage)


class Machine:
    """Where jobs of a drawn snapshot run already."""

    def __init__(self, rows: list[tuple[int, ...]]) -> None:
        self.rows = rows
        self.free = [row[3] for row in rows]
        self.units: dict[tuple[int, int], list[int]] = {}  # the memory of each who shares

    def somewhere(
        self, draw: st.DrawFn, gang: int, memory: int, speed: tuple[float, float], shares: bool
    ) -> tuple[int, int]:
        """(pool, unit) of a job, or nowhere."""
        able = [
            pool
            for pool, (_node, kind, has, _size, _sharers) in enumerate(self.rows)
            if speed[kind] > 0 and has in {0, *range(memory, 33)}
        ]
        may_join = shares and gang == 1 and memory > 0
        shared = [
            unit for unit in self.units if may_join and unit[0] in able and self._has_room(unit, memory)
        ]
        alone = [(pool, NOWHERE) for pool in able if self.free[pool] >= gang]
        pool, unit = draw(st.sampled_from([(NOWHERE, NOWHERE), *shared, *alone]))
        if unit == NOWHERE and pool != NOWHERE:
            self.free[pool] -= gang
            if may_join and self.rows[pool][2] and self.rows[pool][4] > 1:
                unit = self.free[pool]
        if unit != NOWHERE:
            self.units.setdefault((pool, unit), []).append(memory)
        return pool, unit

    def _has_room(self, unit: tuple[int, int], memory: int) -> bool:
        has, sharers, beside = self.rows[unit[0]][2], self.rows[unit[0]][4], self.units[unit]
        return sum(beside) + memory <= has and len(beside) < min(sharers, DEFAULT.sharers)
