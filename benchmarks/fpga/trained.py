"""Nets as members train them: through a whole portal, from the upload to the `.keras` file."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fpga.nets import Net
from jobs.engine.data import Arrays, load
from portal.kit import clock
from tests.e2e.portal import ROOT, Portal, Scripter

TASK = "image-classification"
_LONGEST_S = 1800


@dataclass(frozen=True)
class Trained:
    """`floats`: the accuracy that the portal found on its test split, which `arrays` has too. `seconds`: from the
    submission of the job to the model.
    """

    net: Net
    model: Any
    arrays: Arrays
    floats: float
    seconds: float


def trained(nets: Sequence[Net], source: Path, folder: Path) -> list[Trained]:
    """One after the other in one portal, which is stopped then. `source` has the data; `folder` is worked in."""
    folder.mkdir(parents=True, exist_ok=True)
    portal = Portal(folder / "portal")
    portal.start()
    try:
        member = portal.member("bench")
        found = [_through(member, net, net.data(source), folder / net.name) for net in nets]
    finally:
        portal.stop()
    return [_opened(net, folder / net.name, *told) for net, told in zip(nets, found, strict=True)]


def _through(member: Scripter, net: Net, content: bytes, folder: Path) -> tuple[dict[str, Any], float]:
    """Leaves the upload and the model in `folder`; the model as the API tells of it, and seconds."""
    dataset = member.dataset(net.title, TASK, f"{net.name}.zip", content)
    body = {"recipe": "image-classifier", "dataset": dataset, "params": net.asked}
    began = clock.monotonic()
    job = member.ended(member.post("/jobs", body), _LONGEST_S)
    took = clock.monotonic() - began
    assert job["status"] == "succeeded", member.trail(f"/jobs/{job['id']}")
    model = member.get(f"/models/{job['model']}")
    data = folder / "data"
    data.mkdir(parents=True)
    (data / "upload").write_bytes(content)
    (folder / "model.keras").write_bytes(member.http.get(model["keras"]).content)
    return model, took


def _opened(net: Net, folder: Path, told: dict[str, Any], seconds: float) -> Trained:
    """The upload goes through the portal's checker once more: splits follow from what it holds."""
    from jobs.engine.export.convert import keras_file

    data = folder / "data"
    options = ["--task", TASK, "--file", str(data / "upload"), "--filename", f"{net.name}.zip"]
    command = [sys.executable, "-m", "jobs.datasets.formats.check", *options, "--out", str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["state"] == "ready", done.stdout
    model = keras_file(folder / "model.keras")
    height, width, channels = model.input_shape[1:]
    arrays = load(data, folder / "cache", net.name, size=(height, width), channels=channels)
    floats = float(told["metrics"]["test"]["accuracy"])
    answers = model.predict(arrays.test.x.astype("float32"), verbose=0).argmax(axis=1)
    here = float((answers == arrays.test.y).mean())
    assert abs(here - floats) * len(answers) < 2, f"another test split: {here} instead of {floats}"
    return Trained(net, model, arrays, floats, seconds)
