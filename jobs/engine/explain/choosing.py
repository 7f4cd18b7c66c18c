"""Which samples of the test split are worth a look."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine.explain.gradients import Floats

WORST_OF_A_CLASS = 3
MOST_CLASSES = 100
LONGEST_NAME = 200


def by_class(places: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same places dealt out class by class: the first of every class, then the second of every class, and so on;
    within a round in the given order.
    """
    taken: dict[int, int] = {}
    rounds = []
    for label in y[places].tolist():
        taken[label] = taken.get(label, -1) + 1
        rounds.append(taken[label])
    dealt: NDArray[np.int64] = places[np.argsort(rounds, kind="stable")]
    return dealt


def wrong(output: Floats, y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the wrong answers, surest first."""
    missed = np.flatnonzero(output.argmax(axis=1) != y)
    return missed[np.argsort(-output[missed].max(axis=1), kind="stable")]


def right(output: Floats, y: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Places of the right answers, by chance: neither the surest nor the least sure."""
    hit = np.flatnonzero(output.argmax(axis=1) == y)
    return np.random.default_rng(seed).permutation(hit)


def confident_mistakes(
    output: Floats, y: NDArray[np.int64], labels: Sequence[str], names: Sequence[str]
) -> dict[str, Any]:
    """For each class (those with most mistakes first, 100 at most) the three wrong answers that the model was surest
    of; `mistakes` and `samples` count all of the class in the test split. Classes without a mistake are not listed.
    """
    missed = wrong(output, y)
    samples, counts = (np.bincount(part, minlength=len(labels)) for part in (y, y[missed]))
    order = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label]]
    return {
        "kind": "confident-mistakes",
        "classes": [
            {
                "label": labels[label],
                "mistakes": int(counts[label]),
                "samples": int(samples[label]),
                "worst": [
                    answer_of(output, int(place), labels, names)
                    for place in missed[y[missed] == label][:WORST_OF_A_CLASS]
                ],
            }
            for label in order[:MOST_CLASSES]
        ],
        "classes_left_out": max(0, len(order) - MOST_CLASSES),
    }


def answer_of(output: Floats, place: int, labels: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """What was answered to one sample, and how surely."""
    said = int(output[place].argmax())
    return {
        "name": names[place][-LONGEST_NAME:],
        "predicted": labels[said],
        "confidence": float(output[place, said]),
    }
