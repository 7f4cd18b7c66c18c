"""Permutation importance and surrogate rules, against models whose answers are known."""

from typing import Any

import numpy as np
import pytest

from jobs.datasets.formats.index import TableColumn
from jobs.engine.events import Reporter, Wish
from jobs.engine.explain import surrogate
from jobs.engine.explain.features import Features
from jobs.engine.explain.importance import permutation_importance
from jobs.engine.explain.surrogate import Answered, surrogate_rules
from jobs.engine.explain.watch import Watch

CHANCE = np.random.default_rng(3)
COLOURS = ["red", "green", "blue"]
COLUMNS: list[TableColumn] = [
    {"name": "weight", "type": "number", "missing": 0},
    {"name": "colour", "type": "category", "missing": 0, "categories": COLOURS},
    {"name": "noise", "type": "number", "missing": 0},
]
NAMES = [column["name"] for column in COLUMNS]


def watch(**more: float) -> Watch:
    return Watch(Reporter(lambda _event: None, Wish()), **more)


def rows(count: int, *, gaps: bool = False) -> np.ndarray:
    x = np.stack(
        [CHANCE.normal(50, 20, count), CHANCE.integers(-1, 3, count), CHANCE.normal(size=count)], axis=1
    ).astype(np.float32)
    if gaps:
        x[CHANCE.random(count) < 0.2, 0] = np.nan
    return x


def heavy_and_green(x: np.ndarray) -> np.ndarray:
    """Class 1 where it weighs more than 60, class 2 where it does not and is green, class 0 else."""
    answer = np.where(x[:, 0] > 60, 1, np.where(x[:, 1] == 1, 2, 0))
    return np.eye(3, dtype=np.float32)[answer]


def price(x: np.ndarray) -> np.ndarray:
    return np.where(x[:, 0] > 60, 100, 10).astype(np.float32)[:, None]


class TestImportance:
    def test_what_is_not_read_costs_nothing_and_the_rest_is_ranked(self) -> None:
        x = rows(600)
        y = heavy_and_green(x).argmax(axis=1)
        found = permutation_importance(heavy_and_green, x, y, NAMES, seed=0, watch=watch())
        assert (found["measure"], found["undisturbed"], found["repeats"]) == ("accuracy", 1.0, 10)
        by_name = {row["name"]: row for row in found["columns"]}
        assert list(by_name) == ["weight", "colour", "noise"]
        assert by_name["noise"] == {"name": "noise", "loss": 0.0, "spread": 0.0}
        # A shuffled weight is on the other side of 60 for 2 p (1 - p) of the rows, p being about 0.31.
        assert 0.25 < by_name["weight"]["loss"] < 0.5
        assert 0 < by_name["weight"]["spread"] < 0.05

    def test_values_lose_in_their_own_unit(self) -> None:
        x = rows(400)
        y = price(x)[:, 0] + np.float32(1)
        found = permutation_importance(price, x, y, NAMES, seed=0, watch=watch())
        assert (found["measure"], found["undisturbed"]) == ("rmse", pytest.approx(1.0))
        assert found["columns"][0]["name"] == "weight"
        assert 40 < found["columns"][0]["loss"] < 90
        assert [row["loss"] for row in found["columns"][1:]] == [0, 0]

    def test_the_rows_themselves_stay_as_they_were(self) -> None:
        x = rows(100)
        kept = x.copy()
        permutation_importance(price, x, price(x)[:, 0], NAMES, seed=0, watch=watch())
        assert np.array_equal(x, kept)

    def test_without_time_there_are_no_halves(self) -> None:
        x = rows(100)
        found = permutation_importance(price, x, price(x)[:, 0], NAMES, seed=0, watch=watch(seconds=0))
        assert (found["repeats"], found["columns"]) == (0, [])


def answered(predict: Any, count: int, *, gaps: bool = False) -> Answered:
    x = rows(count, gaps=gaps)
    output = predict(x)
    answers = output.argmax(axis=1) if output.shape[1] > 1 else output[:, 0]
    return Answered(x, answers, answers)


def three(predict: Any, **more: bool) -> tuple[Answered, Answered, Answered]:
    return answered(predict, 800, **more), answered(predict, 200, **more), answered(predict, 300, **more)


def applies(rule: dict[str, Any], row: np.ndarray) -> bool:
    """The conditions as a reader takes them."""
    for condition in rule["conditions"]:
        value = row[NAMES.index(condition["column"])]
        if condition["column"] == "colour":
            name = COLOURS[int(value)] if value >= 0 else None
            if ("is" in condition and name != condition["is"]) or name in condition.get("is_not", []):
                return False
            continue
        bounded = "above" in condition or "at_most" in condition
        if np.isnan(value):
            if condition.get("missing") is not True:
                return False
        elif (condition.get("missing") is True and not bounded) or not (
            condition.get("above", -np.inf) < value <= condition.get("at_most", np.inf)
        ):
            return False
    return True


class TestRules:
    def test_the_rules_of_a_model_of_rules_are_found(self) -> None:
        found = surrogate_rules(COLUMNS, ["light", "heavy", "green"], *three(heavy_and_green), watch())
        assert found is not None
        assert found["fidelity"] > 0.98
        assert 0.3 < found["without_rules"] < 0.7
        assert len(found["rules"]) == 3
        heavy = next(rule for rule in found["rules"] if rule["answer"] == "heavy")
        assert heavy["conditions"] == [{"column": "weight", "above": pytest.approx(60, abs=2)}]
        green = next(rule for rule in found["rules"] if rule["answer"] == "green")
        assert {"column": "colour", "is": "green"} in green["conditions"]
        light = next(rule for rule in found["rules"] if rule["answer"] == "light")
        assert {"column": "colour", "is_not": ["green"]} in light["conditions"]

    def test_values_have_rules_with_their_spread(self) -> None:
        found = surrogate_rules(COLUMNS, [], *three(price), watch())
        assert found is not None
        assert (found["measure"], found["without_rules"]) == ("r2", 0.0)
        assert found["fidelity"] > 0.95
        assert [round(rule["value"]) for rule in found["rules"]] == [10, 100]
        assert all(rule["spread"] < 10 for rule in found["rules"])

    @pytest.mark.parametrize("labels", [["a", "b", "c"], []])
    def test_read_as_they_stand_they_say_what_the_tree_says(self, labels: list[str]) -> None:
        """Of a model of many corners, with gaps and categories: each row falls under one rule, which is the tree's."""

        def corners(x: np.ndarray) -> np.ndarray:
            weight = np.where(np.isnan(x[:, 0]), 90, x[:, 0])
            value = np.sin(weight / 9) + (x[:, 1] == 2) * (x[:, 2] > 0) - (x[:, 1] == 0) * 0.7
            return np.stack([value, 0.4 - value, 0.5 * x[:, 2]], axis=1) if labels else value[:, None]

        train, validation, test = three(corners, gaps=True)
        found = surrogate_rules(COLUMNS, labels, train, validation, test, watch())
        assert found is not None
        assert len(found["rules"]) > 4
        assert sum(rule["rows"] for rule in found["rules"]) == pytest.approx(1)
        said = []
        for row in test.x:
            [rule] = [rule for rule in found["rules"] if applies(rule, row)]
            said.append(labels.index(rule["answer"]) if labels else rule["value"])
        assert surrogate.fidelity(test.answers, np.array(said)) == pytest.approx(found["fidelity"], abs=1e-6)
        text = str(found["rules"])
        assert "'missing': True" in text
        assert "'is'" in text

    def test_no_more_rules_than_are_needed(self) -> None:
        def always(x: np.ndarray) -> np.ndarray:
            return np.eye(2, dtype=np.float32)[np.zeros(len(x), int)]

        found = surrogate_rules(COLUMNS, ["yes", "no"], *three(always), watch())
        assert found is not None
        assert (found["fidelity"], found["without_rules"], len(found["rules"])) == (1.0, 1.0, 1)
        assert found["rules"][0]["conditions"] == []

    def test_without_time_there_are_none(self) -> None:
        assert surrogate_rules(COLUMNS, [], *three(price), watch(seconds=0)) is None

    def test_of_many_categories_the_frequent_ones_can_be_asked_about(self) -> None:
        names = [f"c{number}" for number in range(300)]
        columns: list[TableColumn] = [{"name": "c", "type": "category", "missing": 0, "categories": names}]
        codes = np.concatenate([np.full(50, 299), np.arange(300), np.full(9, -1)]).astype(np.float32)[:, None]
        features = Features.of(columns, codes)
        assert len(features.features) == 30
        assert features.features[-1].category == "c299"
        assert features.matrix(codes).sum(axis=0)[-1] == 51
