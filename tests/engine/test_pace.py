"""What is said for estimates of the time that is left: the pace, and what a checkpoint costs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.training.pace import HALF_LIFE_S, Pace
from tests.engine.conftest import Start


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def paced(*stretches: tuple[int, float, int]) -> Pace:
    """After so many counts of (steps, seconds between two) each."""
    clock = Clock()
    pace = Pace(clock)
    pace.count(16)
    for counts, seconds, steps in stretches:
        for _ in range(counts):
            clock.now += seconds
            pace.count(steps)
    return pace


def test_nothing_is_said_before_something_is_known() -> None:
    assert Pace(Clock()).steps_per_s is None
    assert paced().steps_per_s is None, "the first steps waited for their graph"


@given(st.integers(1, 50), st.floats(0.001, 600), st.integers(1, 64))
def test_an_even_pace_is_told_as_it_is(counts: int, seconds: float, steps: int) -> None:
    assert paced((counts, seconds, steps)).steps_per_s == pytest.approx(steps / seconds, rel=1e-3)


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_a_change_is_followed_within_minutes(before: int, after: int) -> None:
    """Three half-lives after it, seven eighths of the way are gone."""
    pace = paced((600, 1.0, before), (int(3 * HALF_LIFE_S), 1.0, after)).steps_per_s
    assert pace == pytest.approx((before + 7 * after) / 8, rel=0.01)


@pytest.mark.train
def test_a_training_says_its_pace_and_what_its_checkpoints_cost(few_digits: Path, start: Start) -> None:
    run = start("image-classifier", few_digits, {"epochs": 40, "early_stop": False}, checkpoint_s=0.2)
    paces = [event["steps_per_s"] for event in run.of("progress") if "steps_per_s" in event]
    assert paces
    assert all(pace > 0 for pace in paces)
    last = [event for event in run.of("progress") if event["phase"] == "training"][-1]
    assert last["step"] <= last["steps"] == 40 * run.of("metric")[0]["step"]
    costs = [event["checkpoint_s"] for event in run.of("checkpoint")]
    assert costs
    assert all(0 < cost < 20 for cost in costs)
