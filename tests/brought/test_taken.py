"""Models that are taken in: every kind of file, measured or not, made to fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.bundles import reports
from tests.brought.conftest import TEN, Take, exported, kept, linear, pixels_of, report_of, saved

pytestmark = pytest.mark.train
THREE = ["a", "b", "c"]


def test_without_data_it_is_taken_unmeasured(take: Take, digits: Path, tmp_path: Path) -> None:
    model = linear(digits, softmax=True)
    run = take(saved(model, tmp_path / "m.keras"), TEN)
    report = report_of(run)
    assert (report["task"], report["labels"], report["origin"]) == ("image-classification", TEN, "brought")
    assert report["metrics"] == {"test": {}, "validation": {}}
    assert report["input"] == {"kind": "image", "height": 8, "width": 8, "channels": 1, "range": [0, 255]}
    assert "nobody has measured it" in report["notes"][-1]
    assert reports.parse((run.out / "report.json").read_bytes()).labels == TEN
    x, _ = pixels_of(digits)
    np.testing.assert_allclose(kept(run)(x[:9]), model(x[:9]), atol=1e-6)
    assert [event["name"] for event in run.of("artefact")] == ["model.keras", "report.json"]


def test_with_data_it_is_measured_in_the_datasets_order(take: Take, digits: Path, tmp_path: Path) -> None:
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    model = linear(digits, order=order)
    run = take(saved(model, tmp_path / "m.keras"), [str(number) for number in order], digits)
    report = report_of(run)
    assert report["labels"] == TEN
    assert report["metrics"]["test"]["accuracy"] > 0.85
    assert report["samples"]["test"] == sum(row["support"] for row in report["metrics"]["test"]["per_class"])
    assert report["mistakes"][0]["label"] in TEN
    mistakes, maps = report["explanations"]
    assert mistakes["kind"] == "confident-mistakes"
    assert maps["kind"] == "attribution-maps"
    assert maps["deletion"]["score"] > maps["deletion"]["random"]
    assert {example["right"] for example in maps["examples"]} == {True, False}
    assert {"Its answers were no probabilities; a softmax was put behind them."} < set(report["notes"])
    assert run.done["summary"]["metrics"]["accuracy"] == report["metrics"]["test"]["accuracy"]
    x, y = pixels_of(digits)
    answers = np.asarray(kept(run)(x))
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert (answers.argmax(axis=1) == y).mean() > 0.85


def test_pixels_are_scaled_as_it_was_said(take: Take, digits: Path, tmp_path: Path) -> None:
    path = saved(linear(digits, scale=1 / 255), tmp_path / "m.keras")
    wrong = report_of(take(path, TEN, digits))
    assert any("seems to want pixels 0..1" in note for note in wrong["notes"])
    right = report_of(take(path, TEN, digits, pixels="0..1"))
    assert right["metrics"]["test"]["accuracy"] > 0.85
    assert not any("seems to want" in note for note in right["notes"])


def test_the_datasets_own_labels_serve_where_none_are_named(take: Take, digits: Path, tmp_path: Path) -> None:
    assert report_of(take(saved(linear(digits), tmp_path / "m.keras"), None, digits))["labels"] == TEN


@pytest.mark.parametrize(
    ("name", "answers"), [("cnn.h5", "cnn"), ("cnn_saved.zip", "cnn"), ("branch.h5", "branch")]
)
def test_files_of_keras_2_answer_as_they_did(name: str, answers: str, take: Take, old: Path) -> None:
    run = take(old / name, THREE)
    report_of(run)
    with np.load(old / "answers.npz") as known:
        wanted = known[answers]
        found = np.asarray(kept(run)(known["x"]))
    if answers == "branch":  # it gave logits
        wanted = np.exp(wanted - wanted.max(axis=1, keepdims=True))
        wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def many_layers() -> Any:
    """A layer of most kinds that small models have."""
    import keras
    from keras import layers

    pixels = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="swish")(x)
    side = layers.AveragePooling2D(2)(pixels)
    x = layers.Concatenate()([x, side])
    x = layers.BatchNormalization()(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(layers.ZeroPadding2D(1)(x))
    x = layers.Conv2DTranspose(6, 2, strides=2)(layers.UpSampling2D()(x))
    x = layers.LayerNormalization()(x)
    x = layers.Dropout(0.5)(layers.SeparableConv2D(5, 3, activation="gelu")(x))
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([x, layers.Conv2D(5, 1, activation="hard_sigmoid")(squeezed)])
    x = layers.Flatten()(layers.MaxPooling2D(4)(x))
    return keras.Model(pixels, layers.Dense(3, activation="softmax")(x))


def attention() -> Any:
    import keras
    from keras import layers

    row = keras.Input((6,))
    x = layers.Reshape((3, 2))(row)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(x, x)])
    return keras.Model(row, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


@pytest.mark.parametrize("make", [many_layers, attention])
def test_an_exported_saved_model_becomes_layers_again(make: Any, take: Take, tmp_path: Path) -> None:
    from jobs.engine.export.dataless import vectors

    model = make()
    run = take(exported(model, tmp_path / "packed"), THREE)
    report_of(run)
    x = vectors(model.input_shape[1:]).astype(np.float32)
    np.testing.assert_allclose(kept(run)(x), model(x), atol=1e-4)


def test_one_sigmoid_tells_two_labels_apart(take: Take, tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    run = take(saved(model, tmp_path / "m.keras"), ["no", "yes"])
    assert report_of(run)["task"] == "table-classification"
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    yes = np.asarray(model(x))[:, 0]
    np.testing.assert_allclose(kept(run)(x), np.stack([1 - yes, yes], axis=1), atol=1e-6)


def test_a_table_by_rows_of_the_dataset(take: Take, iris: Path, tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    report = report_of(take(saved(model, tmp_path / "m.h5"), ["virginica", "setosa", "versicolor"], iris))
    assert report["labels"] == ["setosa", "versicolor", "virginica"]
    assert [column["name"] for column in report["input"]["columns"]] == ["c0", "c1", "c2", "c3"]
    kinds = [found["kind"] for found in report["explanations"]]
    assert kinds == ["confident-mistakes", "permutation-importance", "surrogate-rules"]


def test_a_number_is_foretold_without_labels(take: Take, tmp_path: Path) -> None:
    import keras

    run = take(saved(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]), tmp_path / "m.keras"), [])
    report = report_of(run)
    assert (report["task"], report["labels"]) == ("table-regression", [])
    assert report["input"]["columns"][0]["name"] == "column 1"
