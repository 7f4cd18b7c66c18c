"""Whole nets, trained on digits or a table and quantised as for a Raspberry Pi: every tensor as LiteRT has it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.fpga.floats import ends_of
from hardware.fpga.frontend import read_graph
from hardware.fpga.ir import (
    Accumulate,
    AddTables,
    Concat,
    Convolution,
    Depthwise,
    Graph,
    MaxPool,
    Multiply,
    Rescale,
)
from hardware.fpga.passes.order_layers import peak
from hardware.fpga.plan import planned
from hardware.fpga.reference import run
from hardware.fpga.wire import ends
from tests.fpga.compared import WORD, LiteRT, assert_equal, assert_passes_keep

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytestmark = pytest.mark.train


@dataclass(frozen=True)
class Digits:
    """8 × 8 grey pictures, 0 … 255: (n, 8, 8, 1) float32."""

    train: NDArray[np.float32]
    labels: NDArray[np.int64]
    test: NDArray[np.float32]


@pytest.fixture(scope="module")
def digits() -> Digits:
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures = (data.images[..., None] * 15.9).astype(np.float32)
    return Digits(pictures[:1437], data.target[:1437], pictures[1437:])


def plain(layers: Any) -> Any:
    """Convolutions, both kinds of pooling, a flattened map with channels that fill no word, dense layers."""
    x = source = layers.Input((8, 8, 1))
    x = layers.Rescaling(1 / 64, offset=-2.0)(x)
    x = layers.Conv2D(10, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(12, 3, dilation_rate=2, padding="same", activation="relu6")(x)
    x = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    x = layers.Dense(20, activation="relu")(layers.Flatten()(x))
    return source, layers.Dense(10, activation="softmax")(x)


def separable(layers: Any) -> Any:
    """As MobileNet: padding of its own, strides, a depth multiplier, joined branches, squeeze and excitation."""
    x = source = layers.Input((8, 8, 1))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(layers.Rescaling(1 / 64, offset=-2.0)(x))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, use_bias=False)(x)))
    y = layers.ReLU()(
        layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x))
    )
    x = layers.Concatenate()([layers.MaxPooling2D(3, strides=1, padding="same")(x), y])
    gate = layers.Dense(24, activation="relu6")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Multiply()([x, gate])
    x = layers.Conv2D(16, 1, activation="relu")(layers.ZeroPadding2D(1)(x))
    x = layers.DepthwiseConv2D(3, strides=(2, 2))(x)
    return source, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def fitted(model: Any, x: NDArray[np.float32], y: NDArray[Any], loss: str) -> Any:
    model.compile("adam", loss)
    model.fit(x, y, epochs=2, batch_size=32, verbose=0)
    return model


def exported(model: Any, samples: NDArray[np.float32], folder: Path, kind: str = "int8") -> bytes:
    from jobs.engine.export.convert import Converter

    with Converter(model, samples.shape[1:], folder) as converter:
        return getattr(converter, kind)(samples)


def graph_of(content: bytes, real: NDArray[np.float32]) -> tuple[Graph, NDArray[np.float32]]:
    """Read, and the whole test split compared: the quantised input, every tensor, the floats that the file gives.

    What the host computes at the ends is compared too.
    """
    graph, litert = read_graph(content), LiteRT(content)
    end = litert.output["index"]
    theirs = litert.run(real.astype(litert.input["dtype"]), sorted({*graph.values, end}))
    given = theirs[end] if end in graph.values else theirs.pop(end)
    x = theirs[graph.input]
    said = ends_of(content)
    assert np.array_equal(ends.entered(said, real), x)
    assert_equal(graph, run(graph, x), theirs)
    assert np.array_equal(ends.left(said, theirs[graph.output]), given)
    lowered = assert_passes_keep(graph, x, theirs[graph.output])
    assert peak(lowered, WORD) <= planned(graph, word=WORD).memory.words
    return lowered, given


@pytest.mark.parametrize(
    ("net", "kinds"),
    [
        (plain, {Multiply, AddTables, Convolution, MaxPool, Accumulate}),
        (separable, {Multiply, AddTables, Convolution, Depthwise, MaxPool, Concat, Accumulate}),
    ],
)
def test_nets_of_many_operators(
    net: Callable[[Any], Any], kinds: set[type], digits: Digits, tmp_path: Path
) -> None:
    import keras

    model = keras.Model(*net(keras.layers))
    fitted(model, digits.train, digits.labels, "sparse_categorical_crossentropy")
    lowered, _ = graph_of(exported(model, digits.train[:100], tmp_path), digits.test)
    assert kinds <= {type(layer) for layer in lowered.layers} <= kinds | {Rescale}


def test_a_residual_net_with_floats_and_with_int8_at_its_ends(digits: Digits, tmp_path: Path) -> None:
    from jobs.engine.networks import image_network

    model = image_network((8, 8, 1), classes=10, width=8, dropout=0.0).full
    fitted(model, digits.train, digits.labels, "sparse_categorical_crossentropy")
    lowered, given = graph_of(exported(model, digits.train[:100], tmp_path), digits.test)
    assert {type(layer) for layer in lowered.layers} == {Multiply, AddTables, Convolution, Accumulate}
    content = exported(model, digits.train[:100], tmp_path, "int8_throughout")
    whole, steps = graph_of(content, digits.test - 128)
    assert not whole.host.quantises
    assert (given.argmax(axis=1) == steps.argmax(axis=1)).mean() > 0.9


@pytest.mark.parametrize("classes", [3, None])
def test_a_tables_dense_core(classes: int | None, tmp_path: Path) -> None:
    """What is done to the columns stays float: the host's."""
    from sklearn.datasets import load_wine

    from jobs.engine.export.convert import Converter
    from jobs.engine.export.graph import inspect
    from jobs.engine.networks import table_network
    from jobs.engine.tables import learn_encoding

    data = load_wine()
    x, y = data.data.astype(np.float32), data.target
    columns: Any = [{"name": name, "type": "number", "missing": 0} for name in data.feature_names]
    encoding = learn_encoding(columns, x, y, regression=classes is None)
    model = table_network(encoding, classes=classes, width=24, hidden=2, dropout=0.0).full
    fitted(model, x, y, "sparse_categorical_crossentropy" if classes else "mse")
    with Converter(model, x.shape[1:], tmp_path) as converter:
        content = converter.int8_core(x[:100], inspect(converter.fp32()).operators)
    lowered, _ = graph_of(content, x)
    assert lowered.host.before
    assert bool(lowered.host.softmax) == bool(classes)
    assert {type(layer) for layer in lowered.layers} == {Convolution}
