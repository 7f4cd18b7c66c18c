"""Maps of what speaks for an answer, for pictures answered rightly and wrongly, and the test of these maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from jobs.engine.explain import choosing, deletion, drawing
from jobs.engine.explain.gradients import Floats
from jobs.engine.explain.integrated import IntegratedGradients
from jobs.engine.explain.watch import Watch

OF_EACH = 12
RANDOM_ORDERS = 3
# Radius of the blur, as a part of the shorter side.
BLUR = 1 / 6
# How many standard errors the maps must be ahead of chance by.
SURE = 2.0
Pictures = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """The pictures to choose from [n, height, width, channels], the network's answers [n, classes] and the truth."""

    x: Pictures
    output: Floats
    y: NDArray[np.int64]
    labels: Sequence[str]
    names: Sequence[str]


def attribution_maps(
    attribute: IntegratedGradients, predict: deletion.Predict, shown: Shown, *, seed: int, watch: Watch
) -> dict[str, Any]:
    """Up to 12 wrong answers, the surest of every class first, and 12 right ones by chance, each with its map.

    Attributions are those of the given answer's probability, against the same picture blurred (as Fong and Vedaldi
    2017, arXiv:1704.03296, blur to delete). Of five baselines this one's maps were the furthest ahead of a random
    order: deletion scores of 0.83 against 0.46 on the digits, 0.81 against 0.38 on CIFAR-10 (48 test pictures each).
    """
    wrong = choosing.by_class(choosing.wrong(shown.output, shown.y), shown.y)[:OF_EACH]
    right = choosing.by_class(choosing.right(shown.output, shown.y, seed), shown.y)[:OF_EACH]
    places = [int(place) for place in _in_turn(wrong, right)]
    chance = np.random.default_rng(seed)
    found: list[_Explained] = []
    for done, place in enumerate(places):
        watch.tick(done / len(places))
        if watch.over:
            break
        found.append(_explained(attribute, predict, shown, place, chance))
    return {
        "kind": "attribution-maps",
        "method": "integrated gradients",
        "deletion": _tested(found),
        "examples": [one.example for one in found],
        "examples_left_out": len(places) - len(found),
    }


def blurred(picture: Pictures) -> Pictures:
    """The same picture without its details: [height, width, channels]."""
    radius = max(1.0, min(picture.shape[:2]) * BLUR)
    planes = [
        np.asarray(Image.fromarray(picture[..., place]).filter(ImageFilter.GaussianBlur(radius)))
        for place in range(picture.shape[-1])
    ]
    return np.stack(planes, axis=-1)


@dataclass(frozen=True)
class _Explained:
    example: dict[str, Any]
    by_map: float
    by_chance: float


def _in_turn(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """One of each in turn: when time is up, some of both have been seen."""
    both = np.concatenate([first, second])
    turns = np.concatenate([2 * np.arange(len(first)), 2 * np.arange(len(second)) + 1])
    dealt: NDArray[np.int64] = both[np.argsort(turns, kind="stable")]
    return dealt


def _explained(
    attribute: IntegratedGradients,
    predict: deletion.Predict,
    shown: Shown,
    place: int,
    chance: np.random.Generator,
) -> _Explained:
    picture = np.asarray(shown.x[place])
    baseline, answer = blurred(picture), int(shown.output[place].argmax())
    map_ = attribute(picture.astype(np.float32), baseline.astype(np.float32), answer).sum(axis=-1)
    orders = [np.argsort(-map_.reshape(-1), kind="stable")]
    orders += [chance.permutation(map_.size) for _ in range(RANDOM_ORDERS)]
    by_map, *by_chance = deletion.scores(predict, picture, baseline, answer, orders)
    example = {
        **choosing.answer_of(shown.output, place, shown.labels, shown.names),
        "label": shown.labels[shown.y[place]],
        "right": bool(shown.y[place] == answer),
        "picture": drawing.side_by_side(picture, map_),
    }
    return _Explained(example, by_map, float(np.mean(by_chance)))


def _tested(found: Sequence[_Explained]) -> dict[str, Any] | None:
    """The mean scores over the pictures shown; `convincing` when the maps are ahead by two standard errors."""
    if not found:
        return None
    ahead = np.array([one.by_map - one.by_chance for one in found])
    error = float(ahead.std(ddof=1) / np.sqrt(len(ahead))) if len(ahead) > 1 else float("inf")
    return {
        "score": float(np.mean([one.by_map for one in found])),
        "random": float(np.mean([one.by_chance for one in found])),
        "pictures": len(found),
        "convincing": bool(ahead.mean() > SURE * error),
    }
