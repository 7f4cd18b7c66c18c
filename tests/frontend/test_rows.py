"""Rows of a table become the same numbers in the browser as on a board: run in Node."""

import base64
import json
import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontend.test_pixels import node

DEVICE = Path(__file__).parents[2] / "jobs" / "engine" / "export" / "device"
CELLS = (
    "1", " -1.5 ", "+2.", ".5", "1e3", "1E-3", "1,5", "1.000,5", "1e400", "1e-320",
    "nan", "inf", "", "0x10", "1_000", "NA", "--1", "1e",
    "\u00a07", "\x1c8", "\ufeff9", "٧", "0.1", "16777217", "3.4e38",
)  # fmt: skip
ANIMALS = ("cow", "", "grey goat", "Schäfchen", "café", "x" * 199 + "…")
CATEGORIES = (
    "cow", "Cow", "", " grey \t goat ", "Schäfchen", "cafe\u0301", "x" * 300, "\u202ecow", "co\x00w", "ox"
)  # fmt: skip
QUOTED = 'a;b\r\n"1";cow\r\n\n"2\n3";"co""w"\r4;"grey goat"\n'


def spec(encoding: str = "utf-8", delimiter: str = ";", decimal: str = ".") -> dict[str, Any]:
    columns = [{"name": "a", "type": "number"}, {"name": "b", "type": "category", "categories": ANIMALS}]
    return {"columns": columns, "reader": {"encoding": encoding, "delimiter": delimiter, "decimal": decimal}}


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def tables() -> list[tuple[bytes, dict[str, Any]]]:
    numbers = "\n".join(["a;b", *(f"{quoted(cell)};cow" for cell in CELLS)])
    words = "\n".join(["b;a;unused", *(f"{quoted(cell)};1;" for cell in CATEGORIES)])
    return [
        (numbers.encode(), spec()),
        (numbers.encode(), spec(decimal=",")),
        (words.encode(), spec()),
        (QUOTED.encode(), spec()),
        ("\ufeff\n a ,b\n1,cow\n".encode(), spec(delimiter=",")),
        ("a\tb\n1\tSchäfchen".encode("cp1252"), spec("cp1252", "\t")),
        ("a;b\n1;café".encode("latin-1"), spec("latin-1")),
        ("a;b\n1;Schäfchen".encode("utf-16"), spec("utf-16")),
        (b"a;b\n1;Sch\xe4fchen\n", spec()),
    ]


def on_a_board(content: bytes, given: dict[str, Any], folder: Path) -> list[list[float | None]]:
    path = folder / "table.csv"
    path.write_bytes(content)
    found: list[list[float | None]] = []
    for name, values in runpy.run_path(str(DEVICE / "inputs.py"))["rows"](path, given):
        row = [None if math.isnan(value) else float(value) for value in values[0]]
        found.append([int(name.rpartition(":")[2]), *row])
    return found


def in_node(given: list[tuple[bytes, dict[str, Any]]]) -> list[Any]:
    told = {"tables": [(base64.b64encode(content).decode(), one) for content, one in given]}
    return [json.loads(line) for line in node("rows.mjs", json.dumps(told).encode()).splitlines()]


def test_rows_become_the_numbers_that_a_board_reads(tmp_path: Path) -> None:
    for (content, given), got in zip(tables(), in_node(tables()), strict=True):
        wanted = on_a_board(content, given, tmp_path)
        assert len(got) == len(wanted) >= 1, content
        assert [[np.float32(v) if v is not None else None for v in row] for row in got] == wanted, content


def test_what_cannot_be_read_is_named() -> None:
    broken = ["", "a;c\n1;2", "a;b\n1", 'a;b\n"1;2', 'a;b\n"1"x;2']
    wanted = ["table-empty", "table-no-column", "table-width", "table-quote", "table-quote"]
    assert in_node([(text.encode(), spec()) for text in broken]) == wanted
