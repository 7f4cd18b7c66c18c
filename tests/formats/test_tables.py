"""Tables: encodings, delimiters, types, labels, and the lines that are at fault."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.datasets.formats import limits
from tests.formats.build import CLASSES, QUANTITIES, Checked, checked

HEADER = ["width", "colour", "kind"]
ROWS = [[f"{n / 2}", ["red", "blue"][n % 2], ["a", "b"][n // 3 % 2]] for n in range(24)]


def table(rows: list[list[str]] | None = None, header: list[str] | None = None, delimiter: str = ",") -> str:
    return "".join(
        delimiter.join(row) + "\n" for row in [header or HEADER, *(ROWS if rows is None else rows)]
    )


def numbers(found: Checked) -> dict[str, NDArray[Any]]:
    return dict(np.load(found.out / "table.npz"))


def column(found: Checked, name: str) -> dict[str, object]:
    return next({**entry} for entry in found.report["columns"] if entry["name"] == name)


def test_a_table_becomes_numbers_codes_and_classes(tmp_path: Path) -> None:
    found = checked(tmp_path, table().encode(), CLASSES)
    assert found.report["samples"] == 24
    assert found.report["classes"] == {"a": 12, "b": 12}
    index = found.table
    assert index["labels"] == ["a", "b"]
    assert index["label_column"] == "kind"
    assert [(c["name"], c["type"]) for c in index["columns"]] == [("width", "number"), ("colour", "category")]
    assert index["columns"][1]["categories"] == ["blue", "red"]
    assert index["reader"] == {"format": "csv", "delimiter": ",", "decimal": ".", "encoding": "utf-8"}
    data = numbers(found)
    assert data["x"].dtype == np.float64
    assert np.array_equal(data["x"][:, 0], np.arange(24) / 2)
    assert np.array_equal(data["x"][:, 1], [1, 0] * 12)
    assert data["y"].dtype == np.int64
    assert np.array_equal(data["y"], [n // 3 % 2 for n in range(24)])
    assert data["split"].dtype == np.int8
    assert [np.sum(data["split"] == n) for n in range(3)] == list(found.report["splits"].values())
    for label in (0, 1):
        assert set(data["split"][data["y"] == label]) == {0, 1, 2}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"]
)
def test_encodings_are_told_by_looking(tmp_path: Path, encoding: str) -> None:
    text = table(header=["größe", "couleur été", "art"]).replace("red", "höchst grün")
    found = checked(tmp_path, text.encode(encoding), CLASSES)
    assert [c["name"] for c in found.report["columns"]] == ["größe", "couleur été", "art"]
    assert found.table["columns"][1]["categories"] == ["blue", "höchst grün"]
    told = found.table["reader"]["encoding"]
    assert told == encoding or (encoding == "latin-1" and told == "cp1252")


@pytest.mark.parametrize(
    ("word", "encoding"),
    [
        ("Señor Muñoz", "cp1252"),
        ("François et Hélène", "cp1252"),
        ("25 °C", "cp1252"),
        ("5 €", "cp1252"),
        ("Grażyna Wałęsa", "cp1250"),
        ("Иван и Мария", "cp1251"),
        ("田中太郎と鈴木花子", "shift_jis"),
    ],
)
def test_older_encodings_of_spreadsheets(tmp_path: Path, word: str, encoding: str) -> None:
    text = table().replace("red", word)
    found = checked(tmp_path, text.encode(encoding), CLASSES)
    assert found.table["columns"][1]["categories"] == sorted(["blue", word])


def test_one_foreign_byte_late_in_the_file_is_found(tmp_path: Path) -> None:
    text = table(ROWS * 5_000).encode() + "1.5,gr\u00fcn,a\n".encode("latin-1")
    assert "grün" in checked(tmp_path, text, CLASSES).table["columns"][1]["categories"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_told_by_looking(tmp_path: Path, delimiter: str) -> None:
    found = checked(tmp_path, table(delimiter=delimiter).encode(), CLASSES)
    assert found.table["reader"]["delimiter"] == delimiter
    assert len(found.report["columns"]) == 3


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_decimal_comma_is_told_by_looking(tmp_path: Path, delimiter: str) -> None:
    text = table([[row[0].replace(".", ","), "7", row[2]] for row in ROWS], delimiter=delimiter)
    found = checked(tmp_path, text.encode(), CLASSES)
    assert found.table["reader"]["decimal"] == ","
    assert np.array_equal(numbers(found)["x"][:, 0], np.arange(24) / 2)


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    rows = [[row[0], f'"say ""{row[1]}"",\nplease"', row[2]] for row in ROWS]
    found = checked(tmp_path, table(rows).encode(), CLASSES)
    assert found.table["columns"][1]["categories"] == ['say "blue", please', 'say "red", please']


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(tmp_path: Path, end: str) -> None:
    assert checked(tmp_path, table().replace("\n", end).encode(), CLASSES).report["samples"] == 24


def test_missing_values_are_counted_and_kept_apart(tmp_path: Path) -> None:
    rows = [["NA" if n == 3 else row[0], "" if n == 5 else row[1], row[2]] for n, row in enumerate(ROWS)]
    found = checked(tmp_path, table(rows).encode(), CLASSES)
    assert column(found, "width")["missing"] == 1
    assert column(found, "colour")["missing"] == 1
    assert np.isnan(numbers(found)["x"][3, 0])
    assert numbers(found)["x"][5, 1] == -1


def test_booleans_and_formulas_are_categories(tmp_path: Path) -> None:
    rows = [
        [["true", "false"][n % 2], "=cmd|' /C calc'!A0" if n % 3 else "+1+1", row[2]]
        for n, row in enumerate(ROWS)
    ]
    found = checked(tmp_path, table(rows).encode(), CLASSES)
    assert found.table["columns"][0]["categories"] == ["false", "true"]
    assert found.table["columns"][1]["type"] == "category"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([f"2026-01-{n + 1:02}" for n in range(24)], "dates"),
        ([f"{n + 1}.3.2026 10:00" for n in range(24)], "dates"),
        ([f"person {n}" for n in range(24)], "almost every row"),
        ([f"{n}" for n in range(24)], "numbers the rows"),
        (["5"] * 24, "same value"),
        (["", "n/a"] * 12, "no values"),
    ],
)
def test_columns_of_no_use_are_ignored_with_a_reason(tmp_path: Path, values: list[str], reason: str) -> None:
    found = checked(
        tmp_path,
        table([[value, *row[1:]] for value, row in zip(values, ROWS, strict=True)]).encode(),
        CLASSES,
    )
    entry = column(found, "width")
    assert entry["type"] == "ignored"
    assert reason in str(entry["reason"])
    assert [c["name"] for c in found.table["columns"]] == ["colour"]


def test_an_id_is_ignored_by_name_and_a_quantity_of_whole_numbers_is_not(tmp_path: Path) -> None:
    values = [str(1000 - 7 * n) for n in range(24)]
    rows = [[value, *row[1:]] for value, row in zip(values, ROWS, strict=True)]
    header = ["customer_id", "colour", "kind"]
    assert (
        column(checked(tmp_path, table(rows, header).encode(), CLASSES), "customer_id")["type"] == "ignored"
    )
    assert column(checked(tmp_path, table(rows).encode(), CLASSES), "width")["type"] == "number"


def test_a_few_odd_texts_among_numbers_count_as_missing_with_a_note(tmp_path: Path) -> None:
    rows = [["broken" if n == 50 else f"{n / 3:.3f}", row[1], row[2]] for n, row in enumerate(ROWS * 4)]
    entry = column(checked(tmp_path, table(rows).encode(), CLASSES), "width")
    assert (entry["type"], entry["missing"]) == ("number", 1)
    assert "“broken”" in str(entry["note"])


def test_rows_without_a_label_are_skipped_by_line(tmp_path: Path) -> None:
    rows = [[row[0], row[1], "" if n in (0, 7) else row[2]] for n, row in enumerate(ROWS)]
    found = checked(tmp_path, table(rows).encode(), CLASSES)
    assert found.report["samples"] == found.table["rows"] == len(numbers(found)["y"]) == 22
    assert [skip["file"] for skip in found.report["skipped"]] == ["line 2", "line 9"]


@pytest.mark.parametrize("asked", ["colour", "COLOUR", " colour "])
def test_the_label_column_can_be_chosen(tmp_path: Path, asked: str) -> None:
    found = checked(tmp_path, table().encode(), CLASSES, label_column=asked)
    assert found.report["classes"] == {"blue": 12, "red": 12}
    assert column(found, "colour")["role"] == "label"


def test_names_that_are_empty_or_twice_are_told_apart(tmp_path: Path) -> None:
    rows = [[row[0], row[0], row[1], row[2]] for row in ROWS]
    found = checked(tmp_path, table(rows, ["a", "a", "", "kind"]).encode(), CLASSES)
    assert [c["name"] for c in found.report["columns"]] == ["a", "a (2)", "column 3", "kind"]


def test_regression_learns_numbers(tmp_path: Path) -> None:
    found = checked(tmp_path, table().encode(), QUANTITIES, label_column="width")
    assert found.report["classes"] == {}
    assert found.table["labels"] is None
    assert np.array_equal(numbers(found)["y"], np.arange(24) / 2)
    assert found.report["splits"] == {"train": 20, "validation": 2, "test": 2}


def test_equal_rows_share_a_split(tmp_path: Path) -> None:
    found = checked(tmp_path, table(ROWS * 3).encode(), CLASSES)
    split = numbers(found)["split"].reshape(3, 24)
    assert (split == split[0]).all()


def test_a_class_of_fewer_than_three_different_rows_still_fills_every_split(tmp_path: Path) -> None:
    rows = [[f"{n % 2}", "x", "ab"[n % 2]] for n in range(20)]
    found = checked(tmp_path, table(rows).encode(), CLASSES)
    assert found.report["splits"] == {"train": 16, "validation": 2, "test": 2}


def test_the_split_does_not_depend_on_the_order_of_rows_or_on_new_categories(tmp_path: Path) -> None:
    first = numbers(checked(tmp_path, table().encode(), CLASSES))["split"]
    again = numbers(checked(tmp_path, table(ROWS[::-1]).encode(), CLASSES))["split"]
    assert np.array_equal(first, again[::-1])


def test_the_preview_shows_the_first_rows_as_text(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        table([["x" * 900, *row[1:]] if not n else row for n, row in enumerate(ROWS)]).encode(),
        CLASSES,
    )
    preview = json.loads((found.out / "preview.json").read_text())
    assert len(preview["rows"]) == limits.PREVIEW_ROWS
    assert preview["rows"][1] == ROWS[1]
    assert len(preview["rows"][0][0]) == limits.PREVIEW_CELL_CHARACTERS
    assert [entry["name"] for entry in preview["columns"]] == HEADER


# --- refused ----------------------------------------------------------------------------------------------

WIDE = ",".join(f"c{n}" for n in range(10_000))


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        (table() + "1.5,red\n", "ragged_line", "Line 26 has 2 values, but the first line names 3"),
        ("\n" + table([*ROWS[:2], ["1", "2", "3", "4"]]), "ragged_line", "Line 5 has 4 values"),
        (table([["1", '"a\nb"', "a"], ["1"]]), "ragged_line", "Line 4 has 1 value,"),
        (table() + '1,"red,a\n' + table(), "unreadable_line", "Line 26"),
        (table() + '1,"red"x,a\n', "unreadable_line", "Line 26"),
        (f"{WIDE}\n" * 3, "too_many_columns", "10,000 columns"),
        ("width\n1\n2\n", "one_column", "“width”"),
        ("1,2,3\n4,5,6\n", "no_header", "Line 1"),
        ("\n\n \n", "one_column", "Line 3"),
        ("\n\n", "empty_table", "no lines"),
        (table([]), "too_few_classes", "no labels"),
        (table([[row[0], row[1], "a"] for row in ROWS]), "too_few_classes", "only one label, “a”"),
        (table([*ROWS, ["1", "red", "c"]]), "too_few_samples", "“c” has 1 row and needs 3"),
        (table([[row[0], row[1], f"{n}.5"] for n, row in enumerate(ROWS)]), "too_many_classes", "table-regression"),
        (table([["5", "x", row[2]] for row in ROWS]), "no_features", "“kind”"),
        (table([[row[0], row[1], "x" * 300] for row in ROWS]), "label_too_long", "100"),
        ("a,b\n1,\0\n", "not_text", "zero bytes"),
        ("x" * (limits.MAX_LINE_CHARACTERS + 1), "line_too_long", "Line 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_refused_in_a_sentence(
    tmp_path: Path, text: str, code: str, part: str
) -> None:
    found = checked(tmp_path, text.encode(), CLASSES)
    assert found.code == code
    assert part in found.reason
    assert found.reason.endswith(".")


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        (
            table([*ROWS, ["abc", "red", "a"]]),
            "label_not_a_number",
            "Line 26: the label “abc” in column “width”",
        ),
        (table([*ROWS, ["inf", "red", "a"], *ROWS]), "label_not_a_number", "Line 26"),
        (table([["1", "red", "a"], ["1", "blue", "b"]] * 9), "constant_label", "nothing to learn"),
        (table(ROWS[:6]), "too_few_samples", "6 usable rows"),
        (table([["", row[1], row[2]] for row in ROWS]), "constant_label", "“width”"),
    ],
)
def test_labels_of_a_regression_must_be_numbers(tmp_path: Path, text: str, code: str, part: str) -> None:
    found = checked(tmp_path, text.encode(), QUANTITIES, label_column="width")
    assert found.code == code
    assert part in found.reason


def test_a_label_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    found = checked(tmp_path, table().encode(), CLASSES, label_column="price")
    assert found.code == "no_label_column"
    assert "“price”" in found.reason
    assert "“width”, “colour”, “kind”" in found.reason


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"PK\x03\x04" + bytes(50), "Excel"),
        (b"\x1f\x8b" + bytes(50), "gzip"),
        (b"%PDF-1.7 " + bytes(50), "PDF"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path: Path, data: bytes, part: str) -> None:
    found = checked(tmp_path, data, CLASSES, name="sales\u202e.xlsx")
    assert found.code == "unknown_table"
    assert part in found.reason
    assert "“sales.xlsx”" in found.reason


def test_binary_rubbish_is_no_text(tmp_path: Path) -> None:
    assert checked(tmp_path, bytes(range(256)) * 40, CLASSES).code in {"not_text", "unknown_encoding"}


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ROWS", 20)
    assert checked(tmp_path, table().encode(), CLASSES).code == "too_many_rows"
