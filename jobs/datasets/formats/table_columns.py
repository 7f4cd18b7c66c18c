"""A table as read: columns of text and of numbers. Nothing is inferred yet."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.datasets.formats.index import Reader
from jobs.datasets.formats.limits import MAX_COLUMN_NAME_CHARACTERS, PREVIEW_CELL_CHARACTERS, PREVIEW_ROWS
from jobs.datasets.formats.names import clean

MISSING: Final = ["", "na", "n/a", "n.a.", "nan", "null", "#n/a", "<na>", "?"]
"""Texts that say that there is no value, in lower case."""
MISSING_AMONG_NUMBERS: Final = [*MISSING, "none", "-", "--", "\u2013", "\u2014", "."]
"""The same beside numbers; as categories these may mean something."""
NUMBER: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"

Decimal = Literal[".", ","]


@dataclass(frozen=True, slots=True)
class Texts:
    """Each different text of a column once, trimmed, and its number in each row (-1: null)."""

    texts: Any
    """A pyarrow array of strings."""
    codes: NDArray[np.int32]

    def text(self, row: int) -> str:
        """What stands in a row; "" for null."""
        code = int(self.codes[row])
        return "" if code < 0 else str(self.texts[code].as_py())

    def counts(self) -> NDArray[np.int64]:
        """In how many rows each text stands."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    def is_in(self, words: list[str]) -> NDArray[np.bool_]:
        """Which of the texts are one of `words`, whatever their case."""
        return _flags(_is_in(self.texts, words))

    def matches(self, pattern: str) -> NDArray[np.bool_]:
        """Which of the texts match a regular expression (RE2: linear time, ASCII classes)."""
        return _flags(pc.match_substring_regex(self.texts, pattern))

    def numbers(self, decimal: Decimal) -> NDArray[np.float64]:
        """Each text as a number; NaN where it is none, or too large for one."""
        texts = _with_points(self.texts, decimal)
        fits = _flags(pc.match_substring_regex(texts, NUMBER))
        found = np.full(len(texts), np.nan)
        found[fits] = [float(text) for text in texts.filter(pa.array(fits)).to_pylist()]
        found[~np.isfinite(found)] = np.nan
        return found

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """From a value for each text to a value for each row; NaN where the row is null."""
        return np.append(values, np.nan)[self.codes]


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Text as stored: `cells` is a pyarrow chunked array of strings, or of their dictionary encoding."""

    name: str
    cells: Any
    sample: list[str]

    def different(self, first_rows: int | None = None) -> Texts:
        """Each different text once, of all rows or of the first."""
        cells = self.cells if first_rows is None else self.cells.slice(0, first_rows)
        encoded = _encoded(cells)
        trimmed = pc.utf8_trim_whitespace(encoded.dictionary.cast(pa.string())).dictionary_encode()
        inner = np.append(_codes(trimmed.indices), np.int32(-1))
        return Texts(trimmed.dictionary, inner[_codes(encoded.indices)])

    def numbers(self, decimal: Decimal, missing: list[str]) -> NDArray[np.float64] | None:
        """All rows as numbers, NaN where one of `missing` stands; None when anything else stands there.

        The quick way for what `different` and `Texts.numbers` do, since most numbers are all different.
        """
        if not pa.types.is_string(self.cells.type):
            return None
        cells = pc.utf8_trim_whitespace(self.cells)
        kept = pc.if_else(_is_in(cells, missing), pa.scalar(None, pa.string()), cells)
        try:
            values: NDArray[np.float64] = _with_points(kept, decimal).cast(pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            return None
        return values if np.isfinite(values).sum() == len(kept) - kept.null_count else None


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """Numbers as stored; NaN where there is none."""

    name: str
    values: NDArray[np.float64]
    sample: list[str]


@dataclass(frozen=True, slots=True)
class UnusedColumn:
    """A column of a kind that no recipe takes; `reason` says which."""

    name: str
    reason: str
    sample: list[str]


Column = TextColumn | NumberColumn | UnusedColumn


@dataclass(frozen=True, slots=True)
class Table:
    """`places` says where each row stands in the file, 1-based: its line (the header is one) or its row."""

    columns: list[Column]
    places: NDArray[np.int64]
    unit: Literal["line", "row"]
    reader: Reader


def column_names(raw: list[str]) -> list[str]:
    """Names as shown and used: cleaned, none empty, none twice."""
    names: list[str] = []
    taken: set[str] = set()
    for number, text in enumerate(raw, 1):
        base = clean(text, MAX_COLUMN_NAME_CHARACTERS) or f"column {number}"
        name, copy = base, 1
        while name in taken:
            copy += 1
            name = f"{base} ({copy})"
        taken.add(name)
        names.append(name)
    return names


def sample_of(cells: list[Any]) -> list[str]:
    """The first rows' cells as text, for the preview."""
    return [
        "" if cell is None else clean(str(cell), PREVIEW_CELL_CHARACTERS) for cell in cells[:PREVIEW_ROWS]
    ]


def _encoded(cells: Any) -> Any:
    """One dictionary array from a chunked array."""
    encoded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
    if not encoded.num_chunks:
        return pa.array([], pa.dictionary(pa.int32(), pa.string()))
    return encoded.unify_dictionaries().combine_chunks()


def _with_points(texts: Any, decimal: Decimal) -> Any:
    """Numbers with a decimal comma rewritten; what has a comma and a point stays, and is no number."""
    if decimal == ".":
        return texts
    swap = pc.and_not(pc.match_substring(texts, ","), pc.match_substring(texts, "."))
    return pc.if_else(swap, pc.replace_substring(texts, ",", ".", max_replacements=1), texts)


def _is_in(texts: Any, words: list[str]) -> Any:
    return pc.is_in(pc.utf8_lower(texts), value_set=pa.array(words, pa.string()))


def _codes(indices: Any) -> NDArray[np.int32]:
    codes: NDArray[np.int32] = pc.fill_null(indices.cast(pa.int32()), -1).to_numpy(zero_copy_only=False)
    return codes


def _flags(array: Any) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return flags.astype(bool)
