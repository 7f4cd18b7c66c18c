"""How good predictions are: numpy only, so that a trained model and an exported file are measured alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_MISTAKES = 24
SMALLEST_PROBABILITY = 1e-7


def classification(
    probabilities: NDArray[np.floating[Any]], y: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, Any]:
    """accuracy, macro_f1, per_class rows and confusion_matrix[true][predicted] for [n, classes] probabilities.

    macro_f1 is the mean over the classes that occur in `y` or were predicted; an empty class counts in neither.
    """
    classes = len(labels)
    predicted = probabilities.argmax(axis=1)
    matrix = np.bincount(y * classes + predicted, minlength=classes**2).reshape(classes, classes)
    right, support, guesses = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    f1 = _share(2 * right, support + guesses)
    seen = support + guesses > 0
    rows = zip(labels, _share(right, guesses), _share(right, support), f1, support, strict=True)
    return {
        "accuracy": float(right.sum() / max(len(y), 1)),
        "macro_f1": float(f1[seen].mean()) if seen.any() else 0.0,
        "per_class": [
            {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for label, p, r, f, n in rows
        ],
        "confusion_matrix": matrix.tolist(),
    }


def regression(predicted: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> dict[str, float]:
    """mae, rmse in the target's unit, and r2 (0 for a constant target, which nothing can explain)."""
    error = predicted.astype(np.float64).reshape(-1) - y
    spread = float(((y - y.mean(dtype=np.float64)) ** 2).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1 - float((error**2).sum()) / spread if spread else 0.0,
    }


def cross_entropy(probabilities: NDArray[np.floating[Any]], y: NDArray[np.int64]) -> float:
    """Mean negative log-likelihood; NaN probabilities give NaN."""
    chosen = probabilities[np.arange(len(y)), y].astype(np.float64)
    return float(-np.log(np.maximum(chosen, SMALLEST_PROBABILITY)).mean())


def mistakes(
    probabilities: NDArray[np.floating[Any]],
    y: NDArray[np.int64],
    labels: Sequence[str],
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """The wrong answers that the model was surest of, surest first."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != y)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_MISTAKES]
    return [
        {
            "name": names[place],
            "label": labels[y[place]],
            "predicted": labels[predicted[place]],
            "confidence": float(confidence[place]),
        }
        for place in worst
    ]


def misses(
    predicted: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """The samples whose predicted number was furthest off, worst first."""
    values = predicted.reshape(-1)
    worst = np.argsort(-np.abs(values - y), kind="stable")[:MOST_MISTAKES]
    return [
        {"name": names[place], "value": float(y[place]), "predicted": float(values[place])} for place in worst
    ]


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
