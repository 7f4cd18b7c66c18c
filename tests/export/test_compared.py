"""Is the exported file worse than the float model, or is it chance?"""

import numpy as np
import pytest
from scipy import stats

from jobs.engine.export.compared import compare, in_words, of_counts


def answers(y: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Outputs of two classes that are right where `right` says."""
    return np.eye(2, dtype=np.float32)[np.where(right, y, 1 - y)]


def test_mcnemar_as_published() -> None:
    """Airway hyper-responsiveness of 21 children before and after stem cell transplantation, Fagerland et al. 2013."""
    found = of_counts(7, 1, 21)
    assert found.p == pytest.approx(0.0703, abs=5e-5)
    assert (found.low, found.high) == (pytest.approx(0.013, abs=1e-3), pytest.approx(0.508, abs=1e-3))
    assert found.drop == pytest.approx(6 / 21)
    assert not found.real


@pytest.mark.parametrize(
    ("lost", "gained"), [(0, 0), (1, 0), (5, 5), (5, 0), (6, 0), (0, 9), (30, 14), (700, 610)]
)
def test_mcnemar_is_the_binomial_test_of_the_samples_that_one_alone_gets_right(
    lost: int, gained: int
) -> None:
    found = of_counts(lost, gained, 3000)
    expected = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert found.p == pytest.approx(expected, rel=1e-9)
    assert found.real == (lost > gained and expected < 0.05)


def test_classes_are_counted_sample_by_sample() -> None:
    y = np.arange(100) % 2
    exactly, right = np.arange(100) < 90, (np.arange(100) >= 10) & (np.arange(100) < 92)
    found = compare(answers(y, right), answers(y, exactly), y, classes=True)
    assert (found.lost, found.gained, found.samples) == (10, 2, 100)
    assert found.drop == pytest.approx(0.08)
    assert found.real
    assert "gets 10 wrong that the float model has right, and 2 right" in in_words(found.as_json())
    assert "a real drop (exact McNemar test, p = 0.039)" in in_words(found.as_json())


def test_the_same_answers_are_no_drop() -> None:
    y = np.arange(40) % 2
    outputs = answers(y, y > 0)
    for classes, targets in ((True, y), (False, y.astype(np.float32))):
        found = compare(
            outputs if classes else outputs[:, :1], outputs[:, : 1 + classes], targets, classes=classes
        )
        assert (found.drop, found.p, found.real) == (0, 1, False)
        assert "no drop that stands out from chance" in in_words(found.as_json())


@pytest.mark.parametrize("noise", [0.0003, 0.05, 1.0])
def test_numbers_by_the_paired_t_test_of_squared_errors(noise: float) -> None:
    chance = np.random.default_rng(3)
    y = chance.normal(50, 9, 200).astype(np.float32)
    exact = (y + chance.normal(0, 0.5, 200)).astype(np.float32)[:, None]
    outputs = (exact + chance.normal(0, noise, (200, 1))).astype(np.float32)
    found = compare(outputs, exact, y, classes=False)
    squares, exactly = ((each[:, 0].astype(np.float64) - y) ** 2 for each in (outputs, exact))
    expected = stats.ttest_rel(squares, exactly)
    unit = len(y) / ((y - y.mean(dtype=np.float64)) ** 2).sum()
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == (
        pytest.approx(interval.low * unit),
        pytest.approx(interval.high * unit),
    )
    assert found.drop == pytest.approx(squares.mean() * unit - exactly.mean() * unit)
    assert found.real == (noise == 1.0)


def test_a_gain_is_never_called_a_drop() -> None:
    found = of_counts(2, 30, 1000)
    assert found.p < 0.001
    assert not found.real
    assert "p < 0.001" in in_words(found.as_json())
