"""An int8 model that is really worse than the float one: told in red, and what was seen to help put in its place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware.targets.registry import TARGETS
from tests.export.conftest import Built, build, check, run_py
from tests.export.test_refusals import rebuilt, with_a_loud_neighbour

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def loud(digits: Built, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its int8 has few steps left for the answers, beside a value as loud."""
    return with_a_loud_neighbour(digits, tmp_path_factory.mktemp("loud") / "model.keras", 1 / 16)


def int8_of(built: Built) -> dict[str, Any]:
    found: dict[str, Any] = built.manifest["variants"]["int8"]
    return found


def test_a_model_that_loses_nothing_is_told_so(digits: Built) -> None:
    int8 = int8_of(digits)
    assert not int8["compared"]["real"]
    assert "remedy" not in int8
    assert digits.done["summary"]["compared"] == int8["compared"]
    assert int8["compared"]["drop"] == pytest.approx(
        digits.manifest["variants"]["fp32"]["accuracy"] - int8["accuracy"]
    )
    page = (digits.bundle / "report.html").read_text()
    assert 'class="drop"' not in page
    assert "no drop that stands out from chance (exact McNemar test" in page
    assert "compared" not in digits.manifest["variants"]["fp32"]


def test_what_it_needs_stands_in_the_report_and_in_the_metrics(digits: Built) -> None:
    page, summary = (digits.bundle / "report.html").read_text(), digits.done["summary"]
    assert "estimated, with Python and the runtime" in page
    assert "model.tflite uses ADD, CONV_2D" in page
    assert int8_of(digits)["operators_supported"]
    assert summary["operators"] == int8_of(digits)["operators"]
    assert 20_000_000 < summary["ram_measured_bytes"] < summary["ram_bytes"]


def test_on_a_computer_the_drop_is_red_and_the_float_model_runs(
    digits: Built, loud: str, tmp_path: Path
) -> None:
    found = rebuilt(digits, tmp_path, model=loud)
    int8 = int8_of(found)
    assert int8["compared"]["real"]
    assert int8["compared"]["p"] < 0.001
    assert int8["remedy"] == {"applied": "", "tried": [], "before": int8["compared"]}
    assert found.manifest["default_variant"] == "fp32"
    assert found.manifest["note"].startswith("As plain int8 the model really loses 0.")
    assert found.done["summary"]["compared"]["real"]
    page = (found.bundle / "report.html").read_text()
    assert '<p class="drop"><strong>Drop: model.tflite</strong>' in page
    assert "a real drop (exact McNemar test, p &lt; 0.001)" in page
    assert "therefore fp32 runs by default" in page
    assert "a real drop" in (found.bundle / "README.md").read_text()


def test_on_a_microcontroller_activations_of_16_bits_bring_it_back(
    digits: Built, loud: str, tmp_path: Path
) -> None:
    found = rebuilt(digits, tmp_path, TARGETS["arduino-nano-33-ble-sense"], model=loud)
    int8, board = int8_of(found), found.manifest["microcontroller"]
    assert int8["remedy"]["applied"] == "wide"
    assert int8["remedy"]["before"]["real"]
    [tried] = int8["remedy"]["tried"]
    assert tried["helps"]
    assert tried["gain"] > 0.1
    for each in (int8, board):
        assert not each["compared"]["real"]
        assert each["accuracy"] > found.manifest["variants"]["fp32"]["accuracy"] - 0.02
    assert (found.bundle / board["file"]).read_bytes() == (found.bundle / "model.tflite").read_bytes()
    assert board["model_bytes"] < found.manifest["variants"]["fp32"]["model_bytes"]
    assert board["plain_c"] == {"left_out": "No plain C: it has no kernels for activations of 16 bits."}
    assert board["proof"].startswith(
        "TensorFlow Lite Micro: operators and arena checked, not run on this core."
    )
    assert "there is none of this model" in board["proof"]
    assert "of floats, row by row: pixels 0..255" in (found.bundle / "README.md").read_text()
    assert found.manifest["default_variant"] == "int8"
    assert "Therefore it has activations of 16 bits" in found.done["summary"]["note"]
    assert found.done["summary"]["compared"] == board["compared"]
    assert run_py(found.bundle, "--selftest").stdout.splitlines()[-1] == "PASS 32/32"
    page = (found.bundle / "report.html").read_text()
    assert '<p class="drop"><strong>Drop: model.tflite as plain int8</strong>' in page
    assert "<p><strong>model.tflite as it is now</strong>" in page
    assert "Therefore it has activations of 16 bits" in page


def nearest_centroid(x: np.ndarray, y: np.ndarray) -> Any:
    """Dense layers that answer the class whose mean is nearest, with a constant of 2,000 beside the scores."""
    import keras

    means = np.stack([x[y == label].mean(axis=0) for label in range(3)])
    rows = keras.Input((4,))
    scores = keras.layers.Dense(4, name="scores")(rows)
    model = keras.Model(rows, keras.layers.Dense(3, activation="softmax", name="keep")(scores))
    weights = np.concatenate([means.T, np.full((4, 1), 0.01)], axis=1)
    model.get_layer("scores").set_weights([weights, np.append(-0.5 * (means**2).sum(axis=1), 2000.0)])
    model.get_layer("keep").set_weights([np.eye(4, 3), np.zeros(3)])
    return model


def test_a_table_gets_16_bits_on_a_computer_too(tmp_path: Path) -> None:
    from sklearn.datasets import load_iris

    from jobs.engine.data import load

    iris = load_iris()
    lines = [
        "a,b,c,d,kind",
        *(f"{','.join(map(str, row))},k{label}" for row, label in zip(iris.data, iris.target, strict=True)),
    ]
    check(tmp_path, "table-classification", "iris.csv", "\n".join(lines).encode(), "--label-column", "kind")
    train = load(tmp_path / "data", tmp_path / "cache", "key").train
    found = build(tmp_path, "table-classification", nearest_centroid(train.x, train.y), [])
    int8 = int8_of(found)
    assert found.manifest["variants"]["fp32"]["accuracy"] > 0.8
    assert int8["remedy"]["applied"] == "wide"
    assert int8["remedy"]["before"]["drop"] > 0.2
    assert not int8["compared"]["real"]
    assert found.manifest["default_variant"] == "int8"
    assert run_py(found.bundle, "--selftest").stdout.splitlines()[-1].startswith("PASS")
