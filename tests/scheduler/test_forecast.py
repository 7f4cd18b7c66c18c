"""When a waiting job starts: as the passes will decide it, full ones too."""

from collections.abc import Callable

import numpy as np
import pytest

from jobs.scheduler import forecast
from jobs.scheduler.explain import explain
from jobs.scheduler.forecast import WIDER, Effort, Range
from jobs.scheduler.plan import plan
from jobs.scheduler.policy import DEFAULT
from jobs.scheduler.simulate.foretold import Foretold, record
from jobs.scheduler.simulate.world import Conditions
from jobs.scheduler.snapshot import NOWHERE, Snapshot
from tests.scheduler.snapshots import NOW, jobs, pools, snapshot
from tests.scheduler.test_simulate import ours, trace

ENOUGH = Effort(rolls=40, least=40, budget_s=np.inf)


def told(seen: Snapshot, *whom: str) -> dict[str, Range]:
    return forecast.starts(seen, seed=1, effort=ENOUGH, whom=whom or None)


def beside_a_long_one(*, came: float, since: float = 90_000.0, left: float = np.nan) -> Snapshot:
    """One that has run long, on the only accelerator, and one that came so many seconds ago."""
    queue = jobs(
        2, pool=[0, NOWHERE], attained=[90_000.0, 0.0], ran=[90_000.0, 0.0], owner=[0, 1],
        submitted_at=[NOW - 90_000.0, NOW - came], since=[NOW - since, 0.0], remaining=[left, np.nan],
    )  # fmt: skip
    return snapshot(queue, pools((0, 0, 0, 1)))


def test_who_has_just_come_starts_as_soon_as_others_give_way() -> None:
    """And not when the long one ends: two minutes after it came, or sooner where a full pass is due anyhow."""
    found = told(beside_a_long_one(came=0.0))["j1"]
    assert 0 <= found.earliest < found.median <= DEFAULT.full_soon_s
    assert found.latest <= WIDER * DEFAULT.full_soon_s


def test_who_waits_already_starts_in_the_next_full_pass_whenever_that_is() -> None:
    found = told(beside_a_long_one(came=3000.0))["j1"]
    assert found.earliest < 60
    assert DEFAULT.full_soon_s < found.median < found.latest <= WIDER * DEFAULT.full_every_s


def test_nobody_is_thought_to_give_way_who_is_protected() -> None:
    found = told(beside_a_long_one(came=0.0, since=0.0))["j1"]
    assert found.earliest >= DEFAULT.protect_s / WIDER


def test_who_ends_sooner_lets_it_in_sooner() -> None:
    found = told(beside_a_long_one(came=3000.0, left=20.0))["j1"]
    assert found.latest < 60 * WIDER


def test_who_was_asked_to_leave_is_as_good_as_gone() -> None:
    queue = jobs(
        2, pool=[0, NOWHERE], leaving=[True, False], fixed=[True, False], promise=[NOWHERE, 0], owner=[0, 1],
        remaining=[90_000.0, np.nan],
    )  # fmt: skip
    found = told(snapshot(queue, pools((0, 0, 0, 1))))
    assert (list(found), found["j1"].latest) == (["j1"], 0.0)


def test_a_gang_has_all_of_its_accelerators_to_itself_though_its_memory_is_held_to_a_limit() -> None:
    """Two of two on three: the second waits until the first has ended."""
    queue = jobs(
        2, gang=[2, 2], memory_bytes=[4, 4], shares=[True] * 2, remaining=[600.0] * 2, fixed=[True] * 2
    )
    found = told(snapshot(queue, pools((0, 0, 8, 3))))
    assert found["j0"].latest == 0.0
    assert found["j1"].earliest > 600 / 2 / WIDER


def test_a_forecast_for_some_is_the_same_as_theirs_in_one_for_all() -> None:
    queue = jobs(6, pool=[0, *[NOWHERE] * 5], remaining=[500.0] * 6, ran=[500.0] * 6, attained=[500.0] * 6)
    seen = snapshot(queue, pools((0, 0, 0, 1)))
    everybody = told(seen)
    assert list(everybody) == [f"j{row}" for row in range(1, 6)]
    assert told(seen, "j2") == {"j2": everybody["j2"]}


def test_who_keeps_their_place_is_waited_for() -> None:
    queue = jobs(3, pool=[0, 0, NOWHERE], fixed=[True] * 3, remaining=[4e5, 5e5, np.nan], owner=[0, 0, 1])
    found = told(snapshot(queue, pools((0, 0, 0, 2))))
    assert 2e5 < WIDER * found["j2"].earliest < 4e5 < found["j2"].latest / WIDER < 6e5


class Clock:
    """Each look at it takes a second."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return float(self.looks)


def a_row(waiting: int) -> Snapshot:
    """One is on the only accelerator, all are as long and keep their place, and who came earlier goes first."""
    count = waiting + 1
    queue = jobs(
        count, pool=[0, *[NOWHERE] * waiting], submitted_at=1000.0 * np.arange(count), remaining=[600.0] * count,
        fixed=[True] * count,
    )  # fmt: skip
    return snapshot(queue, pools((0, 0, 0, 1)))


def told_in(seconds: float, waiting: int, clock: Callable[[], float]) -> dict[str, Range]:
    return forecast.starts(a_row(waiting), effort=Effort(rolls=4, least=4, budget_s=seconds), clock=clock)


def test_a_forecast_ends_when_its_time_is_over_and_tells_of_who_is_next() -> None:
    clock = Clock()
    assert list(told_in(1e6, 5, clock)) == ["j1", "j2", "j3", "j4", "j5"]
    clock = Clock()
    found = told_in(80.0, 100, clock)
    assert "j1" in found
    assert "j100" not in found
    assert clock.looks < 80 + 4


def test_no_range_is_told_from_fewer_rolls_than_it_takes() -> None:
    in_the_first_roll = iter([0.0] * 20 + [99.0] * 9)  # in which some have begun
    assert told_in(10.0, 50, in_the_first_roll.__next__) == {}
    assert told_in(-1.0, 5, Clock()) == {}


def test_the_next_ones_are_explained_as_if_all_were() -> None:
    seen = a_row(9)
    made = plan(seen, full=False)
    every = explain(seen, made)
    assert [(why.position, why.rivals) for why in every] == [(row, row - 1) for row in range(1, 10)]
    assert explain(seen, made, most=4) == every[:4]


def test_what_was_foretold_is_held_against_what_came() -> None:
    """A job of known length is on the only accelerator; whoever comes later is told when they start."""
    made = trace((0, 1, 1000), (100, 1, 500), (4000, 1, 60), owner=[0, 1, 2])
    world = Foretold(made, Conditions(capacity=(1,), per_node=1, sigma=0.0), ours)
    found = record(world, world.run())
    assert list(world.ranges) == [1]
    assert (found.told, found.held + found.late) == (1, pytest.approx(1, abs=1))
    world.ranges = {1: (0.0, 1e9), 2: (0.0, 1.0)}
    again = record(world, world.out)
    assert (again.told, again.held, again.late) == (2, 1, 1)
