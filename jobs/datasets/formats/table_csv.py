"""Reading delimited text into columns, in chunks, with every line's length checked."""

from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa

from jobs.datasets.formats import limits
from jobs.datasets.formats.delimited import DELIMITERS, Dialect, records, sniff
from jobs.datasets.formats.names import shown
from jobs.datasets.formats.outcome import Progress
from jobs.datasets.formats.rejected import Rejected
from jobs.datasets.formats.table_columns import Column, Table, TextColumn, column_names, sample_of

CHUNK_CELLS: Final = 200_000

Record = tuple[int, list[str]]


def read_csv(file: IO[bytes], size: int, progress: Progress) -> Table:
    """The table in `file`, of `size` bytes. Raises `Rejected` in a sentence with the 1-based line number."""
    dialect = sniff(file)
    lines = records(file, dialect)
    header = _header(lines)
    check_width(len(header))
    chunks: list[list[Any]] = [[] for _ in header]
    samples: list[list[str]] = [[] for _ in header]
    places: list[int] = []
    for rows in _chunks(lines, len(header)):
        places += [line for line, _ in rows]
        check_rows(len(places), len(header))
        for number, cells in enumerate(zip(*(row for _, row in rows), strict=True)):
            chunks[number].append(pa.array(cells, pa.string()))
            samples[number] = samples[number] or sample_of(list(cells[: limits.PREVIEW_ROWS]))
        progress(min(1.0, file.tell() / size))
    return Table(
        _columns(column_names(header), chunks, samples), np.array(places, np.int64), "line", _reader(dialect)
    )


def _reader(dialect: Dialect) -> Any:
    return {"format": "csv", "delimiter": dialect.delimiter, "decimal": ".", "encoding": dialect.encoding}


def _columns(names: list[str], chunks: list[list[Any]], samples: list[list[str]]) -> list[Column]:
    columns: list[Column] = []
    for number, name in enumerate(names):
        cells, chunks[number] = (
            pa.chunked_array(chunks[number], pa.string()),
            [],
        )  # frees the text column by column
        columns.append(TextColumn(name, cells, samples[number]))
    return columns


def _header(lines: Iterator[Record]) -> list[str]:
    first = next(lines, None)
    if first is None:
        raise Rejected("empty_table", "The file holds no lines. Save the table as CSV again and upload that.")
    line, header = first
    if len(header) == 1:
        known = ", ".join({",": "comma", ";": "semicolon", "\t": "tab", "|": "bar |"}[d] for d in DELIMITERS)
        raise Rejected(
            "one_column",
            f"Line {line} names only one column, {shown(header[0])}. A table needs at least one column "
            f"beside its labels, parted by one of: {known}.",
        )
    if all(_is_number(cell) for cell in header):
        raise Rejected(
            "no_header",
            f"Line {line} holds only numbers. Add a line before it that names each column.",
        )
    return header


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return True


def _chunks(lines: Iterator[Record], width: int) -> Iterator[list[Record]]:
    rows_each = max(1, CHUNK_CELLS // width)
    while rows := list(islice(lines, rows_each)):
        for line, row in rows:
            if len(row) != width:
                raise Rejected(
                    "ragged_line",
                    f"Line {line} has {len(row):,} value{'' if len(row) == 1 else 's'}, but the first line "
                    f"names {width:,} columns. Fill in what is missing, and put values that hold the "
                    "delimiter in quotation marks.",
                )
        yield rows


def check_width(columns: int) -> None:
    if not columns:
        raise Rejected("empty_table", "The table has no columns. Write it again and upload that.")
    if columns > limits.MAX_COLUMNS:
        raise Rejected(
            "too_many_columns",
            f"The table has {columns:,} columns; at most {limits.MAX_COLUMNS:,} are possible.",
        )


def check_rows(rows: int, columns: int) -> None:
    if rows > limits.MAX_ROWS or rows * columns > limits.MAX_CELLS:
        raise Rejected(
            "too_many_rows",
            f"The table is too large: at most {limits.MAX_ROWS:,} rows and {limits.MAX_CELLS:,} values "
            f"({columns:,} columns) are possible. Leave out rows or columns.",
        )
