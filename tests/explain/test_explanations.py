"""What a report says of a network, whatever happens while it is looked for."""

from typing import Any

import numpy as np
import pytest

from jobs.engine.data import Arrays, Split
from jobs.engine.ends import InterruptedByRequestError
from jobs.engine.events import Event, Reporter, Wish
from jobs.engine.explain import choosing
from jobs.engine.explain.explain import NO_MEMORY, NO_TIME, UNEXPECTED, Trained, explanations
from jobs.engine.explain.watch import Watch

CHANCE = np.random.default_rng(5)
LABELS = ("small", "large")


def predict(x: np.ndarray) -> np.ndarray:
    return np.eye(2, dtype=np.float32)[(x[:, 0] > 0).astype(int)]


def table(count: int = 120) -> Arrays:
    def split() -> Split:
        x = CHANCE.normal(size=(count, 2)).astype(np.float32)
        y = (x[:, 0] > 0).astype(np.int64)
        y[:9] = 1 - y[:9]
        return Split(x, y)

    numbers: Any = {name: np.arange(count) for name in ("train", "validation", "test")}
    index: Any = {
        "kind": "table",
        "columns": [{"name": name, "type": "number", "missing": 0} for name in ("size", "noise")],
    }
    return Arrays("table", LABELS, split(), split(), split(), numbers, index)


def explained(
    arrays: Arrays, answer: Any = predict, wish: Wish | None = None, **more: Any
) -> tuple[list[dict[str, Any]], list[Event]]:
    events: list[Event] = []
    reporter = Reporter(events.append, wish or Wish())
    trained = Trained(None, answer, predict(arrays.test.x), batch=8, seed=0)  # type: ignore[arg-type]
    return explanations(trained, arrays, reporter, Watch(reporter, **more)), events


def test_a_table_is_explained_by_columns_rules_and_mistakes() -> None:
    found, events = explained(table())
    assert [part["kind"] for part in found] == [
        "confident-mistakes",
        "permutation-importance",
        "surrogate-rules",
    ]
    assert found[1]["columns"][0]["name"] == "size"
    assert found[2]["fidelity"] > 0.9
    shares = [event["fraction"] for event in events if event["type"] == "progress"]
    assert shares == sorted(shares)
    assert {event["phase"] for event in events} == {"explaining"}


def test_mistakes_are_told_class_by_class_the_surest_first() -> None:
    y = np.array([0, 0, 0, 0, 0, 1, 1, 2])
    sure = [0.9, 0.6, 0.8, 0.7, 0.99, 0.95, 0.55, 0.9]
    said = [1, 2, 1, 1, 0, 0, 1, 2]
    output = np.full((8, 3), 0.005, np.float32)
    output[np.arange(8), said] = sure
    found = choosing.confident_mistakes(output, y, ["a", "b", "c"], [*"pqrstuvw"])
    assert [(row["label"], row["mistakes"], row["samples"]) for row in found["classes"]] == [
        ("a", 4, 5),
        ("b", 1, 2),
    ]
    assert [one["name"] for one in found["classes"][0]["worst"]] == ["p", "r", "s"]
    assert found["classes"][1]["worst"] == [
        {"name": "u", "predicted": "a", "confidence": pytest.approx(0.95)},
    ]


def test_pictures_are_taken_class_by_class() -> None:
    y = np.array([0, 0, 0, 1, 2, 1])
    assert choosing.by_class(np.array([1, 0, 2, 5, 3, 4]), y).tolist() == [1, 5, 4, 0, 3, 2]


def test_what_fails_is_left_out_and_the_rest_is_there() -> None:
    def broken(x: np.ndarray) -> np.ndarray:
        if len(x) == 120 and not (x == arrays.test.x).all():
            raise ValueError("odd")
        return predict(x)

    arrays = table()
    found, events = explained(arrays, broken)
    assert [part["kind"] for part in found] == ["confident-mistakes", "left-out", "left-out"]
    assert found[1] == {"kind": "left-out", "of": "permutation-importance", "reason": UNEXPECTED}
    assert any("ValueError: odd" in event.get("text", "") for event in events)


def test_too_little_memory_is_said_as_such() -> None:
    def hungry(_x: np.ndarray) -> np.ndarray:
        raise MemoryError

    found, _events = explained(table(), hungry)
    assert {part["reason"] for part in found[1:]} == {NO_MEMORY}


def test_in_no_time_only_what_costs_nothing_is_said() -> None:
    found, _events = explained(table(), seconds=0)
    assert [part.get("reason") for part in found] == [None, NO_TIME, NO_TIME]


def test_asked_to_leave_it_leaves() -> None:
    with pytest.raises(InterruptedByRequestError):
        explained(table(), wish=Wish("checkpoint"))


def test_a_training_that_was_stopped_is_still_explained() -> None:
    found, _events = explained(table(), wish=Wish("stop"))
    assert found[2]["kind"] == "surrogate-rules"


def test_asked_to_stop_while_explaining_it_ends_with_what_it_has() -> None:
    wish, asked = Wish(), 0

    def slow(x: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += 1
        if asked == 3:
            wish.command = "stop"
        return predict(x)

    found, _events = explained(table(), slow, wish)
    assert found[1]["repeats"] == 1
    assert found[2]["reason"] == NO_TIME
    assert asked == 3
