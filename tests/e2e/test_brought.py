"""A model brought from elsewhere, through the whole portal: checked in the sandbox, built for a board, run."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import pytest
from sklearn.datasets import load_digits

from tests.e2e.portal import Scripter, digits_zip

LABELS = ["zero", "one", "two"]
CHECK_S = 120


def bring(member: Scripter, file: Path, **more: Any) -> Any:
    """The model once it has been checked."""
    form = {"labels": json.dumps(LABELS), **more}
    answer = member.http.post("/models", files={"file": (file.name, file.read_bytes())}, data=form)
    assert answer.status_code == 202, answer.text
    return member.wait(f"/models/{answer.json()['id']}", lambda m: m["state"] != "checking", CHECK_S)


def bundle_of(member: Scripter, model: Any, folder: Path) -> tuple[Any, Path]:
    """A bundle of the model for this computer, and where it was unpacked."""
    asked = member.post("/bundles", {"model": model["id"], "target": "linux-pc"})
    bundle = member.wait(f"/bundles/{asked['id']}", lambda b: b["state"] != "building", CHECK_S)
    assert bundle["state"] == "ready", bundle["reason"]
    content = member.http.get(f"/bundles/{asked['id']}/download").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    return bundle, next(folder.iterdir())


def selftest(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "run.py"), "--selftest"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()[-1]


def test_a_file_of_keras_2_goes_home_without_data(ada: Scripter, tmp_path: Path, old: Path) -> None:
    model = bring(ada, old / "cnn.h5")
    assert (model["state"], model["metrics"]["test"], model["origin"]) == ("ready", {}, "brought"), model
    bundle, folder = bundle_of(ada, model, tmp_path)
    assert bundle["metrics"]["variants"] == ["fp32"]
    assert selftest(folder) == "PASS 32/32"
    assert ada.http.delete(f"/models/{model['id']}").status_code == 204


def test_with_data_it_is_measured_and_made_int8(ada: Scripter, tmp_path: Path, old: Path) -> None:
    packed, digits = io.BytesIO(), load_digits()
    with zipfile.ZipFile(io.BytesIO(digits_zip(300))) as whole, zipfile.ZipFile(packed, "w") as few:
        for number in range(300):
            label = int(digits.target[number])
            if label < len(LABELS):
                few.writestr(f"{LABELS[label]}/{number}.png", whole.read(f"digits/{label}/{number}.png"))
    dataset = ada.dataset("Three digits", "image-classification", "three.zip", packed.getvalue())
    model = bring(ada, old / "cnn_saved.zip", dataset=dataset)
    assert model["state"] == "ready", model["reason"]
    assert model["labels"] == sorted(LABELS)
    accuracy = model["metrics"]["test"]["accuracy"]
    bundle, folder = bundle_of(ada, model, tmp_path)
    assert bundle["metrics"]["float_accuracy"] == pytest.approx(accuracy, abs=0.1)
    assert bundle["metrics"]["variants"] == ["int8", "fp32"]
    assert selftest(folder).startswith("PASS")


def test_code_in_a_file_is_refused(ada: Scripter, old: Path) -> None:
    model = bring(ada, old / "lambda.h5")
    assert model["state"] == "refused"
    assert "Lambda layer" in model["reason"]
    job = ada.get(f"/jobs/{model['job']}")
    assert (job["status"], job["end_reason"]) == ("failed", "refused")


def test_a_model_that_fills_the_memory_is_refused(ada: Scripter, tmp_path: Path, old: Path) -> None:
    file = tmp_path / "huge.h5"
    file.write_bytes((old / "cnn.h5").read_bytes())
    with h5py.File(file, "r+") as opened:
        config = json.loads(opened.attrs["model_config"])
        config["config"]["layers"][-1]["config"]["units"] = 2_000_000_000
        opened.attrs["model_config"] = json.dumps(config)
    model = bring(ada, file)
    assert model["state"] == "refused"
    assert "more memory than a job may have" in model["reason"]
