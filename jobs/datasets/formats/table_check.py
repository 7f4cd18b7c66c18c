"""Checking a table: columns inferred, labels found, rows split, and all of it written as numbers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from jobs.datasets.formats import limits
from jobs.datasets.formats.index import FORMAT, SPLITS, TableColumn, TableIndex, write_index
from jobs.datasets.formats.names import clean, shown
from jobs.datasets.formats.outcome import ColumnReport, Ready, Skips, Upload
from jobs.datasets.formats.rejected import Rejected
from jobs.datasets.formats.strips import PREVIEW_NAME
from jobs.datasets.formats.table_columns import Column, Decimal, Table
from jobs.datasets.formats.table_csv import read_csv
from jobs.datasets.formats.table_features import Feature, Ignored, decimal_mark, infer
from jobs.datasets.formats.table_labels import Labels, choose, classes, quantities
from jobs.datasets.formats.table_parquet import read_parquet
from jobs.datasets.formats.table_rows import Rows, split_rows

TABLE_NAME: Final = "table.npz"
REGRESSION: Final = "table-regression"
READING_ENDS: Final = 0.6
INFERRING_ENDS: Final = 0.8
OTHER_KINDS: Final = (
    (b"PK\x03\x04", "a zip or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "packed with gzip"),
    (b"%PDF", "a PDF"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x89PNG", "a picture"),
    (b"SQLite format 3\x00", "a database"),
    (b"PARE", "an encrypted Parquet table"),
)


def check_table(upload: Upload) -> Ready:
    """Checks a table and writes index, numbers and preview into `upload.out`. Raises `Rejected`."""
    table = _read(upload)
    at = choose(table, upload.label_column)
    label = table.columns[at]
    decimal = decimal_mark(table.columns)
    if table.reader["format"] == "csv":
        table.reader["decimal"] = decimal
    labels = _labels(upload.task, label, table, decimal)
    found = [
        None if n == at else infer(column, decimal, len(table.places))
        for n, column in enumerate(table.columns)
    ]
    features = [feature for feature in found if isinstance(feature, Feature)]
    _check_features(features, label.name)
    upload.progress(INFERRING_ENDS)
    keep = labels.present()
    rows = split_rows(features, labels, keep)
    skips = Skips()
    for place in table.places[~keep].tolist():
        skips.add(f"{table.unit} {place}", "the label is missing")
    listed = max(1, min(limits.LISTED_CATEGORIES, limits.LISTED_CATEGORIES_OF_ALL // len(table.columns)))
    columns = [_report(column, found[number], labels, listed) for number, column in enumerate(table.columns)]
    files = [
        write_index(upload.out, _index(upload.task, table, label.name, labels, features, len(rows.y))),
        _write_numbers(upload.out, rows, labels),
        _write_preview(upload.out, table.columns, columns),
    ]
    return _ready(labels, rows, columns, skips, files)


def _read(upload: Upload) -> Table:
    size = upload.path.stat().st_size
    if size > limits.MAX_TABLE_BYTES:
        raise Rejected(
            "too_large",
            f"The table is larger than {limits.MAX_TABLE_BYTES // limits.MIB} MiB. Leave out rows.",
        )
    with upload.path.open("rb") as file:
        head = file.read(16)
        if head.startswith(b"PAR1"):
            return read_parquet(upload.path, lambda part: upload.progress(part * READING_ENDS))
        kind = next((kind for sign, kind in OTHER_KINDS if head.startswith(sign)), None)
        if kind:
            raise Rejected(
                "unknown_table",
                f"{shown(upload.filename)} is {kind}. Save the table as CSV (UTF-8) and upload that.",
            )
        return read_csv(file, size, lambda part: upload.progress(part * READING_ENDS))


def _labels(task: str, column: Column, table: Table, decimal: Decimal) -> Labels:
    if task == REGRESSION:
        return quantities(column, table, decimal)
    return classes(column, len(table.places))


def _check_features(features: Sequence[Feature], label: str) -> None:
    if not features:
        raise Rejected(
            "no_features",
            f"Beside the label column {shown(label)} no column can be used: each is empty, always the same, "
            "a date, or different in every row. Add columns of numbers or categories.",
        )


def _index(
    task: str, table: Table, label: str, labels: Labels, features: Sequence[Feature], rows: int
) -> TableIndex:
    return {
        "format": FORMAT,
        "kind": "table",
        "task": task,
        "label_column": label,
        "labels": labels.names,
        "columns": [_column(feature) for feature in features],
        "rows": rows,
        "reader": table.reader,
    }


def _column(feature: Feature) -> TableColumn:
    if feature.categories is not None:
        return {
            "name": feature.name,
            "type": "category",
            "missing": feature.missing,
            "categories": feature.categories,
        }
    low, high, mean = _range(feature)
    return {
        "name": feature.name,
        "type": "number",
        "missing": feature.missing,
        "minimum": low,
        "maximum": high,
        "mean": mean,
    }


def _range(feature: Feature) -> tuple[float, float, float]:
    low, high = float(np.nanmin(feature.values)), float(np.nanmax(feature.values))
    scale = max(abs(low), abs(high)) or 1.0  # a sum of the largest numbers would overflow
    return low, high, float(np.nanmean(feature.values / scale) * scale)


def _report(column: Column, found: Feature | Ignored | None, labels: Labels, listed: int) -> ColumnReport:
    if found is None:
        missing = int((~labels.present()).sum())
        names = labels.names
        different = len(np.unique(labels.values[labels.present()])) if names is None else len(names)
        return {
            "name": column.name,
            "type": "number" if names is None else "category",
            "role": "label",
            "missing": missing,
            "different": different,
        }
    if isinstance(found, Ignored):
        return {
            "name": found.name,
            "type": "ignored",
            "role": "ignored",
            "missing": found.missing,
            "different": found.different,
            "reason": found.reason,
        }
    return _feature_report(found, listed)


def _feature_report(feature: Feature, listed: int) -> ColumnReport:
    """`listed`: how many of its categories are named."""
    report: ColumnReport = {
        "name": feature.name,
        "type": "number" if feature.categories is None else "category",
        "role": "feature",
        "missing": feature.missing,
        "different": feature.different,
    }
    if feature.note:
        report["note"] = feature.note
    if feature.categories is not None:
        first = feature.categories[:listed]
        report["categories"] = [clean(text, limits.LISTED_CATEGORY_CHARACTERS) for text in first]
    else:
        report["minimum"], report["maximum"], report["mean"] = _range(feature)
    return report


def _write_numbers(folder: Path, rows: Rows, labels: Labels) -> str:
    y = rows.y if labels.names is None else rows.y.astype(np.int64)
    np.savez(folder / TABLE_NAME, x=rows.x, y=y, split=rows.splits)
    return TABLE_NAME


def _write_preview(folder: Path, columns: Sequence[Column], reports: Sequence[ColumnReport]) -> str:
    shown_columns = columns[: limits.PREVIEW_COLUMNS]
    height = max(len(column.sample) for column in shown_columns)
    rows = [
        [column.sample[n] if n < len(column.sample) else "" for column in shown_columns]
        for n in range(height)
    ]
    preview = {"columns": reports[: limits.PREVIEW_COLUMNS], "rows": rows}
    (folder / PREVIEW_NAME).write_text(json.dumps(preview, ensure_ascii=False, allow_nan=False), "utf-8")
    return PREVIEW_NAME


def _ready(labels: Labels, rows: Rows, columns: list[ColumnReport], skips: Skips, files: list[str]) -> Ready:
    names = labels.names or []
    counts = np.bincount(rows.y.astype(np.int64), minlength=len(names)) if names else ()
    splits = np.bincount(rows.splits, minlength=len(SPLITS))
    return {
        "type": "result",
        "state": "ready",
        "report": {
            "samples": len(rows.y),
            "classes": {name: int(count) for name, count in zip(names, counts, strict=True)},
            "splits": {split: int(count) for split, count in zip(SPLITS, splits, strict=True)},
            "columns": columns,
            "skipped": skips.listed,
            "skipped_total": skips.total,
        },
        "files": files,
    }
