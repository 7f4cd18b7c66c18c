"""The judge is judged: what is made to be wrong has to be found."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.history import Attempt, History
from tests.chaos.monkey import Kill
from tests.chaos.spans import Span, common, length, overlapping, union, without
from tests.chaos.verdict import judge, recovered_after

IDLE = 0.02
MOMENTS = st.integers(0, 40)
SPANS = st.lists(
    st.tuples(MOMENTS, MOMENTS).map(lambda ends: (float(min(ends)), float(max(ends)))), max_size=8
)


def moments(spans: list[Span]) -> set[float]:
    """The half-seconds in the middle of those that they hold."""
    return {at + 0.5 for at in range(41) if any(begin <= at and at + 1 <= end for begin, end in spans)}


@given(SPANS, SPANS)
def test_stretches_of_time_are_sets_of_moments(one: list[Span], two: list[Span]) -> None:
    first, second = union(one), union(two)
    assert moments(first) == moments(one)
    assert length(first) == len(moments(one))
    assert moments(common(first, second)) == moments(one) & moments(two)
    assert moments(without(first, second)) == moments(one) - moments(two)
    assert overlapping(first) == 0


@pytest.fixture
def history() -> History:
    """One node with one accelerator: `a` did nothing from 1 to 3, its node was killed at 5 under `b`, which ran again
    from 8 to 10; `c` trained from 10 to 12.
    """

    def attempt(job: str, number: int, begin: float, end: float, reason: str) -> Attempt:
        refunded = reason == "node_lost"
        return Attempt(job, number, "north", ("cpu",), begin, begin, begin, end, reason, (refunded,))

    return History(
        jobs=dict.fromkeys("abc", "succeeded"),
        noops=frozenset("ab"),
        models={"c": 1},
        finals=dict.fromkeys("abc", 1),
        attempts=[
            attempt("a", 1, 1, 3, "done"),
            attempt("b", 1, 3, 6, "node_lost"),
            attempt("b", 2, 8, 10, "done"),
            attempt("c", 1, 10, 12, "done"),
        ],
        moves=[(0, 1), (0, 1), (0, 1), (1, -1), (3, -1), (6, 1), (8, -1), (10, -1)],
        kills=[Kill("north", 5)],
        began=1,
        over=12,
        accelerators={"cpu": "north"},
        lived={("a", 1): (101, 103), ("b", 1): (103, 104.9), ("b", 2): (108, 110)},
        effects={("a", 1): 1, ("b", 1): 0, ("b", 2): 1},
    )


def broken(history: History) -> set[str]:
    return {finding.what for finding in judge(history, idle=IDLE) if finding.holds is False}


def test_what_is_sound_is_found_sound(history: History) -> None:
    assert broken(history) == set()
    kill = history.kills[0]
    assert recovered_after(history, kill) == 3


def test_idle_is_what_lies_between_and_what_a_kill_explains_is_told_apart(history: History) -> None:
    found = {finding.what: finding.found for finding in judge(history, idle=IDLE)}
    nothing = "idle while work waits, nothing placed on it: "
    assert found[f"{nothing}while all that it needs is there"] == "0.00%"
    assert found[f"{nothing}with the seconds that a part was away"] == f"{3 / 9:.2%}"
    history.attempts[3] = dataclasses.replace(history.attempts[3], placed=10.5)
    history.moves[-1] = (10.5, -1)
    assert f"{nothing}while all that it needs is there" in broken(history)


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        ({"jobs": {"a": "succeeded", "b": "queued", "c": "succeeded"}}, "jobs that succeeded"),
        ({"finals": {"a": 2, "b": 1, "c": 1}}, "jobs without exactly one final event"),
        ({"effects": {("a", 1): 2, ("b", 2): 1}}, "effective ends without exactly one effect"),
        ({"effects": {("b", 2): 1}}, "effective ends without exactly one effect"),
        ({"models": {"c": 2}}, "trainings without exactly one model"),
        ({"lived": {("b", 1): (3.0, 8.5), ("b", 2): (8.0, 10.0)}}, "runs of one job at the same time"),
        ({"left": ["a process"]}, "processes and folders left at the end"),
    ],
)
def test_harm_is_found(history: History, harm: dict[str, object], what: str) -> None:
    assert broken(dataclasses.replace(history, **harm)) == {what}


@pytest.mark.parametrize(
    ("number", "harm", "what"),
    [
        (3, {"ended": None}, "attempts still open"),
        (3, {"placed": 9.0}, "jobs on one accelerator at once"),
        (1, {"refunds": (False,)}, "attempts not charged once, or refunded wrongly"),
        (0, {"refunds": (False, False)}, "attempts not charged once, or refunded wrongly"),
        (1, {"reason": "done"}, "jobs without exactly one effective end"),
    ],
)
def test_a_wrong_attempt_is_found(history: History, number: int, harm: dict[str, object], what: str) -> None:
    history.attempts[number] = dataclasses.replace(history.attempts[number], **harm)
    assert what in broken(history)


def test_a_part_that_does_not_come_back_is_found(history: History) -> None:
    history.attempts[2:] = [dataclasses.replace(each, started=50.0) for each in history.attempts[2:]]
    history.moves[-2:] = [(50, -1), (50, -1)]
    assert any(what.startswith("north killed") for what in broken(history))
