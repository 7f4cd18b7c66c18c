"""A model that is made to fit a microcontroller, from the form's words to the bundle that runs."""

import zipfile
from pathlib import Path

import pytest

from tests.e2e.portal import Scripter

pytestmark = pytest.mark.long
NANO = "arduino-nano-33-ble-sense"


def test_a_model_is_made_to_fit_and_built(ada: Scripter, digits: str, tmp_path: Path) -> None:
    body = {
        "recipe": "image-classifier", "dataset": digits, "targets": [NANO],
        "params": {"epochs": 6, "width": 256, "batch_size": 64},
    }  # fmt: skip
    refused = ada.post("/jobs", body, status=400)
    assert refused["code"] == "too_large"
    assert "Arduino Nano 33 BLE Sense has" in refused["detail"]
    assert "would fit with width" in refused["detail"]
    job = ada.post("/jobs", {**body, "fit": True})
    assert job["params"]["width"] == job["fit"]["chosen"]["width"] < 256
    trained = ada.ended(job)
    assert trained["status"] == "succeeded", ada.trail(f"/jobs/{job['id']}")
    assert (
        "Built untrained, it fits Arduino Nano 33 BLE Sense." in ada.http.get(f"/jobs/{job['id']}/logs").text
    )
    bundle = ada.wait(f"/bundles/{trained['bundles'][0]}", lambda b: b["state"] != "building")
    assert bundle["state"] == "ready", bundle["reason"]
    [told] = trained["fit"]["targets"]
    assert bundle["metrics"]["arena_bytes"] <= told["ram_free_bytes"]
    assert abs(bundle["metrics"]["arena_bytes"] / told["ram_bytes"] - 1) < 0.15
    archive = tmp_path / "nano.zip"
    archive.write_bytes(ada.http.get(bundle["download"]).content)
    with zipfile.ZipFile(archive) as packed:
        assert any(name.endswith("gristmill_tflm.cc") for name in packed.namelist())
        page = packed.read(next(name for name in packed.namelist() if name.endswith("report.html"))).decode()
    assert job["fit"]["sentence"].startswith("To fit Arduino Nano 33 BLE Sense, width 256 became ")
    assert f"<h2>Made to fit</h2><p>{job['fit']['sentence']}</p>" in page
    assert job["fit"]["limits"][0] in page
