"""The label column: classes or quantities to be learnt."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.datasets.formats import limits
from jobs.datasets.formats.layout import label_text, named
from jobs.datasets.formats.names import clean, shown
from jobs.datasets.formats.rejected import Rejected
from jobs.datasets.formats.table_columns import (
    MISSING,
    Column,
    Decimal,
    NumberColumn,
    Table,
    TextColumn,
    Texts,
    UnusedColumn,
)

FEW: Final = 20
"""Up to so many different labels are classes, whatever the number of rows."""
CLASS_PART: Final = 1 / 3
"""With more different labels per row than this, they are no classes."""
LISTED_COLUMNS: Final = 10
EXACT_INTEGERS: Final = 2.0**53
"""Beyond this, not every whole number is a float64."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A value a row: a class's number (-1 missing) with `names`, or a quantity (NaN missing) without."""

    values: NDArray[np.float64]
    names: list[str] | None

    def present(self) -> NDArray[np.bool_]:
        """In which rows there is a label."""
        return ~np.isnan(self.values) if self.names is None else self.values >= 0


def choose(table: Table, asked: str | None) -> int:
    """The label column's position: the one asked for, else the last. Raises `Rejected` when there is none."""
    names = [column.name for column in table.columns]
    if asked is None:
        return len(names) - 1
    wanted = clean(asked, limits.MAX_COLUMN_NAME_CHARACTERS)
    if wanted in names:
        return names.index(wanted)
    folded = [name.casefold() for name in names]
    if wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    raise Rejected(
        "no_label_column",
        f"There is no column {shown(asked)} to take the labels from. "
        f"The columns are {named(names, LISTED_COLUMNS)}.",
    )


def classes(column: Column, rows: int) -> Labels:
    """Labels of a classification. Raises `Rejected` when the column holds no classes."""
    texts = _texts(column)
    used = np.flatnonzero(texts.counts() * ~texts.is_in(MISSING))
    if len(used) > FEW and len(used) > min(limits.MAX_CLASSES, CLASS_PART * rows):
        raise _too_many(column.name, texts, used, rows)
    cleaned = _canonical([label_text(texts.texts[int(number)].as_py()) for number in used])
    names = sorted(set(cleaned))
    if len(names) < limits.MIN_CLASSES:
        raise _too_few(column.name, names)
    codes = np.full(len(texts.texts), -1.0)
    codes[used] = [names.index(text) for text in cleaned]
    values = texts.spread(codes)
    return Labels(np.where(np.isnan(values), -1.0, values), names)


def _texts(column: Column) -> Texts:
    if isinstance(column, TextColumn):
        return column.different()
    if isinstance(column, UnusedColumn):
        raise _unused(column)
    numbers, codes = np.unique(column.values, return_inverse=True)
    texts = ["" if np.isnan(number) else f"{number:.15g}" for number in numbers]
    return Texts(pa.array(texts, pa.string()), codes.astype(np.int32))


def _canonical(texts: list[str]) -> list[str]:
    """Labels, of which "1.0" and "1" are one where all are whole numbers."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return texts
    if all(number.is_integer() and abs(number) < EXACT_INTEGERS for number in numbers):
        return [str(int(number)) for number in numbers]
    return texts


def quantities(column: Column, table: Table, decimal: Decimal) -> Labels:
    """Labels of a regression. Raises `Rejected`, with the line's number, when one is no number."""
    if isinstance(column, UnusedColumn):
        raise _unused(column)
    if isinstance(column, NumberColumn):
        values, wrong = column.values, np.isinf(column.values)
    else:
        values, wrong = _numbers(column, decimal)
    if wrong.any():
        raise _no_number(column, table, int(np.argmax(wrong)))
    present = values[~np.isnan(values)]
    if not len(present) or present.min() == present.max():
        raise Rejected(
            "constant_label",
            f"The label column {shown(column.name)} holds no two different numbers, so there is nothing "
            "to learn. Choose another label column.",
        )
    return Labels(values, None)


def _numbers(column: TextColumn, decimal: Decimal) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The numbers, and in which rows something else stands."""
    quick = column.numbers(decimal, MISSING)
    if quick is not None:
        return quick, np.zeros(len(quick), np.bool_)
    texts = column.different()
    numbers = texts.numbers(decimal)
    wrong = np.isnan(numbers) & ~texts.is_in(MISSING)
    return texts.spread(numbers), np.append(wrong, np.False_)[texts.codes]


def _too_few(column: str, names: list[str]) -> Rejected:
    found = f"only one label, {shown(names[0])}" if names else "no labels"
    return Rejected(
        "too_few_classes",
        f"The label column {shown(column)} holds {found}; a classifier needs at least {limits.MIN_CLASSES} "
        "classes to tell apart. Choose another label column, or add rows of other classes.",
    )


def _too_many(column: str, texts: Texts, used: NDArray[np.int64], rows: int) -> Rejected:
    quantity = not np.isnan(texts.numbers(".")[used]).any()
    advice = "If it is a quantity, choose the task table-regression; else choose" if quantity else "Choose"
    return Rejected(
        "too_many_classes",
        f"The label column {shown(column)} holds {len(used):,} different labels in {rows:,} rows, "
        f"too many for classes. {advice} another label column.",
    )


def _no_number(column: TextColumn | NumberColumn, table: Table, row: int) -> Rejected:
    text = str(column.values[row]) if isinstance(column, NumberColumn) else column.different().text(row)
    return Rejected(
        "label_not_a_number",
        f"{table.unit.capitalize()} {table.places[row]}: the label {shown(text)} in column "
        f"{shown(column.name)} is no number. Correct it, leave it empty (the row is then skipped), "
        "or choose the task table-classification.",
    )


def _unused(column: UnusedColumn) -> Rejected:
    return Rejected(
        "bad_label_column",
        f"The column {shown(column.name)} cannot hold the labels: {column.reason}. Choose another column.",
    )
