"""Parquet files whose footer or pages do not tell the truth."""

import base64
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.parquet.encryption import CryptoFactory, EncryptionConfiguration, KmsClient, KmsConnectionConfig

from tests.formats.mutations import footer, varint
from tests.hostile.case import CLASSES, Case

ROWS = 30
Make = Callable[[], bytes]


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def columns(rows: int = ROWS) -> dict[str, Any]:
    return {
        "whole": pa.array([n * n % 17 for n in range(rows)], pa.int32()),
        "text": pa.array(["xy"[n % 2] for n in range(rows)]),
        "kind": pa.array(["ab"[n % 2] for n in range(rows)]),
    }


def lying(claimed: int, places: int) -> Make:
    """The footer claims another number of rows, in the first of its places or (-1) in all."""

    def make() -> bytes:
        data = parquet(columns())
        start, end = footer(data)
        changed = data[start:end].replace(b"\x16" + varint(ROWS), b"\x16" + varint(claimed), places)
        return data[:start] + changed + struct.pack("<L", len(changed)) + b"PAR1"

    return make


def of_length(length: int) -> Make:
    return lambda: parquet(columns())[:-8] + struct.pack("<L", length) + b"PAR1"


def page_claim(size: int) -> Make:
    """The first page claims to unpack to so many bytes."""

    def make() -> bytes:
        data = parquet(columns(), compression="gzip", use_dictionary=False)
        field = data.index(b"\x15", 5)  # the header's second number: its size unpacked
        return data[: field + 1] + varint(size) + data[field + 1 + len(varint(0)) :]

    return make


def swollen() -> bytes:
    """Hundreds of megabytes of one letter, in a page of kilobytes, under an honest footer."""
    text = pa.array(["x" * 150_000_000, "y", "z", "y"], pa.large_string())
    return parquet({"t": text, "kind": pa.array(list("abab"))}, compression="zstd", use_dictionary=False)


def dictionary_bomb() -> bytes:
    """A text of a megabyte that a dictionary repeats tens of thousands of times."""
    codes = pa.array(np.repeat(np.array([0, 1], np.int32), [20_000, 10_000]))
    long = pa.DictionaryArray.from_arrays(codes, pa.array(["x" * 1_000_000, "y"]))
    return parquet(
        {"n": pa.array(np.arange(30_000) % 7), "long": long, "kind": pa.array(["a", "b"] * 15_000)}
    )


def nested(depth: int) -> bytes:
    kind: Any = pa.int8()
    value: Any = 1
    for _ in range(depth):
        kind, value = pa.list_(kind), [value]
    return parquet({"deep": pa.array([value] * ROWS, kind), **columns()})


def deep_schema(depth: int) -> bytes:
    """A schema of groups in groups, of which nothing honest has more than a few."""
    group = b"\x35\x02\x18\x01g\x15\x02\x00"
    elements = b"\x48\x01s\x15\x02\x00" + group * depth + b"\x15\x02\x25\x00\x18\x01x\x00"
    count = depth + 2
    listed = bytes([0xFC]) + bytes([count & 0x7F | 0x80, count >> 7 & 0x7F | 0x80, count >> 14])
    meta = b"\x15\x02\x19" + listed + elements + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + meta + struct.pack("<L", len(meta)) + b"PAR1"


class Kms(KmsClient):
    def wrap_key(self, key: bytes, _name: str) -> bytes:
        return key

    def unwrap_key(self, key: bytes, _name: str) -> bytes:
        return key


def encrypted(*, plain_footer: bool) -> Make:
    def make() -> bytes:
        factory = CryptoFactory(lambda _config: Kms())
        config = EncryptionConfiguration(
            footer_key="f", column_keys={"k": ["whole", "text", "kind"]}, plaintext_footer=plain_footer,
            double_wrapping=False,
        )  # fmt: skip
        properties = factory.file_encryption_properties(KmsConnectionConfig(), config)
        return parquet(columns(), encryption_properties=properties)

    return make


def broken_text() -> bytes:
    odd = pa.array([b"\xff\xfe" if n == 25 else b"x" for n in range(ROWS)])
    text = pa.StringArray.from_buffers(len(odd), odd.buffers()[1], odd.buffers()[2])
    return parquet({**columns(), "text": text, "kind": columns()["kind"]})


def without_columns() -> bytes:
    """A footer whose parts have no columns: on this, found by fuzzing, Arrow aborts instead of raising."""
    text = (
        "UEFSMRUAFSwVLCwVBBUAFQYVBhwAAAACAAAABAEBAAAAAAAAAAIAAAAAAAAAFQAVIBUgLBUEFQAVBhUGHAAAAAIAAAAEAQEAAAB4AQAA"
        "AHkVBBk8NQAYBnNjaGVtYRUEABUEJgIYAWEAFQwlAhgBayUATBwAAAAWBBkcGSwmABwVBBklBgAZGAFhFQAWBBZSFlImCEkcFQAVABUC"
        "ADwpBhkmAAQAAAAmABwVDBklBgAZGAFrFQAWBBZGFkYmWkkcFQAVABUCADwWBBkGGSYABAAAABaYARYEJggWmAEAKCBwYXJxdWV0LWNw"
        "cC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRksHAAAHAAAALkAAABQQVIx"
    )
    return base64.b64decode(text)


def case(make: Make, code: str = "", part: str = "") -> Case:
    return Case(make, code, part, task=CLASSES, filename="table.parquet")


CASES = {
    "a footer that claims no rows": case(lying(0, 1), "damaged_table"),
    "a footer that claims more rows": case(lying(31, 1), "damaged_table"),
    "a footer that claims a trillion rows": case(lying(2**40, 1), "too_many_rows"),
    "a footer that claims more rows throughout": case(lying(4_000, -1), "damaged_table"),
    "a footer that claims a negative number": case(lying(-1, -1), "damaged_table"),
    "a footer of no length": case(of_length(0), "damaged_table"),
    "a footer longer than the file": case(of_length(2**32 - 1), "damaged_table"),
    "half a Parquet file": case(lambda: parquet(columns())[:300], "damaged_table"),
    "the mark alone": case(lambda: b"PAR1", "damaged_table"),
    "two marks": case(lambda: b"PAR1PAR1", "damaged_table"),
    "a page that claims gigabytes": case(page_claim(2**31 - 1), "damaged_table"),
    "a page that claims less than nothing": case(page_claim(-5), "damaged_table"),
    "a page that claims too little": case(page_claim(3), "damaged_table"),
    "a page that swells to hundreds of megabytes": case(swollen, "too_few_samples"),
    "a dictionary that repeats megabytes": case(dictionary_bomb),
    "lists in lists": case(lambda: nested(6)),
    "lists in lists in lists": case(lambda: nested(60), "damaged_table"),
    "a schema a hundred thousand groups deep": case(lambda: deep_schema(100_000), "damaged_table"),
    "encrypted": case(encrypted(plain_footer=False), "unknown_table", "encrypted"),
    "encrypted behind a plain footer": case(encrypted(plain_footer=True), "damaged_table", "encrypted"),
    "text that is no text": case(broken_text, "damaged_table"),
    "two columns of one name": case(
        lambda: _renamed(["a", "a", "kind"]), "duplicate_column", "Rename"
    ),
    "three thousand columns": case(
        lambda: parquet({f"c{n}": pa.array([1, 2]) for n in range(3_000)}), "too_many_columns", "3,000"
    ),
    "a footer without columns": case(without_columns, "damaged_table"),
    "no columns": case(lambda: parquet({}), "empty_table", "no columns"),
    "no rows": case(lambda: parquet({name: none.slice(0, 0) for name, none in columns().items()}), "too_few_classes"),
    "columns of nothing but lists": case(
        lambda: parquet({"l": pa.array([[n] for n in range(ROWS)]), "kind": columns()["kind"]}), "no_features"
    ),
    "too many rows": case(lambda: parquet({"a": pa.nulls(6_000_000, pa.int8()), "k": pa.nulls(6_000_000, pa.int8())}),
                          "too_many_rows", "5,000,000"),
}  # fmt: skip


def _renamed(names: list[str]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns()).rename_columns(names), file)
    return file.getvalue()
