"""Rows as numbers, their content's hashes, and so their splits."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats import limits
from jobs.datasets.formats.layout import named
from jobs.datasets.formats.names import shown
from jobs.datasets.formats.rejected import Rejected
from jobs.datasets.formats.splits import assign
from jobs.datasets.formats.table_features import Feature
from jobs.datasets.formats.table_labels import Labels

HASHED_CELLS: Final = 4_000_000
HASH_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Rows:
    """`x` float64 [rows, features]; `y` float64 [rows], a class or a quantity; `splits` int8 [rows]."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    splits: NDArray[np.int8]


def split_rows(features: Sequence[Feature], labels: Labels, keep: NDArray[np.bool_]) -> Rows:
    """The rows in `keep`, with their splits. Raises `Rejected` when they cannot fill three splits.

    Equal rows share a split, but for classes of fewer than three different rows: of these, all copies count as
    different, since no split may be empty.
    """
    x = np.empty((int(keep.sum()), len(features)))
    for number, feature in enumerate(features):
        x[:, number] = feature.values[keep]
    y = labels.values[keep]
    contents = _contents(x, y, features, labels.names)
    groups = np.zeros(len(y), np.int64) if labels.names is None else y.astype(np.int64)
    if labels.names is None:
        _check_enough(len(y))
    else:
        _check_classes(groups, labels.names)
    for group in np.unique(groups):
        contents[groups == group] = _told_apart(contents[groups == group])
    return Rows(x, y, assign(groups, contents))


def _contents(
    x: NDArray[np.float64], y: NDArray[np.float64], features: Sequence[Feature], names: Sequence[str] | None
) -> NDArray[np.uint64]:
    """A 64-bit hash of each row's values, categories and labels taken by their text and not by their number.

    So a row keeps its hash when a later version of the table has more categories.
    """
    tables = [_hashes(feature.categories) for feature in features] + [_hashes(names)]
    step = max(1, HASHED_CELLS // len(tables))
    found = []
    for start in range(0, len(x), step):
        block = np.column_stack([x[start : start + step], y[start : start + step]])
        words = np.column_stack([_words(block[:, n], table) for n, table in enumerate(tables)])
        found += [
            hashlib.blake2b(row, digest_size=HASH_BYTES).digest() for row in np.ascontiguousarray(words)
        ]
    return np.frombuffer(b"".join(found), ">u8").astype(np.uint64)


def _hashes(texts: Sequence[str] | None) -> NDArray[np.uint64] | None:
    """For each text a hash, and 0 in the last place, where code -1 finds it."""
    if texts is None:
        return None
    digests = [hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest() for text in texts]
    return np.frombuffer(b"".join(digests) + bytes(HASH_BYTES), "<u8").astype(np.uint64)


def _words(values: NDArray[np.float64], table: NDArray[np.uint64] | None) -> NDArray[np.uint64]:
    if table is not None:
        return table[values.astype(np.int64)]
    canonical = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, and no minus zero
    return canonical.view(np.uint64)


def _told_apart(contents: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The same where three are different; else hashes of content and number of copy."""
    different, ranks, counts = np.unique(contents, return_inverse=True, return_counts=True)
    if len(different) >= limits.MIN_DIFFERENT_PER_CLASS:
        return contents
    copies = np.empty(len(contents), np.uint64)
    for rank, count in enumerate(counts):
        copies[ranks == rank] = np.arange(count)
    digests = [
        hashlib.blake2b(pair, digest_size=HASH_BYTES).digest() for pair in np.column_stack([contents, copies])
    ]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def _check_enough(rows: int) -> None:
    if rows < limits.MIN_REGRESSION_ROWS:
        raise Rejected(
            "too_few_samples",
            f"The table has {rows:,} usable row{'' if rows == 1 else 's'} and needs at least "
            f"{limits.MIN_REGRESSION_ROWS}. Add rows.",
        )


def _check_classes(groups: NDArray[np.int64], names: Sequence[str]) -> None:
    counts = np.bincount(groups, minlength=len(names))
    small = [number for number, count in enumerate(counts) if count < limits.MIN_DIFFERENT_PER_CLASS]
    if not small:
        return
    count = int(counts[small[0]])
    others = f" The same goes for {named(names[number] for number in small[1:])}." if small[1:] else ""
    raise Rejected(
        "too_few_samples",
        f"The class {shown(names[small[0]])} has {count} row{'' if count == 1 else 's'} and needs "
        f"{limits.MIN_DIFFERENT_PER_CLASS}: one each for training, validation and test. "
        f"Add some, or remove the class.{others}",
    )
