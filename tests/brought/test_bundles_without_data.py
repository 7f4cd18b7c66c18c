"""Bundles of models that came without data: fp32 only, unmeasured, and saying so; the board still checks itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jobs.engine.export.dataless import vectors
from tests.brought.conftest import TEN, Take, linear, report_of, saved
from tests.export.conftest import Built, run_py

pytestmark = pytest.mark.train


def built(take: Take, path: Path, labels: list[str], home: Path, target: Any = None, **more: Any) -> Built:
    """The model taken in, and a bundle built of what that left."""
    from hardware.targets.registry import TARGETS
    from jobs.engine.events import Wish
    from jobs.engine.export.build import run

    left = take(path, labels, **more)
    report_of(left)
    task = {
        "kind": "build",
        "target": (target or TARGETS["raspberry-pi-4"]).as_json(),
        "model": str(left.out / "model.keras"),
        "report": str(left.out / "report.json"),
        "data": None,
        "cache": str(home / "cache"),
        "out": str(home / "out"),
        "provenance": {"model": "m1", "name": "Brought", "origin": "brought"},
    }
    events: list[dict[str, Any]] = []
    run(task, events.append, Wish())
    return Built(home, task, events)


def test_pictures(take: Take, digits: Path, tmp_path: Path) -> None:
    found = built(take, saved(linear(digits), tmp_path / "m.keras"), TEN, tmp_path)
    assert found.done["reason"] == "done"
    assert "could not be measured" in found.done["message"]
    assert (found.done["summary"]["samples"], found.done["summary"]["variants"]) == (0, ["fp32"])
    manifest = found.manifest
    assert manifest["measured"] is False
    assert (manifest["labels"], manifest["default_variant"]) == (TEN, "fp32")
    assert "no data to calibrate int8" in manifest["left_out"]["int8"]
    assert manifest["variants"]["fp32"]["samples"] == 0
    assert "accuracy" not in manifest["variants"]["fp32"]
    assert "seed 0" in manifest["selftest"]["inputs"]
    assert manifest["provenance"]["origin"] == "brought"
    done = run_py(found.bundle, "--selftest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS 32/32")
    Image.fromarray(vectors((8, 8, 1))[1, ..., 0]).save(tmp_path / "picture.png")
    said = json.loads(run_py(found.bundle, "--json", tmp_path / "picture.png").stdout)
    assert said["label"] in TEN
    for name in ("report.html", "README.md"):
        text = (found.bundle / name).read_text()
        assert "nobody has measured" in text, name
        assert "training never saw" not in text, name
        assert "Trained on" not in text, name


def test_rows_are_asked_for_by_place(take: Take, tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    found = built(take, saved(model, tmp_path / "m.keras"), [], tmp_path)
    assert found.done["reason"] == "done"
    (tmp_path / "rows.csv").write_text("column 2,column 1\n3,2\n")
    said = json.loads(run_py(found.bundle, "--json", tmp_path / "rows.csv").stdout)
    wanted = float(np.asarray(model(np.array([[2.0, 3.0]], np.float32)))[0, 0])
    assert said["value"] == pytest.approx(wanted, rel=1e-4)
    assert run_py(found.bundle, "--selftest").returncode == 0


def digit(digits: Path) -> tuple[Any, list[str]]:
    return linear(digits), TEN


def wine(_digits: Path) -> tuple[Any, list[str]]:
    import keras

    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]), ["red", "white", "rosé"]


def worth(_digits: Path) -> tuple[Any, list[str]]:
    import keras

    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)]), []


models = pytest.mark.parametrize("make", [digit, wine, worth])


@models
@pytest.mark.parametrize("name", ["browser", "onnx", "keras", "savedmodel"])
def test_every_other_kind_is_built_and_says_so(
    name: str, make: Any, take: Take, digits: Path, tmp_path: Path
) -> None:
    from hardware.targets.registry import TARGETS

    model, labels = make(digits)
    found = built(take, saved(model, tmp_path / "m.keras"), labels, tmp_path, TARGETS[name])
    assert found.done["reason"] == "done", found.done
    assert "could not be measured" in found.done["message"]
    assert found.done["summary"]["samples"] == 0
    manifest = found.manifest
    assert manifest["measured"] is False
    files = {**manifest["variants"], **manifest.get("formats", {})}
    assert all(
        each["samples"] == 0 and "accuracy" not in each and "mae" not in each for each in files.values()
    )
    done = run_py(found.bundle, "--selftest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS 32/32"), done.stderr
    told = ["report.html", "README.md", *(["index.html"] if name == "browser" else [])]
    for file in told:
        assert "nobody has measured" in (found.bundle / file).read_text(), file


@models
def test_a_microcontroller_takes_int8_and_is_refused(
    make: Any, take: Take, digits: Path, tmp_path: Path
) -> None:
    from hardware.targets.registry import TARGETS

    model, labels = make(digits)
    path = saved(model, tmp_path / "m.keras")
    found = built(take, path, labels, tmp_path, TARGETS["raspberry-pi-pico-2"])
    assert found.done["reason"] == "refused", found.done
    assert found.done["message"].startswith("Raspberry Pi Pico 2 takes int8. There is no data to calibrate")
    assert not found.bundle.exists()


def test_a_board_for_int8_alone_is_refused(take: Take, digits: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from hardware.targets.profiles import Variant
    from hardware.targets.registry import TARGETS

    target = replace(TARGETS["raspberry-pi-4"], variants=(Variant.INT8,))
    found = built(take, saved(linear(digits), tmp_path / "m.keras"), TEN, tmp_path, target)
    assert found.done["reason"] == "refused"
    assert "no data to calibrate int8" in found.done["message"]


def test_the_vectors_are_always_the_same() -> None:
    for shape in ((8, 8, 1), (33, 17, 3), (5,)):
        first, second = vectors(shape), vectors(shape)
        assert first.shape == (64, *shape)
        np.testing.assert_array_equal(first, second)
        assert len(np.unique(first.reshape(64, -1), axis=0)) == 64
