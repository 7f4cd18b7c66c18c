"""Parquet: typed columns, and footers that lie."""

import datetime as dt
import decimal
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.formats.build import CLASSES, QUANTITIES, checked

ROWS = 30
KINDS = ["a", "b"]


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def typed() -> dict[str, Any]:
    day = dt.date(2026, 1, 1)
    return {
        "whole": pa.array([n * n % 17 for n in range(ROWS)], pa.int8()),
        "float": pa.array([None if n == 4 else n / 7 for n in range(ROWS)], pa.float32()),
        "money": pa.array([decimal.Decimal(n) / 4 for n in range(ROWS)], pa.decimal128(9, 2)),
        "flag": pa.array([None if n == 2 else n % 3 == 0 for n in range(ROWS)]),
        "text": pa.array([None if n == 1 else ["x", "y"][n % 2] for n in range(ROWS)]),
        "large": pa.array([["x", "y", "z"][n % 3] for n in range(ROWS)], pa.large_string()),
        "coded": pa.array([["x", "y", "z"][n % 3] for n in range(ROWS)]).dictionary_encode(),
        "day": pa.array([day + dt.timedelta(n) for n in range(ROWS)]),
        "list": pa.array([[n] for n in range(ROWS)]),
        "bytes": pa.array([bytes([n]) for n in range(ROWS)]),
        "nothing": pa.nulls(ROWS),
        "kind": pa.array([KINDS[n % 2] for n in range(ROWS)]),
    }


def test_every_type_is_taken_or_ignored_with_a_reason(tmp_path: Path) -> None:
    found = checked(tmp_path, parquet(typed()), CLASSES)
    kinds = {entry["name"]: entry["type"] for entry in found.report["columns"]}
    assert kinds == {
        **dict.fromkeys(["whole", "float", "money"], "number"),
        **dict.fromkeys(["flag", "text", "large", "coded", "kind"], "category"),
        **dict.fromkeys(["day", "list", "bytes", "nothing"], "ignored"),
    }
    assert all(entry["reason"] for entry in found.report["columns"] if entry["type"] == "ignored")
    x = np.load(found.out / "table.npz")["x"]
    assert np.isnan(x[4, 1])
    assert x[3, 2] == 0.75
    assert [x[n, 3] for n in range(4)] == [1, 0, -1, 1]
    assert found.table["reader"] == {
        "format": "parquet",
        "delimiter": None,
        "decimal": None,
        "encoding": None,
    }


def test_csv_and_parquet_of_the_same_rows_split_the_same(tmp_path: Path) -> None:
    columns = {name: typed()[name] for name in ("whole", "text", "kind")}
    one = np.load(checked(tmp_path, parquet(columns), CLASSES).out / "table.npz")["split"]
    rows = zip(*(column.to_pylist() for column in columns.values()), strict=True)
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    text = "\n".join(["whole,text,kind", *lines])
    assert np.array_equal(one, np.load(checked(tmp_path, text.encode(), CLASSES).out / "table.npz")["split"])


def test_labels_may_be_numbers(tmp_path: Path) -> None:
    columns = typed()
    columns["kind"] = pa.array([float(n % 2) for n in range(ROWS)])
    assert checked(tmp_path, parquet(columns), CLASSES).report["classes"] == {"0": 15, "1": 15}
    assert checked(tmp_path, parquet(columns), QUANTITIES, label_column="money").report["samples"] == ROWS


def test_a_row_without_a_label_is_skipped_by_its_number(tmp_path: Path) -> None:
    columns = typed()
    columns["kind"] = pa.array([None if n == 3 else KINDS[n % 2] for n in range(ROWS)])
    assert checked(tmp_path, parquet(columns), CLASSES).report["skipped"][0]["file"] == "row 4"


def test_a_label_that_is_no_number_is_named_by_its_row(tmp_path: Path) -> None:
    assert "Row 1: the label “a”" in checked(tmp_path, parquet(typed()), QUANTITIES).reason


def test_dates_cannot_be_labels(tmp_path: Path) -> None:
    assert checked(tmp_path, parquet(typed()), CLASSES, label_column="day").code == "bad_label_column"


def test_too_many_columns_are_refused(tmp_path: Path) -> None:
    wide = {f"c{n}": pa.array([1, 2]) for n in range(2_001)}
    assert checked(tmp_path, parquet(wide), CLASSES).code == "too_many_columns"


def test_a_table_of_no_rows_is_refused(tmp_path: Path) -> None:
    empty = {name: column.slice(0, 0) for name, column in typed().items()}
    assert checked(tmp_path, parquet(empty), CLASSES).code == "too_few_classes"


def test_text_of_a_gigabyte_in_a_few_bytes_is_refused_or_harmless(tmp_path: Path) -> None:
    """One long text, repeated by a dictionary: read as codes, never spelt out."""
    codes = pa.array(np.repeat(np.array([0, 1], np.int32), [20_000, 10_000]))
    long = pa.DictionaryArray.from_arrays(codes, pa.array(["x" * 1_000_000, "y"]))
    columns = {"n": pa.array(np.arange(30_000) % 7), "long": long, "kind": pa.array(KINDS * 15_000)}
    data = parquet(columns)
    assert len(data) < 2_000_000
    assert checked(tmp_path, data, CLASSES).table["columns"][1]["categories"] == ["x" * 199 + "…", "y"]


# --- lying footers ----------------------------------------------------------------------------------------


def footer(data: bytes) -> tuple[int, int]:
    """Where the footer begins and how long it is."""
    length = struct.unpack("<L", data[-8:-4])[0]
    return len(data) - 8 - length, length


def varint(number: int) -> bytes:
    """A thrift integer: zigzag, then 7 bits a byte."""
    number, found = number * 2, bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def lying(data: bytes, claimed: int, places: int) -> bytes:
    """`data` whose footer claims another number of rows, in the first of its places or (-1) in all."""
    start, length = footer(data)
    changed = data[start : start + length].replace(b"\x16" + varint(ROWS), b"\x16" + varint(claimed), places)
    assert changed != data[start : start + length]
    return data[:start] + changed + struct.pack("<L", len(changed)) + b"PAR1"


@pytest.mark.parametrize("claimed", [0, 29, 31, 4_000, 2**40])
def test_a_footer_that_lies_about_its_rows_is_refused(tmp_path: Path, claimed: int) -> None:
    data = parquet({"whole": typed()["whole"], "text": typed()["text"], "kind": typed()["kind"]})
    assert checked(tmp_path, lying(data, claimed, 1), CLASSES).code in {"damaged_table", "too_many_rows"}


@pytest.mark.parametrize("claimed", [31, 4_000, 2**40])
def test_a_footer_that_lies_everywhere_alike_is_refused(tmp_path: Path, claimed: int) -> None:
    data = parquet({"whole": typed()["whole"], "text": typed()["text"], "kind": typed()["kind"]})
    assert checked(tmp_path, lying(data, claimed, -1), CLASSES).code in {"damaged_table", "too_many_rows"}


@pytest.mark.parametrize("length", [0, 1, 2**31 - 1, 2**32 - 1])
def test_a_footer_that_lies_about_its_length_is_refused(tmp_path: Path, length: int) -> None:
    data = parquet(typed())
    assert checked(tmp_path, data[:-8] + struct.pack("<L", length) + b"PAR1", CLASSES).code == "damaged_table"


def test_every_cut_is_refused(tmp_path: Path) -> None:
    data = parquet({"whole": typed()["whole"], "kind": typed()["kind"]})
    for end in range(4, len(data), 37):
        assert checked(tmp_path, data[:end], CLASSES).code in {
            "damaged_table",
            "not_text",
            "unknown_encoding",
        }


def test_invalid_text_is_refused(tmp_path: Path) -> None:
    columns = {
        "n": typed()["whole"],
        "text": pa.array([b"\xff\xfe" if n == 25 else b"x" for n in range(ROWS)]),
    }
    columns["kind"] = typed()["kind"]
    schema = pa.schema([("n", pa.int8()), ("text", pa.binary()), ("kind", pa.string())])
    table = pa.table(columns, schema=schema)
    file = io.BytesIO()
    text = table.column("text").combine_chunks()
    broken = pa.StringArray.from_buffers(len(text), text.buffers()[1], text.buffers()[2])
    pq.write_table(table.set_column(1, "text", broken), file)
    assert checked(tmp_path, file.getvalue(), CLASSES).code == "damaged_table"
