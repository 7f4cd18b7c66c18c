"""What a build does with models that do not fit, convert or answer, and when it is told to leave."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware.targets.profiles import Target, Variant
from hardware.targets.registry import TARGETS
from jobs.engine.ends import InterruptedByRequestError
from jobs.engine.events import Wish
from tests.export.conftest import Built, run_py
from tests.export.loud import beside_a_loud_value

pytestmark = pytest.mark.train
PI = TARGETS["raspberry-pi-4"]


def rebuilt(built: Built, home: Path, target: Target = PI, **changes: Any) -> Built:
    """The same model built again elsewhere, with changes to its task."""
    from jobs.engine.export.build import run

    events: list[dict[str, Any]] = []
    profile = json.loads(json.dumps(target.as_json()))
    task = {**built.task, "out": str(home / "out"), "target": profile, **changes}
    run(task, events.append, Wish())
    return Built(home, task, events)


def test_too_little_memory_is_a_refusal(digits: Built, tmp_path: Path) -> None:
    found = rebuilt(digits, tmp_path, dataclasses.replace(PI, ram_free_bytes=64 << 20))
    assert found.done["reason"] == "refused"
    assert "needs about 96 MiB of memory" in found.done["message"]
    assert not found.bundle.exists()


def test_a_target_without_int8_gets_fp32_and_is_told_why(digits: Built, tmp_path: Path) -> None:
    found = rebuilt(digits, tmp_path, dataclasses.replace(PI, variants=(Variant.FP32,)))
    assert found.done["reason"] == "done"
    assert not (found.bundle / "model.tflite").exists()
    assert found.manifest["default_variant"] == "fp32"
    assert found.manifest["left_out"] == {"int8": "Raspberry Pi 4 does not run int8 models."}
    assert run_py(found.bundle, "--selftest").stdout.splitlines()[-1] == "PASS 32/32"
    asked = run_py(found.bundle, "--selftest", "--variant", "int8")
    assert asked.returncode == 1
    assert "has no int8 model: Raspberry Pi 4 does not run int8" in asked.stderr


def with_a_loud_neighbour(built: Built, path: Path, loudness: float) -> str:
    """The trained model, its answers beside a larger value in one tensor: int8 has no steps left for them."""
    import keras

    beside_a_loud_value(keras.models.load_model(built.task["model"]), loudness).save(path)
    return str(path)


def test_int8_that_loses_badly_is_not_the_default(digits: Built, tmp_path: Path) -> None:
    model = with_a_loud_neighbour(digits, tmp_path / "model.keras", 1 / 16)
    found = rebuilt(digits, tmp_path, model=model)
    assert found.manifest["default_variant"] == "fp32"
    assert "int8 model loses" in found.manifest["note"]
    assert found.done["summary"]["accuracy"] == found.done["summary"]["float_accuracy"]
    assert "int8 model loses" in (found.bundle / "README.md").read_text()
    assert found.manifest["variants"]["int8"]["accuracy"] < found.manifest["variants"]["fp32"]["accuracy"]


def test_int8_that_does_not_run_is_left_out(digits: Built, tmp_path: Path) -> None:
    model = with_a_loud_neighbour(digits, tmp_path / "model.keras", 1000.0)
    found = rebuilt(digits, tmp_path, model=model)
    assert found.done["reason"] == "done"
    assert found.manifest["default_variant"] == "fp32"
    assert "LiteRT cannot run the int8 model" in found.manifest["left_out"]["int8"]
    assert set(found.manifest["variants"]) == {"fp32"}


def test_what_litert_cannot_express_is_a_refusal(digits: Built, tmp_path: Path) -> None:
    import keras

    pixels = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(pixels)
    out = keras.layers.Dense(10, activation="softmax")(
        keras.ops.linalg.svd(keras.ops.reshape(flat, (-1, 8, 8)))[1]
    )
    keras.Model(pixels, out).save(tmp_path / "model.keras")
    found = rebuilt(digits, tmp_path, model=str(tmp_path / "model.keras"))
    assert found.done["reason"] == "refused"
    assert "LiteRT, which runs the model on Raspberry Pi 4, cannot express it" in found.done["message"]


def test_a_model_that_answers_nan_is_a_refusal(digits: Built, tmp_path: Path) -> None:
    import keras

    model = keras.models.load_model(digits.task["model"])
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    model.save(tmp_path / "model.keras")
    found = rebuilt(digits, tmp_path, model=str(tmp_path / "model.keras"))
    assert found.done["reason"] == "refused"


def test_a_build_leaves_when_it_is_told(digits: Built, tmp_path: Path) -> None:
    from jobs.engine.export.build import run

    with pytest.raises(InterruptedByRequestError):
        run({**digits.task, "out": str(tmp_path)}, lambda _event: None, Wish("checkpoint"))
    assert not (tmp_path / "bundle").exists()


def test_building_again_replaces_what_is_left(digits: Built, tmp_path: Path) -> None:
    (tmp_path / "out" / "bundle").mkdir(parents=True)
    (tmp_path / "out" / "bundle" / "stale.tflite").write_text("half")
    found = rebuilt(digits, tmp_path)
    assert not (found.bundle / "stale.tflite").exists()
    assert found.manifest["variants"] == digits.manifest["variants"]
