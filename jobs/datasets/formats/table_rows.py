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
    """The rows in `keep`, with their splits. Raises `Rejected` when they cannot fill three splits."""
    x = np.empty((int(keep.sum()), len(features)))
    for number, feature in enumerate(features):
        x[:, number] = feature.values[keep]
    y = labels.values[keep]
    contents = _contents(x, y, features, labels.names)
    if labels.names is None:
        _check_enough(contents)
        groups = np.zeros(len(y), np.int64)
    else:
        _check_classes(y, contents, labels.names)
        groups = y.astype(np.int64)
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


def _check_enough(contents: NDArray[np.uint64]) -> None:
    different = len(np.unique(contents))
    if len(contents) < limits.MIN_REGRESSION_ROWS or different < limits.MIN_DIFFERENT_PER_CLASS:
        raise Rejected(
            "too_few_samples",
            f"The table has {len(contents):,} usable rows, {different:,} of them different; at least "
            f"{limits.MIN_REGRESSION_ROWS} are needed. Add rows.",
        )


def _check_classes(y: NDArray[np.float64], contents: NDArray[np.uint64], names: Sequence[str]) -> None:
    different = [len(np.unique(contents[y == number])) for number in range(len(names))]
    small = [number for number, count in enumerate(different) if count < limits.MIN_DIFFERENT_PER_CLASS]
    if not small:
        return
    count = different[small[0]]
    others = f" The same goes for {named(names[number] for number in small[1:])}." if small[1:] else ""
    raise Rejected(
        "too_few_samples",
        f"The class {shown(names[small[0]])} has {count} different row{'' if count == 1 else 's'} and needs "
        f"{limits.MIN_DIFFERENT_PER_CLASS}: one each for training, validation and test. "
        f"Add some, or remove the class.{others}",
    )
