"""Deterministic splits: ranked by content, so that the same data in another order falls the same way.

Equal samples always stay in one split; within each class none of the three is empty.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats.limits import TEST_FRACTION, VALIDATION_FRACTION

TRAIN: Final = 0
VALIDATION: Final = 1
TEST: Final = 2
CARVED: Final = ((TEST, TEST_FRACTION), (VALIDATION, VALIDATION_FRACTION))

Numbers = NDArray[np.int64]


def assign(
    classes: Sequence[int] | Numbers,
    contents: Sequence[str] | NDArray[Any],
    given: Sequence[int | None] | None = None,
) -> NDArray[np.int8]:
    """The split of each sample, about 80/10/10 in each class.

    `contents` are hashes of what a sample holds, of any type that sorts: equal ones are copies of a sample
    and share a split, across classes too; where a member put them apart, all go to the later of training,
    validation, test. `given` are splits a member chose; where a class has none given as test or validation,
    that part is carved from its training samples. Nothing is carved from a class that would then lack
    training samples: fewer than three different samples leave a split empty.
    """
    different, ranks = np.unique(np.asarray(contents), return_inverse=True)
    fixed = np.full(len(different), -1, np.int64)
    if given is not None:
        np.maximum.at(fixed, ranks, [-1 if split is None else split for split in given])
    chosen = np.maximum(fixed, TRAIN)
    for own, copies in _groups(np.asarray(classes, np.int64), ranks):
        _carve(own, copies, chosen, set(fixed[own].tolist()))
    return chosen[ranks].astype(np.int8)


def _groups(classes: Numbers, ranks: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """For each class the ranks of its different samples, ascending, and their copies; classes by rank."""
    order = np.argsort(classes, kind="stable")
    ends = np.flatnonzero(np.diff(classes[order])) + 1
    groups = [np.unique(part, return_counts=True) for part in np.split(ranks[order], ends) if len(part)]
    return iter(sorted(groups, key=lambda group: group[0].tolist()[:1]))


def _carve(own: Numbers, copies: Numbers, chosen: Numbers, given: set[int]) -> None:
    """Writes into `chosen` what this class still lacks of the parts that are not `given`."""
    total = int(copies.sum())
    parts = [(split, max(1, round(total * part))) for split, part in CARVED if split not in given]
    for number, (split, wanted) in enumerate(parts):
        already = int(copies[chosen[own] == split].sum())
        free = np.flatnonzero(chosen[own] == TRAIN)
        reserved = len(parts) - number  # a sample for training and for each part still to come
        most = len(free) - reserved
        picked = _pick(copies[free].tolist(), wanted - already, most)
        if not picked and not already and most > 0:
            picked = [int(np.argmin(copies[free]))]
        chosen[own[free[picked]]] = split


def _pick(copies: list[int], wanted: int, most: int) -> list[int]:
    """The first places that together have `wanted` copies; at most `most` of them."""
    picked: list[int] = []
    for place, count in enumerate(copies):
        if wanted <= 0 or len(picked) >= most:
            break
        if count <= wanted:
            picked.append(place)
            wanted -= count
    return picked
