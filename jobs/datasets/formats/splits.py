"""Deterministic splits: ranked by content, so that the same data in another order falls the same way.

Equal samples always stay in one split; within each class none of the three is empty.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final

from jobs.datasets.formats.limits import TEST_FRACTION, VALIDATION_FRACTION

TRAIN: Final = 0
VALIDATION: Final = 1
TEST: Final = 2
CARVED: Final = ((TEST, TEST_FRACTION), (VALIDATION, VALIDATION_FRACTION))

Content = str | int
"""A hash of what a sample holds: equal ones are one sample in several copies."""


def assign(
    classes: Sequence[Hashable], contents: Sequence[Content], given: Sequence[int | None] | None = None
) -> list[int]:
    """The split of each sample, about 80/10/10 in each class.

    Copies share a split, across classes too: where a member put them apart, all go to the later of training,
    validation, test. `given` are splits a member chose; where a class has none given as test or validation,
    that part is carved from its training samples. Nothing is carved from a class that would then lack
    training samples: fewer than three different samples leave a split empty.
    """
    fixed: dict[Content, int] = {}
    for content, split in zip(contents, given or (), strict=False):
        if split is not None:
            fixed[content] = max(split, fixed.get(content, TRAIN))
    chosen = {content: split for content, split in fixed.items() if split != TRAIN}
    for copies in _groups(classes, contents):
        _carve(copies, chosen, {fixed[content] for content in copies if content in fixed})
    return [chosen.get(content, TRAIN) for content in contents]


def _groups(classes: Sequence[Hashable], contents: Sequence[Content]) -> Iterable[Mapping[Content, int]]:
    """For each class, content → number of copies, by rank; classes by their lowest content."""
    groups: dict[Hashable, dict[Content, int]] = defaultdict(lambda: defaultdict(int))
    for content, name in sorted(zip(contents, classes, strict=True)):
        groups[name][content] += 1
    return groups.values()


def _carve(copies: Mapping[Content, int], chosen: dict[Content, int], given: set[int]) -> None:
    """Adds to `chosen` what this class still lacks of the parts that are not `given`."""
    total = sum(copies.values())
    parts = [(split, max(1, round(total * part))) for split, part in CARVED if split not in given]
    for number, (split, wanted) in enumerate(parts):
        already = sum(count for content, count in copies.items() if chosen.get(content) == split)
        free = [content for content in copies if content not in chosen]
        reserve = len(parts) - number  # one sample for training and for each part still to come
        for content in _pick(free, copies, wanted - already, len(free) - reserve, at_least=int(not already)):
            chosen[content] = split


def _pick(
    free: Sequence[Content], copies: Mapping[Content, int], wanted: int, most: int, *, at_least: int
) -> list[Content]:
    """By rank, those of `free` that together have `wanted` copies; at most `most` of them."""
    picked: list[Content] = []
    for content in free:
        if wanted <= 0 or len(picked) >= most:
            break
        if copies[content] <= wanted:
            picked.append(content)
            wanted -= copies[content]
    if len(picked) < at_least <= most:
        return [min(free, key=lambda content: copies[content])]
    return picked
