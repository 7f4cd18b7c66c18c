"""Reading Parquet into columns. The footer is a stranger's claim, checked before memory is spent on it.

Some footers abort Arrow where it should raise (its Python side lets C++ exceptions through), so a child process reads
the file first.
"""

import contextlib
import faulthandler
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.datasets.formats import limits
from jobs.datasets.formats.outcome import Progress
from jobs.datasets.formats.rejected import Rejected
from jobs.datasets.formats.table_columns import (
    Column,
    NumberColumn,
    Table,
    TextColumn,
    UnusedColumn,
    column_names,
    sample_of,
)
from jobs.datasets.formats.table_csv import check_rows, check_width

BATCH_CELLS: Final = 1_000_000
MAX_CHUNKS: Final = 200_000
"""Row groups times columns."""
MAX_THRIFT_BYTES: Final = 16 * limits.MIB
MAX_THRIFT_ITEMS: Final = 1_000_000
ERRORS: Final = (
    pa.ArrowException,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
)


def read_parquet(path: Path, progress: Progress) -> Table:
    """The table at `path`. Raises `Rejected`, also for a footer that does not tell the truth."""
    if _crashes(path):
        raise _damaged()
    try:
        return _read(path, progress)
    except ERRORS as error:
        raise _damaged() from error


def _crashes(path: Path) -> bool:
    """Whether reading the file kills the process that does it."""
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        faulthandler.disable()  # its death is the answer, and no news
        with contextlib.suppress(BaseException):
            _read(path, lambda _part: None)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _read(path: Path, progress: Progress) -> Table:
    with _open(path) as file:
        schema = file.schema_arrow
        check_width(len(schema))
        _check_footer(file.metadata, len(schema), path.stat().st_size)
    texts = [field.name for field in schema if _is_text(field.type)]
    wanted = [field.name for field in schema if _is_text(field.type) or _is_plain(field.type)]
    if len(set(schema.names)) < len(schema):
        raise Rejected(
            "duplicate_column", "Two columns have the same name. Rename one and upload the table again."
        )
    with _open(path, read_dictionary=texts) as file:
        table = _batches(file, wanted, progress)
    columns = [
        _column(name, field, table) for name, field in zip(column_names(schema.names), schema, strict=True)
    ]
    rows = file.metadata.num_rows
    reader: Any = {"format": "parquet", "delimiter": None, "decimal": None, "encoding": None}
    return Table(columns, np.arange(1, rows + 1, dtype=np.int64), "row", reader)


def _open(path: Path, **options: Any) -> Any:
    return pq.ParquetFile(
        path,
        thrift_string_size_limit=MAX_THRIFT_BYTES,
        thrift_container_size_limit=MAX_THRIFT_ITEMS,
        **options,
    )


def _check_footer(footer: Any, width: int, size: int) -> None:
    check_rows(max(0, footer.num_rows), width)
    if footer.num_row_groups * footer.num_columns > MAX_CHUNKS:
        raise Rejected(
            "too_many_columns", "The Parquet file has too many parts. Write it again with fewer row groups."
        )
    rows = 0
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        rows += group.num_rows
        if group.num_rows < 0 or not all(_is_inside(group.column(n), size) for n in range(group.num_columns)):
            raise _damaged()
    if rows != footer.num_rows:
        raise _damaged()


def _is_inside(chunk: Any, size: int) -> bool:
    """Whether a column's chunk lies in the file and does not claim to unpack to more than we would read."""
    start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    length = chunk.total_compressed_size
    unpacked = chunk.total_uncompressed_size
    return bool(0 <= start <= start + length <= size and 0 <= unpacked <= limits.MAX_TABLE_TEXT_BYTES)


def _batches(file: Any, wanted: list[str], progress: Progress) -> Any:
    rows = file.metadata.num_rows
    size = max(1, BATCH_CELLS // max(1, len(wanted)))
    batches, held, seen = [], 0, 0
    for batch in file.iter_batches(batch_size=size, columns=wanted, use_threads=False):
        batch.validate(full=True)
        batches.append(batch)
        held += batch.nbytes
        seen += batch.num_rows
        if held > limits.MAX_TABLE_TEXT_BYTES:
            raise Rejected(
                "too_many_rows", "The table is too large: over 1 GiB unpacked. Leave out rows or columns."
            )
        progress(min(1.0, seen / max(1, rows)))
    if wanted and seen != rows:
        raise _damaged()
    return pa.Table.from_batches(batches) if batches else None


def _column(name: str, field: Any, table: Any) -> Column:
    if _is_text(field.type) or _is_plain(field.type):
        cells = table.column(field.name) if table is not None else pa.chunked_array([], field.type)
        sample = sample_of(cells.slice(0, limits.PREVIEW_ROWS).to_pylist())
        if _is_text(field.type):
            return TextColumn(name, cells, sample)
        if pa.types.is_boolean(field.type):
            return TextColumn(name, cells.cast(pa.string()), sample)
        return NumberColumn(name, cells.cast(pa.float64()).to_numpy().astype(np.float64), sample)
    kind = "dates or times: add what matters, such as the month, as a number"
    reason = (
        f"it holds {kind}"
        if pa.types.is_temporal(field.type)
        else f"values of type {field.type} are not used"
    )
    return UnusedColumn(name, reason[:200], [])


def _is_text(kind: Any) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)
    )


def _is_plain(kind: Any) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    )


def _damaged() -> Rejected:
    return Rejected(
        "damaged_table",
        "The Parquet file is damaged or encrypted: its footer and its content differ. "
        "Write it again, unencrypted, and upload that.",
    )
