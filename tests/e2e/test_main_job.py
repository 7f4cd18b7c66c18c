"""The main job from outside: data in, live training, a signed bundle out that runs by itself."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_wine

from tests.e2e.portal import Scripter


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "run.py", *arguments], cwd=home, capture_output=True, text=True, timeout=60
    )


@pytest.fixture(scope="module")
def trained(ada: Scripter, digits: str) -> dict:
    body = {
        "recipe": "image-classifier", "dataset": digits, "targets": ["raspberry-pi-4"],
        "params": {"epochs": 12}, "name": "Digits",
    }  # fmt: skip
    job = ada.ended(ada.post("/jobs", body))
    assert job["status"] == "succeeded", ada.trail(f"/jobs/{job['id']}")
    return job


@pytest.fixture(scope="module")
def bundle(ada: Scripter, trained: dict) -> dict:
    made = ada.post("/bundles", {"model": trained["model"], "target": "raspberry-pi-4"}, status=200)
    made = ada.wait(f"/bundles/{made['id']}", lambda b: b["state"] != "building")
    assert made["state"] == "ready", made
    return made


@pytest.fixture(scope="module")
def home(ada: Scripter, bundle: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pi")
    with zipfile.ZipFile(io.BytesIO(ada.http.get(bundle["download"]).content)) as packed:
        packed.extractall(folder)
    return next(folder.iterdir())


def test_the_job_tells_how_it_went(ada: Scripter, trained: dict) -> None:
    assert (trained["end_reason"], trained["progress"]) == ("done", 1.0)
    path = f"/jobs/{trained['id']}"
    rows = ada.get(f"{path}/metrics")
    assert [row["step"] for row in rows] == sorted({row["step"] for row in rows})
    assert {"loss", "val_loss"} <= set(rows[0]["values"])
    assert ada.get(f"{path}/metrics?after={rows[0]['step']}") == rows[1:]
    moves = [(event["old"], event["new"]) for event in ada.get(f"{path}/events")]
    assert moves == [
        (None, "queued"),
        ("queued", "starting"),
        ("starting", "running"),
        ("running", "succeeded"),
    ]
    assert ada.http.get(f"{path}/logs").text


def test_the_model_was_evaluated_on_the_untouched_split(ada: Scripter, trained: dict, digits: str) -> None:
    model = ada.get(f"/models/{trained['model']}")
    test = model["metrics"]["test"]
    assert test["accuracy"] > 0.85
    held_out = ada.get(f"/datasets/{digits}/versions/1")["report"]["splits"]["test"]
    assert np.sum(test["confusion_matrix"]) == held_out
    assert model["labels"] == [str(digit) for digit in range(10)]
    assert ada.http.get(model["keras"]).content[:2] == b"PK"


def test_the_bundle_runs_by_itself_and_agrees(
    ada: Scripter, home: Path, bundle: dict, tmp_path: Path
) -> None:
    assert bundle["metrics"]["accuracy"] > 0.85
    self_test = run(home, "--selftest")
    assert self_test.returncode == 0, self_test.stdout + self_test.stderr
    assert self_test.stdout.strip().splitlines()[-1].startswith("PASS")
    digits = load_digits()
    pictures = []
    for number in range(600, 660):
        pictures.append(tmp_path / f"{number}.png")
        Image.fromarray((digits.images[number] * 255 / 16).round().astype(np.uint8)).save(pictures[-1])
    answers = [json.loads(line) for line in run(home, *map(str, pictures), "--json").stdout.splitlines()]
    assert all(set(answer) == {"input", "label", "confidence", "scores"} for answer in answers)
    right = [answer["label"] == str(digits.target[600 + n]) for n, answer in enumerate(answers)]
    assert np.mean(right) > 0.8


def test_the_bundle_is_signed_and_notices_a_change(ada: Scripter, home: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(ada.http.get("/signing-key").text)
    assert run(home, "--verify", "--key", str(key)).returncode == 0
    labels = (home / "labels.json").read_bytes()
    (home / "labels.json").write_bytes(labels.replace(b"3", b"8", 1))
    try:
        assert run(home, "--verify", "--key", str(key)).returncode != 0
    finally:
        (home / "labels.json").write_bytes(labels)


def test_the_signed_receipt_says_what_it_was_made_of_and_took(
    ada: Scripter, home: Path, trained: dict, digits: str, bundle: dict
) -> None:
    manifest = json.loads((home / "manifest.json").read_text())
    receipt = manifest["receipt"]
    assert receipt == ada.get(f"/models/{trained['model']}")["receipt"] == bundle["receipt"]
    assert receipt["recipe"]["name"] == "image-classifier"
    assert receipt["seed"] == receipt["recipe"]["params"]["seed"]
    assert (receipt["data"]["dataset"], receipt["data"]["version"]) == (digits, 1)
    assert receipt["data"]["sha256"] == manifest["provenance"]["dataset_sha256"]
    assert receipt["code_version"] == manifest["provenance"]["code_version"]
    assert receipt["libraries"]["keras"] == manifest["built_with"]["keras"]
    took = receipt["training"]
    assert [attempt["accelerator"] for attempt in took["attempts"]] == ["cpu"]
    assert took["device_seconds"] > 0
    assert took["energy_known"]
    assert took["energy_kwh"] > 0
    assert "ada" not in json.dumps(receipt).split('"')


def test_downloads_can_be_resumed(ada: Scripter, bundle: dict) -> None:
    whole = ada.http.get(bundle["download"])
    assert "attachment" in whole.headers["Content-Disposition"]
    rest = ada.http.get(bundle["download"], headers={"Range": "bytes=100-"})
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    same = ada.http.get(bundle["download"], headers={"If-None-Match": whole.headers["ETag"]})
    assert same.status_code == 304


def test_a_table_becomes_a_bundle_too(ada: Scripter, tmp_path: Path) -> None:
    wine = load_wine()
    header = ";".join([name.replace(";", ",") for name in wine.feature_names] + ["cultivar"])
    lines = [
        ";".join([*(str(value).replace(".", ",") for value in row), f"class {label}"])
        for row, label in zip(wine.data, wine.target, strict=True)
    ]
    text = "\n".join([header, *lines]).encode()
    dataset = ada.dataset("Wine", "table-classification", "wine.csv", text, label_column="cultivar")
    body = {"recipe": "table-classifier", "dataset": dataset, "targets": ["raspberry-pi-4"]}
    job = ada.ended(ada.post("/jobs", body))
    assert job["status"] == "succeeded", ada.trail(f"/jobs/{job['id']}")
    assert ada.get(f"/models/{job['model']}")["metrics"]["test"]["accuracy"] > 0.8
    made = ada.wait(f"/bundles/{job['bundles'][0]}", lambda b: b["state"] != "building")
    assert made["state"] == "ready", made
    with zipfile.ZipFile(io.BytesIO(ada.http.get(made["download"]).content)) as packed:
        packed.extractall(tmp_path)
    home = next(tmp_path.iterdir())
    (tmp_path / "rows.csv").write_bytes(text)
    answers = [
        json.loads(line) for line in run(home, str(tmp_path / "rows.csv"), "--json").stdout.splitlines()
    ]
    right = [answer["label"] == f"class {label}" for answer, label in zip(answers, wine.target, strict=True)]
    assert np.mean(right) > 0.9
