"""What a column is good for: a number, a category, or nothing that a model could use."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats.limits import MAX_CATEGORIES, MAX_CATEGORY_CHARACTERS
from jobs.datasets.formats.names import clean, shown
from jobs.datasets.formats.table_columns import (
    MISSING,
    MISSING_AMONG_NUMBERS,
    Column,
    Decimal,
    NumberColumn,
    TextColumn,
    Texts,
    UnusedColumn,
)

MOSTLY: Final = 0.95
"""So many of a column's values must be numbers (or dates) for it to be one of numbers (or dates)."""
FEW: Final = 10
"""Up to so many different texts are categories in however small a table."""
ID_PART: Final = 0.5
"""With more different texts per row than this, a column tells rows apart rather than describes them."""
ID_NAME: Final = re.compile(
    r"(^|[\s_.-])(id|uuid|guid|index|idx|rowid|row|nr|no|number)$|^unnamed|^column 1$", re.IGNORECASE
)
DATE: Final = (
    r"^([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}([T ].*)?"
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}([ ,].*)?"
    r"|[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)$"
)
VOTING_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Feature:
    """A column for training, a value a row: numbers (NaN missing) or codes of `categories` (-1 missing)."""

    name: str
    values: NDArray[np.float64]
    categories: list[str] | None
    missing: int
    different: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    name: str
    reason: str
    missing: int
    different: int = 0


def decimal_mark(columns: Sequence[Column]) -> Decimal:
    """A comma when more columns are numbers only with a decimal comma than only with a point."""
    votes = 0
    for column in columns:
        if isinstance(column, TextColumn):
            texts = column.different(VOTING_ROWS)
            counts = texts.counts() * ~texts.is_in(MISSING_AMONG_NUMBERS)
            point, comma = (counts[~np.isnan(texts.numbers(mark))].sum() for mark in (".", ","))
            mostly = MOSTLY * counts.sum()
            votes += int(comma >= mostly > point) - int(point >= mostly > comma)
    return "," if votes > 0 else "."


def infer(column: Column, decimal: Decimal, rows: int) -> Feature | Ignored:
    """What `column`, of so many rows, is by its values."""
    if isinstance(column, UnusedColumn):
        return Ignored(column.name, column.reason, 0)
    if isinstance(column, NumberColumn):
        return _number(column.name, np.where(np.isfinite(column.values), column.values, np.nan), "")
    numbers = column.numbers(decimal, MISSING_AMONG_NUMBERS)
    if numbers is not None:
        return _number(column.name, numbers, "")
    return _text(column.name, column.different(), decimal, rows)


def _text(name: str, texts: Texts, decimal: Decimal, rows: int) -> Feature | Ignored:
    """Numbers that are told only by taking `odd` ones for missing, or categories."""
    counts = texts.counts()
    numbers = texts.numbers(decimal)
    is_number = ~np.isnan(numbers)
    real = counts * ~texts.is_in(MISSING_AMONG_NUMBERS)
    odd = real * ~is_number
    if odd.sum() > (1 - MOSTLY) * real.sum() or (odd.any() and is_number.sum() <= FEW):
        return _category(name, texts, counts * ~texts.is_in(MISSING), rows)
    note = ""
    if odd.any():
        example = shown(texts.texts[int(np.argmax(odd > 0))].as_py())
        note = f"{int(odd.sum()):,} values are no numbers, such as {example}, and count as missing"
    return _number(name, texts.spread(numbers), note)


def _number(name: str, values: NDArray[np.float64], note: str) -> Feature | Ignored:
    present = values[~np.isnan(values)]
    missing = len(values) - len(present)
    different = len(np.unique(present))
    if different == 0:
        return Ignored(name, "it holds no values", missing)
    if different == 1:
        return Ignored(name, "it holds the same value in every row", missing, 1)
    if not missing and different == len(values) > FEW and _counts_rows(name, values):
        return Ignored(name, "it numbers the rows and says nothing about them", 0, different)
    return Feature(name, values, None, missing, different, note)


def _counts_rows(name: str, values: NDArray[np.float64]) -> bool:
    """A running number, or whole numbers that are all different and called an id."""
    if not np.array_equal(values, np.floor(values)):
        return False
    running = values[0] in (0.0, 1.0) and bool(np.all(np.diff(values) == 1.0))
    return running or ID_NAME.search(name) is not None


def _category(name: str, texts: Texts, counts: NDArray[np.int64], rows: int) -> Feature | Ignored:
    used = np.flatnonzero(counts)
    present = int(counts.sum())
    reason = _why_no_category(texts, counts, present)
    if reason:
        return Ignored(name, reason, rows - present, len(used))
    cleaned = [clean(texts.texts[int(number)].as_py(), MAX_CATEGORY_CHARACTERS) for number in used]
    categories = sorted(set(cleaned))
    codes = np.full(len(counts), -1.0)
    codes[used] = [categories.index(text) for text in cleaned]
    values = texts.spread(codes)
    return Feature(
        name, np.where(np.isnan(values), -1.0, values), categories, rows - present, len(categories)
    )


def _why_no_category(texts: Texts, counts: NDArray[np.int64], present: int) -> str:
    different = int((counts > 0).sum())
    if not present:
        return "it holds no values"
    if different == 1:
        return "it holds the same value in every row"
    if (counts * texts.matches(DATE)).sum() >= MOSTLY * present:
        return "it holds dates or times: add what matters, such as the month, as a number"
    if different > max(FEW, ID_PART * present):
        return "it holds a different text in almost every row, such as a name or an id"
    if different > MAX_CATEGORIES:
        return f"it holds {different:,} different texts, at most {MAX_CATEGORIES} categories are possible"
    return ""
