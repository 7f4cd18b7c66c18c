"""Real data, as members would bring it."""

import csv
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine

from jobs.datasets.formats.images import read_pixels
from tests.formats.build import CLASSES, PICTURES, QUANTITIES, checked, encoded, zipped

ROOT = Path(__file__).parents[2]
CIFAR = ROOT.parent / "shared" / "data" / "cifar10-5k.zip"


def csv_of(bunch: Any, *, names: bool = True) -> bytes:
    """A scikit-learn data set as CSV, its classes by name."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([*bunch.feature_names, "target"])
    for row, target in zip(bunch.data, bunch.target, strict=True):
        writer.writerow([*row, bunch.target_names[target] if names else target])
    return file.getvalue().encode()


def test_digits_as_a_folder_of_pictures(tmp_path: Path) -> None:
    digits = load_digits()
    files = {
        f"digits/{label}/{number:04}.png": encoded(Image.fromarray((image * 15).astype(np.uint8)))
        for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True))
    }
    found = checked(tmp_path, zipped(files))
    assert found.report["samples"] == 1797
    assert list(found.report["classes"]) == [str(n) for n in range(10)]
    index = found.pictures
    read = dict(read_pixels(found.upload, index, size=(8, 8), channels=1))
    for number, sample in enumerate(index["samples"]):
        original = digits.images[int(sample["name"][-8:-4])]
        assert np.array_equal(read[number][:, :, 0], original * 15)
        assert digits.target[int(sample["name"][-8:-4])] == int(index["labels"][sample["label"]])


@pytest.mark.parametrize(("load", "classes", "features"), [(load_iris, 3, 4), (load_wine, 3, 13)])
def test_classification_tables(tmp_path: Path, load: Any, classes: int, features: int) -> None:
    bunch = load()
    found = checked(tmp_path, csv_of(bunch), CLASSES)
    assert len(found.report["classes"]) == classes
    assert sum(found.report["splits"].values()) == len(bunch.data)
    data = np.load(found.out / "table.npz")
    assert np.array_equal(data["x"], bunch.data)
    assert data["x"].shape[1] == features
    names = found.table["labels"] or []
    assert [names[code] for code in data["y"]] == [bunch.target_names[n] for n in bunch.target]


def test_a_regression_table(tmp_path: Path) -> None:
    bunch = load_diabetes()
    found = checked(tmp_path, csv_of(bunch, names=False), QUANTITIES)
    data = np.load(found.out / "table.npz")
    assert np.array_equal(data["x"], bunch.data)
    assert np.array_equal(data["y"], bunch.target)


@pytest.mark.skipif(not CIFAR.exists(), reason="needs ../shared/data/cifar10-5k.zip")
def test_five_thousand_pictures_in_a_few_seconds(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    before = cpu_seconds()
    lines, _ = run(PICTURES, CIFAR, tmp_path / "out")
    assert cpu_seconds() - before < 8  # about 1; the wall clock says nothing on a shared machine
    assert [line["type"] for line in lines] == ["progress"] * (len(lines) - 1) + ["result"]
    report = lines[-1]["report"]
    assert report["samples"] == 5_000
    assert report["splits"] == {"train": 4_000, "validation": 500, "test": 500}
    assert set(report["classes"].values()) == {500}


# --- the program --------------------------------------------------------------------------------------------


def cpu_seconds() -> float:
    """Of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(
    task: str, file: Path, out: Path, *more: str
) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[str]]:
    """Runs the checker as a node does, without anything of the surroundings."""
    argv = [sys.executable, "-m", "jobs.datasets.formats.check", "--task", task, "--file", str(file)]
    done = subprocess.run(
        [*argv, "--filename", "upload", "--out", str(out), *more],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()], done


def test_the_program_ends_well_for_ready_and_for_rejected(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_bytes(csv_of(load_iris()))
    lines, done = run(CLASSES, table, tmp_path, "--label-column", "petal width (cm)")
    assert done.returncode == 0, done.stderr
    assert lines[-1]["state"] == "rejected"
    lines, done = run(CLASSES, table, tmp_path)
    assert done.returncode == 0, done.stderr
    assert lines[-1]["state"] == "ready"
    assert all((tmp_path / name).exists() for name in lines[-1]["files"])


def test_trouble_of_the_machine_is_no_verdict_on_the_data(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_bytes(csv_of(load_iris()))
    lines, done = run(CLASSES, table, tmp_path / "nowhere")
    assert done.returncode != 0
    assert not any(line["type"] == "result" for line in lines)


def test_an_unknown_task_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert checked(tmp_path, b"x", "mind-reading").code == "unknown_task"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("check", ["numpy", "PIL", "pyarrow"]),
        ("images", ["pyarrow", "charset_normalizer"]),
        ("image_check", ["pyarrow"]),
        ("table_check", ["PIL.JpegImagePlugin", "tensorflow", "django"]),
    ],
)
def test_only_what_is_needed_is_loaded(module: str, absent: list[str]) -> None:
    code = f"import sys, jobs.datasets.formats.{module}; print([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
