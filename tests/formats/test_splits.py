"""Splits are the same whatever the order, keep copies together and leave none empty."""

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.datasets.formats.splits import TEST, TRAIN, VALIDATION, assign

SAMPLES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=120)


def test_about_eighty_ten_ten_in_each_class() -> None:
    classes = [0] * 1000 + [1] * 100
    splits = assign(classes, [f"{n:04x}" for n in range(1100)])
    assert Counter(splits[:1000].tolist()) == {TRAIN: 800, VALIDATION: 100, TEST: 100}
    assert Counter(splits[1000:].tolist()) == {TRAIN: 80, VALIDATION: 10, TEST: 10}


def test_three_samples_go_one_to_each() -> None:
    assert sorted(assign([0, 0, 0], ["a", "b", "c"]).tolist()) == [TRAIN, VALIDATION, TEST]


def test_one_and_two_samples_stay_mostly_in_training() -> None:
    assert assign([0], ["a"]).tolist() == [TRAIN]
    assert TRAIN in assign([0, 0], ["a", "b"]).tolist()


def test_a_crowd_of_copies_does_not_fill_the_test_split() -> None:
    contents = ["a"] * 90 + [f"b{n}" for n in range(10)]
    counts = Counter(assign([0] * 100, contents).tolist())
    assert counts[TRAIN] >= 90
    assert counts[TEST] >= 1
    assert counts[VALIDATION] >= 1


@settings(max_examples=150, deadline=None)
@given(SAMPLES, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_copies_stay_together(
    samples: list[tuple[int, int]], random: object
) -> None:
    splits = dict(zip(samples, assign(*columns(samples)).tolist(), strict=True))
    shuffled = list(samples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert dict(zip(shuffled, assign(*columns(shuffled)).tolist(), strict=True)) == splits
    of_content = defaultdict(set)
    for (_, content), split in splits.items():
        of_content[content].add(split)
    assert all(len(found) == 1 for found in of_content.values())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=120))
def test_a_class_of_three_different_samples_has_them_in_every_split(contents: list[int]) -> None:
    splits = assign([0] * len(contents), np.array(contents, np.int64))
    assert (set(splits.tolist()) == {TRAIN, VALIDATION, TEST}) == (len(set(contents)) >= 3)


@settings(max_examples=100, deadline=None)
@given(SAMPLES, st.data())
def test_what_a_member_gave_stays(samples: list[tuple[int, int]], data: st.DataObject) -> None:
    options = st.sampled_from([None, TRAIN, VALIDATION, TEST])
    given_splits = data.draw(st.lists(options, min_size=len(samples), max_size=len(samples)))
    highest: dict[int, int] = defaultdict(int)
    for (_, content), split in zip(samples, given_splits, strict=True):
        highest[content] = max(highest[content], split or TRAIN)
    found = assign(*columns(samples), given_splits).tolist()
    for (_, content), split in zip(samples, found, strict=True):
        assert highest[content] in (TRAIN, split)


def columns(samples: list[tuple[int, int]]) -> tuple[list[int], list[str]]:
    return [label for label, _ in samples], [f"{content:04x}" for _, content in samples]
