"""What is left for those that wait: counted after the plan, by type, gang and memory."""

import numpy as np
import pytest
from hypothesis import given, settings

from jobs.scheduler.explain import explain
from jobs.scheduler.plan import plan
from jobs.scheduler.policy import DEFAULT
from jobs.scheduler.snapshot import NOWHERE, Blocker, Pools, Snapshot
from jobs.scheduler.vacancies import vacancies
from tests.scheduler.snapshots import jobs, pools, snapshot, snapshots

TWO_NODES = pools((0, 0, 8, 4, 1), (1, 0, 32, 3, 1), (1, 1, 64, 2, 1))


def left(machine: Snapshot, row: int) -> tuple[int, int]:
    at_once, free_bytes = vacancies(machine, plan(machine, full=False), np.array([row]))
    return int(at_once[0]), int(free_bytes[0])


@pytest.mark.parametrize(
    ("gang", "memory", "speed", "found"),
    [
        (5, 0, (1.0, 0.0), (3, 32)),
        (5, 16, (1.0, 0.0), (2, 32)),  # only the second node's have that much
        (5, 64, (1.0, 0.0), (0, 32)),
        (5, 64, (1.0, 1.0), (2, 64)),  # and of the other type
        (5, 0, (0.0, 1.0), (2, 64)),
    ],
)
def test_what_idles_is_counted_on_one_node_and_where_it_may_run(
    gang: int, memory: int, speed: tuple[float, float], found: tuple[int, int]
) -> None:
    """One runs on each of the first two pools."""
    queue = jobs(
        3, gang=[1, 1, gang], memory_bytes=[0, 0, memory], speed=[(1, 0), (1, 0), speed], pool=[0, 1, NOWHERE]
    )
    assert left(snapshot(queue, TWO_NODES), 2) == found


def test_what_the_same_plan_gives_to_others_is_not_left() -> None:
    queue = jobs(3, gang=[2, 1, 5], speed=[(1, 0)] * 3)
    assert left(snapshot(queue, pools((0, 0, 8, 4))), 2) == (1, 8)


@pytest.mark.parametrize(
    ("wants", "shares", "sharers", "found"),
    [
        (5, True, 2, (0, 4)),
        (5, True, 1, (0, 0)),  # nobody may come beside it
        (5, False, 2, (0, 0)),  # it would have one to itself
        (0, True, 2, (0, 0)),  # its memory isn't held to a limit
    ],
)
def test_what_is_left_beside_others_is_free_for_who_may_join(
    wants: int, shares: bool, sharers: int, found: tuple[int, int]
) -> None:
    queue = jobs(
        2, memory_bytes=[4, wants], shares=[True, shares], pool=[0, NOWHERE], unit=[0, NOWHERE], gang=[1, 1]
    )
    assert left(snapshot(queue, pools((0, 0, 8, 1, sharers))), 1) == found


def test_nothing_is_left_where_there_is_nothing() -> None:
    assert left(snapshot(jobs(1), Pools(*np.zeros((5, 0), dtype=np.int64))), 0) == (0, 0)


@given(snapshots())
@settings(max_examples=100, deadline=None)
def test_whoever_waits_for_an_accelerator_finds_too_little_left(machine: Snapshot) -> None:
    made, place = plan(machine, full=False), {job: row for row, job in enumerate(machine.jobs.ids)}
    for why in explain(machine, made, DEFAULT):
        row = place[why.job]
        assert why.free_at_once <= machine.pools.size.max(initial=0)
        if why.blocker == Blocker.ACCELERATOR:
            assert why.free_at_once < machine.jobs.gang[row]
