"""Whole nets, trained and quantised, in the simulated circuit: the test split, vector by vector."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware.fpga.edges import quantised
from hardware.fpga.frontend import read_graph
from hardware.fpga.reference import run
from tests.fpga.rtl.simulated import assert_circuit_equals
from tests.fpga.test_nets import Digits, digits, exported, fitted, plain, separable  # noqa: F401 - a fixture

pytestmark = pytest.mark.train


def residual(layers: Any) -> Any:
    del layers
    from jobs.engine.networks import image_network

    model = image_network((8, 8, 1), classes=10, width=8, dropout=0.0).full
    return model.inputs, model.outputs


@pytest.mark.parametrize("net", [plain, separable, residual])
def test_digits(net: Callable[[Any], Any], digits: Digits, tmp_path: Path) -> None:  # noqa: F811
    import keras

    model = keras.Model(*net(keras.layers))
    fitted(model, digits.train, digits.labels, "sparse_categorical_crossentropy")
    graph = read_graph(exported(model, digits.train[:100], tmp_path))
    x = quantised(digits.test, graph.values[graph.input])
    wanted = run(graph, x)[graph.output]
    assert len(np.unique(wanted.reshape(len(x), -1), axis=0)) > 100
    for lanes in (8, 16, 64, 128):
        assert_circuit_equals(graph, x, lanes, wanted)
