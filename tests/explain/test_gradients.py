"""Gradients as TensorFlow and JAX compute them, against differences of the network's own answers."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.train
ROOT = Path(__file__).parents[2]
# A process for each backend: Keras has one for good.
PROGRAM = """
import keras, numpy as np
from jobs.engine.explain.gradients import make_gradients
from jobs.engine.explain.integrated import IntegratedGradients
from jobs.engine.networks import image_network
keras.utils.set_random_seed(1)
model = image_network((8, 8, 3), classes=4, width=4, dropout=0.2).full
for layer in model._flatten_layers():
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.set_weights([w + 0.3 * np.random.rand(*w.shape) for w in layer.get_weights()])
before = [np.array(w) for w in model.get_weights()]
gradients = make_gradients(model)
chance = np.random.default_rng(0)
x = chance.uniform(0, 255, (5, 8, 8, 3)).astype("float32")
outputs = np.array([0, 3, 2, 2, 1])
along = np.sign(gradients(x, outputs))
answer = lambda points: np.asarray(model(points, training=False))[np.arange(5), outputs].astype("float64")
measured = (answer(x + 0.05 * along) - answer(x - 0.05 * along)) / 0.1
computed = (gradients(x, outputs) * along).sum(axis=(1, 2, 3))
assert np.allclose(measured, computed, rtol=0.05, atol=1e-5), (measured, computed)
assert np.ptp(computed) > 1e-4
found = IntegratedGradients(gradients, steps=256, batch=16)(x[1], x[0], 3)
change = np.ptp(np.asarray(model(x[:2], training=False))[:, 3])
assert abs(abs(found.sum()) - change) < 0.05 * change, (found.sum(), change)
assert all((a == b).all() for a, b in zip(before, model.get_weights())), "explaining changes no weight"
print("as computed")
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_gradients_are_what_differences_say(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed here")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=200,
    )
    assert done.stdout.strip() == "as computed", done.stderr[-2000:]
