"""Bundles of table models, as a board sees them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jobs.engine.data import load
from jobs.engine.export.compared import compare
from jobs.engine.export.measure import Runner
from tests.export.conftest import WAV, Built, run_py

pytestmark = pytest.mark.train


def rows_of(built: Built, path: Path, *options: str) -> list[dict]:
    done = run_py(built.bundle, "--json", path, *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_int8_keeps_the_encoding_in_float(farm_classes: Built) -> None:
    found = farm_classes.manifest
    int8, fp32 = found["variants"]["int8"], found["variants"]["fp32"]
    assert {"QUANTIZE", "FULLY_CONNECTED", "NOT_EQUAL"} <= set(int8["operators"])
    assert fp32["accuracy"] > 0.8
    assert abs(int8["accuracy"] - fp32["accuracy"]) <= 0.03


def test_int8_of_a_regression_is_about_as_good(farm_values: Built) -> None:
    found = farm_values.manifest["variants"]
    assert found["fp32"]["r2"] > 0.8
    assert found["fp32"]["r2"] - found["int8"]["r2"] < 0.03
    assert farm_values.done["summary"]["rmse"] > 0


@pytest.mark.parametrize("name", ["farm_classes", "farm_values"])
def test_selftest_passes(name: str, request: pytest.FixtureRequest) -> None:
    done = run_py(request.getfixturevalue(name).bundle, "--selftest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS 32/32")


def test_every_row_of_the_upload_is_answered_as_on_the_portal(farm_classes: Built) -> None:
    said = rows_of(farm_classes, farm_classes.home / "data" / "upload")
    arrays = load(farm_classes.home / "data", farm_classes.home / "cache", "key")
    truth = {
        int(number): arrays.labels[label]
        for split in ("train", "validation", "test")
        for number, label in zip(arrays.numbers[split], arrays.split(split).y, strict=True)
    }
    assert len(said) == len(truth)
    assert said[0]["input"].endswith("upload:2")
    test = [int(number) for number in arrays.numbers["test"]]
    right = np.mean([said[number]["label"] == truth[number] for number in test])
    assert right == pytest.approx(farm_classes.manifest["variants"]["int8"]["accuracy"])


def test_regression_answers_a_value(farm_values: Built, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_bytes("animal;share;Grams\nhen;1,0e-04;40000,5\nunheard of;;\n".encode("cp1252"))
    first, second = rows_of(farm_values, path)
    assert set(first) == {"input", "value"}
    assert first["value"] == pytest.approx(40000.5 / 9000 + 0.4 + 1, abs=1.5)
    assert np.isfinite(second["value"])
    exact = rows_of(farm_values, path, "--variant", "fp32")
    assert exact[0]["value"] == pytest.approx(first["value"], abs=0.3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("share;Grams\n1;2\n", "has no column 'animal'"),
        ("animal;share;Grams\nhen;1\n", "line 2 has 2 values"),
        ('animal;share;Grams\n"hen;1;2\n', "cannot be read"),
        ("", "has no column"),
    ],
)
def test_a_bad_table_is_one_sentence(farm_values: Built, tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    done = run_py(farm_values.bundle, tmp_path / "bad.csv")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_numbers_drop_is_the_difference_of_the_two_files_r2(farm_values: Built) -> None:
    """Both run again, from the bundle."""
    test = load(farm_values.home / "data", farm_values.home / "cache", "key").test
    outputs = [
        Runner((farm_values.bundle / name).read_bytes())(test.x)
        for name in ("model.tflite", "model_fp32.tflite")
    ]
    found, told = compare(*outputs, test.y, classes=False), farm_values.manifest["variants"]
    assert told["int8"]["compared"] == {
        name: pytest.approx(value) if isinstance(value, float) else value
        for name, value in found.as_json().items()
    }
    assert found.drop == pytest.approx(told["fp32"]["r2"] - told["int8"]["r2"], abs=1e-9)


def test_reports_of_tables(farm_classes: Built, farm_values: Built) -> None:
    assert "Confusion matrix" in (farm_classes.bundle / "report.html").read_text()
    page = (farm_values.bundle / "report.html").read_text()
    assert "<circle" in page
    assert "Furthest off" in page


def test_what_is_no_table_is_called_by_its_name(farm_values: Built, tmp_path: Path) -> None:
    (tmp_path / "bark.wav").write_bytes(WAV)
    (tmp_path / "digit.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = run_py(farm_values.bundle, tmp_path / "bark.wav", tmp_path / "digit.png", "--camera")
    assert done.returncode == 1
    assert "bark.wav: this is a sound; this model takes the rows of a table" in done.stderr
    assert "digit.png: this is a picture; this model takes the rows of a table" in done.stderr
    assert "--camera: this model takes the rows of a table" in done.stderr


def test_ctrl_c_ends_a_long_table(farm_values: Built, tmp_path: Path) -> None:
    lines = (farm_values.home / "data" / "upload").read_bytes().splitlines(keepends=True)
    (tmp_path / "long.csv").write_bytes(lines[0] + b"".join(lines[1:]) * 200)
    with subprocess.Popen(
        [sys.executable, "-I", farm_values.bundle / "run.py", tmp_path / "long.csv"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=20)
    assert program.returncode == 130
    assert b"Traceback" not in said


def test_a_tables_answers_as_a_table(farm_values: Built) -> None:
    lines = run_py(farm_values.bundle, "--csv", farm_values.home / "data" / "upload").stdout.splitlines()
    assert (lines[0], len(lines)) == ("input,value", 601)


def test_the_benchmark_of_a_table_starts_with_a_row(farm_classes: Built) -> None:
    found = json.loads(run_py(farm_classes.bundle, "--benchmark", "--json", "--threads", 1).stdout)
    assert found["p50_ms"] < found["load_ms"] < found["cold_start_ms"]
