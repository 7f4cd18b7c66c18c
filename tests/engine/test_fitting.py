"""A training whose boards can't hold its model ends before its first step, or is made to fit."""

import json
from pathlib import Path

import numpy as np
import pytest

from hardware.targets.registry import TARGETS
from tests.engine.conftest import Start

pytestmark = pytest.mark.train
NANO = json.loads(json.dumps(TARGETS["arduino-nano-33-ble-sense"].as_json()))


def small(count: int) -> dict[str, object]:
    return {**NANO, "ram_free_bytes": count}


def test_what_fits_is_looked_at_and_trained_as_if_nobody_had_looked(few_digits: Path, start: Start) -> None:
    import keras

    params = {"epochs": 1}
    plain = start("image-classifier", few_digits, params)
    looked = start("image-classifier", few_digits, params, targets=[NANO])
    assert "Built untrained, it fits Arduino Nano 33 BLE Sense." in looked.logs
    assert "Built untrained" not in plain.logs
    weights = [
        keras.models.load_model(run.out / "model.keras", compile=False).get_weights()
        for run in (plain, looked)
    ]
    assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))
    report = json.loads((looked.out / "report.json").read_text())
    assert report["fit"]["targets"][0]["fits"] == "fits"


def test_what_is_too_large_ends_before_the_first_step(few_digits: Path, start: Start) -> None:
    run = start("image-classifier", few_digits, {"epochs": 1, "width": 64}, targets=[small(12 << 10)])
    assert run.done["reason"] == "refused"
    assert "Arduino Nano 33 BLE Sense has about 12 KiB free" in run.done["message"]
    assert "would fit with width" in run.done["message"]
    assert not run.of("metric")


def test_what_was_close_is_measured(few_digits: Path, start: Start) -> None:
    """The same model on boards with one KiB less and with just enough: only building it tells them apart."""
    from hardware.targets.profiles import from_json
    from jobs.engine.export import trial
    from jobs.engine.networks import image_network

    content = trial._content(image_network((8, 8, 3), classes=10, width=16, dropout=0.2).full)
    enough = next(kib for kib in range(4, 64) if not trial._reason(content, from_json(small(kib << 10))))
    params = {"epochs": 1, "width": 16}
    less = start("image-classifier", few_digits, params, targets=[small((enough - 1) << 10)])
    assert (less.done["reason"], less.of("metric")) == ("refused", [])
    assert (
        start("image-classifier", few_digits, params, targets=[small(enough << 10)]).done["reason"] == "done"
    )


def test_it_is_made_to_fit_when_asked(few_digits: Path, start: Start) -> None:
    board = small(24 << 10)
    run = start("image-classifier", few_digits, {"epochs": 1, "width": 64}, targets=[board], fit=True)
    assert run.done["reason"] == "done", run.logs
    report = json.loads((run.out / "report.json").read_text())
    assert report["params"]["width"] == report["fit"]["chosen"]["width"] < 64
    assert report["fit"]["sentence"] in run.logs
    assert "Built untrained, it fits" in run.logs


def test_what_the_portal_made_smaller_is_told_too(few_digits: Path, start: Start) -> None:
    params = {"epochs": 1, "width": 8}
    run = start("image-classifier", few_digits, params, targets=[NANO], fit=True, asked={"width": 200})
    assert run.done["reason"] == "done", run.logs
    report = json.loads((run.out / "report.json").read_text())
    assert report["params"]["width"] == 8
    assert (report["fit"]["asked"], report["fit"]["chosen"]) == ({"width": 200}, {"width": 8})
    assert report["fit"]["sentence"] == "To fit Arduino Nano 33 BLE Sense, width 200 became 8."
    assert "Arduino Nano 33 BLE Sense has" in report["fit"]["limits"][0]


def test_tables_are_looked_at_too(iris: Path, start: Start) -> None:
    params = {"epochs": 1, "width": 640, "layers": 4}
    refused = start("table-classifier", iris, params, targets=[NANO])
    assert refused.done["reason"] == "refused"
    fit = start("table-classifier", iris, params, targets=[NANO], fit=True)
    assert fit.done["reason"] == "done", fit.logs
    chosen = json.loads((fit.out / "report.json").read_text())["fit"]["chosen"]
    assert chosen
    assert set(chosen) <= {"width", "layers"}
