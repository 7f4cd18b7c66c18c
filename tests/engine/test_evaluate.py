import numpy as np
import pytest
from sklearn import metrics

from jobs.engine import evaluate


def test_classification_agrees_with_scikit_learn() -> None:
    chance = np.random.default_rng(0)
    y = chance.integers(0, 4, 300)
    scores = chance.dirichlet(np.ones(4), 300) + 0.4 * np.eye(4)[y]
    found = evaluate.classification(scores, y, ["a", "b", "c", "d"])
    guess = scores.argmax(axis=1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(y, guess)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, guess))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(y, guess, average="macro"))
    assert found["confusion_matrix"] == metrics.confusion_matrix(y, guess).tolist()
    for place, row in enumerate(found["per_class"]):
        assert row["label"] == "abcd"[place]
        assert (row["precision"], row["recall"]) == pytest.approx((precision[place], recall[place]))
        assert (row["f1"], row["support"]) == (pytest.approx(f1[place]), support[place])


def test_a_class_that_never_occurs_does_not_lower_the_mean() -> None:
    found = evaluate.classification(np.eye(3)[[0, 1]], np.array([0, 1]), ["a", "b", "never"])
    assert (found["macro_f1"], found["per_class"][2]["f1"]) == (1.0, 0.0)


def test_regression_agrees_with_scikit_learn() -> None:
    chance = np.random.default_rng(0)
    y = chance.normal(50, 10, 200)
    guess = y + chance.normal(0, 3, 200)
    found = evaluate.regression(guess[:, None], y)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, guess))
    assert found["rmse"] == pytest.approx(metrics.mean_squared_error(y, guess) ** 0.5)
    assert found["r2"] == pytest.approx(metrics.r2_score(y, guess))
    assert evaluate.regression(np.ones(3), np.ones(3))["r2"] == 0.0


def test_mistakes_are_the_surest_wrong_answers_first() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.05, 0.95]])
    found = evaluate.mistakes(scores, np.array([0, 0, 0, 0]), ["x", "y"], ["n0", "n1", "n2", "n3"])
    assert [(row["name"], row["predicted"]) for row in found] == [("n3", "y"), ("n1", "y"), ("n2", "y")]
    misses = evaluate.misses(np.array([[1.0], [5.0]]), np.array([1.5, 2.0]), ["row 1", "row 2"])
    assert [row["name"] for row in misses] == ["row 2", "row 1"]
