"""Small models, quickly trained on data that went through the real checker, and the bundles built from them."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hardware.targets.registry import TARGETS
from jobs.datasets.formats.index import read_index
from jobs.engine.events import Wish

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + bytes(40)
HOSTILE = '<script>alert("1")</script>'


@dataclass(frozen=True)
class Built:
    """A build's folder, what it was made from, and what it said."""

    home: Path
    task: dict[str, Any]
    events: list[dict[str, Any]]

    @property
    def bundle(self) -> Path:
        return self.home / "out" / "bundle"

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads((self.bundle / "manifest.json").read_text())

    @property
    def done(self) -> dict[str, Any]:
        return self.events[-1]


def run_py(folder: Path, *args: object, python: Sequence[str] = ("-I",)) -> subprocess.CompletedProcess[str]:
    """The bundle's program in an interpreter that sees nothing of this repository."""
    return subprocess.run(
        [sys.executable, *python, str(folder / "run.py"), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
    )


def check(home: Path, task: str, name: str, content: bytes, *options: str) -> None:
    """Put an upload through the portal's checker into `home/data`."""
    data = home / "data"
    data.mkdir(parents=True)
    (data / "upload").write_bytes(content)
    args = ["--task", task, "--file", str(data / "upload"), "--filename", name, "--out", str(data), *options]
    done = subprocess.run(
        [sys.executable, "-m", "jobs.datasets.formats.check", *args],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1])["state"] == "ready", done.stdout


def build(home: Path, task_name: str, model: Any, history: list[dict[str, Any]], **changes: Any) -> Built:
    from jobs.engine.export.build import run  # loads LiteRT

    model.save(home / "model.keras")
    report = {"task": task_name, "labels": [], "history": history}
    (home / "report.json").write_text(json.dumps(report))
    task = {
        "kind": "build",
        "target": json.loads(json.dumps(TARGETS["raspberry-pi-4"].as_json())),
        "model": str(home / "model.keras"),
        "report": str(home / "report.json"),
        "data": str(home / "data"),
        "data_key": "key",
        "cache": str(home / "cache"),
        "out": str(home / "out"),
        "provenance": {
            "job": "j1",
            "dataset": "d1",
            "version": 1,
            "code_version": "c0ffee",
            "name": HOSTILE,
            "created_at": "2026-03-01T23:59:53.016170+01:00",
        },
        "options": {},
        **changes,
    }
    events: list[dict[str, Any]] = []
    run(task, events.append, Wish())
    return Built(home, task, events)


def digits_zip() -> bytes:
    from sklearn.datasets import load_digits  # only where digits are needed

    digits, stream = load_digits(), io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            picture = io.BytesIO()
            Image.fromarray((image * 15.9).astype("uint8")).save(picture, "PNG")
            archive.writestr(f"{HOSTILE.replace('/', '')}{label}/{number:04}.png", picture.getvalue())
    return stream.getvalue()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Handwritten digits: 10 classes of 8x8 grey pictures, their labels hostile text."""
    from jobs.engine.data import load
    from jobs.engine.networks import image_network  # loads TensorFlow

    home = tmp_path_factory.mktemp("digits")
    check(home, "image-classification", "digits.zip", digits_zip())
    arrays = load(home / "data", home / "cache", "key", size=(8, 8), channels=1)
    model = image_network((8, 8, 1), classes=10, width=8, dropout=0.0).full
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    noted = model.fit(
        arrays.train.x.astype(np.float32), arrays.train.y, epochs=10, batch_size=32, verbose=0
    ).history
    history = [{"epoch": n, "loss": loss} for n, loss in enumerate(noted["loss"])]
    return build(home, "image-classification", model, history)


ANIMALS = ("cow", "hen", "", "NA", "goat, small", "Schäfchen")


def farm_csv(rows: int = 600) -> bytes:
    """Columns of very unlike ranges with gaps, decimal commas, categories; the target depends on all."""
    chance = np.random.default_rng(1)
    grams, share = chance.normal(40_000, 9_000, rows), chance.random(rows) * 1e-3
    animal = chance.integers(0, len(ANIMALS), rows)
    worth = grams / 9_000 + share * 4_000 + animal
    lines = ["Grams;share;animal;note;worth;kind"]
    for at in range(rows):
        weight = "" if at % 11 == 0 else f"{grams[at]:.1f}".replace(".", ",")
        part = f"{share[at]:.3e}".replace(".", ",")
        kind = "dear" if worth[at] > np.median(worth) else "cheap"
        value = f"{worth[at]:.3f}".replace(".", ",")
        lines.append(f'{weight};{part};"{ANIMALS[animal[at]]}";;{value};{kind}')
    return "\n".join(lines).encode("cp1252")


def table(home: Path, task_name: str, label: str, drop: str) -> Built:
    """A dense network over the farm's table; `drop` is the other target, which would give the answer away."""
    from jobs.engine.data import load
    from jobs.engine.networks import table_network
    from jobs.engine.tables import learn_encoding

    lines = [line.split(";") for line in farm_csv().decode("cp1252").split("\n")]
    gone = lines[0].index(drop)
    text = "\n".join(";".join(cell for at, cell in enumerate(line) if at != gone) for line in lines)
    check(home, task_name, "farm.csv", text.encode("cp1252"), "--label-column", label)
    arrays = load(home / "data", home / "cache", "key")
    index = read_index(home / "data")
    assert index["kind"] == "table"
    regression = not arrays.labels
    encoding = learn_encoding(index["columns"], arrays.train.x, arrays.train.y, regression=regression)
    model = table_network(encoding, classes=len(arrays.labels) or None, width=32, hidden=2, dropout=0.0).full
    model.compile("adam", "mse" if regression else "sparse_categorical_crossentropy")
    model.fit(arrays.train.x, arrays.train.y, epochs=40, batch_size=16, verbose=0)
    return build(home, task_name, model, [])


@pytest.fixture(scope="session")
def farm_classes(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return table(tmp_path_factory.mktemp("classes"), "table-classification", "kind", "worth")


@pytest.fixture(scope="session")
def farm_values(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return table(tmp_path_factory.mktemp("values"), "table-regression", "worth", "kind")
