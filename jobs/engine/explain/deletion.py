"""The deletion test: whether a map names what an answer stands on, measured by taking it away.

Petsiuk, Das and Saenko 2018, "RISE" (arXiv:1806.07421), section 4.1: pixels are replaced in the order that a map gives,
most important first, and the answer's probability is watched. A map that points at what the network uses makes it fall
sooner than a random order does. Here what the answer loses is averaged, so that more is better.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine.explain.gradients import Floats

PARTS = 20
Picture = NDArray[Any]
Predict = Callable[[NDArray[Any]], Floats]


def pieces(x: Picture, baseline: Picture, order: NDArray[np.int64], parts: int = PARTS) -> Iterator[Picture]:
    """`x` [height, width, channels] with 0, 1/parts, … all of its pixels replaced by the baseline's, in `order`."""
    pixels, blank = x.reshape(-1, x.shape[-1]), baseline.reshape(-1, x.shape[-1])
    for part in range(parts + 1):
        gone = order[: round(len(order) * part / parts)]
        left = pixels.copy()
        left[gone] = blank[gone]
        yield left.reshape(x.shape)


def score(probabilities: NDArray[np.floating[Any]]) -> float:
    """The part of its probability that an answer lacks, averaged over a deletion from no pixel to all (trapezoids).

    `probabilities` are the answer's after each step, the first with nothing deleted. 1: all is lost at the first
    pixels. 0: nothing ever is. Below 0: the answer grew surer.
    """
    lacking = 1 - probabilities.astype(np.float64) / max(float(probabilities[0]), 1e-12)
    return float(((lacking[1:] + lacking[:-1]) / 2).mean())


def scores(
    predict: Predict, x: Picture, baseline: Picture, answer: int, orders: list[NDArray[np.int64]]
) -> list[float]:
    """The score of each order in which the pixels of one picture may be deleted."""
    inputs = np.stack([piece for order in orders for piece in pieces(x, baseline, order)])
    answers = predict(inputs)[:, answer].reshape(len(orders), -1)
    return [score(row) for row in answers]
