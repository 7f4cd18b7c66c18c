"""One training step and one prediction, per backend.

TensorFlow gets graphs of our own: the first step then comes a second sooner than through `compile` and `fit`, and the
same kernels run however a training is cut up. Other backends go through Keras's own batch methods.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from jobs.engine.networks import Network
from jobs.engine.training.batches import Batch

Floats = NDArray[np.float32]


class Steps(Protocol):
    """What the loop needs of a backend."""

    def train(self, batch: Batch) -> Any:
        """Take one step; the outcome may still be under way on the device."""

    def outcomes(self, taken: Sequence[Any]) -> list[tuple[float, float]]:
        """Mean loss, and share of right answers (0 for regression), of steps taken."""

    def predict(self, x: NDArray[Any]) -> Floats:
        """The full model's output for inputs [n, …]."""


def loss_of(classes: int) -> keras.losses.Loss:
    """Cross-entropy on logits for classes; for a number (0 classes) the squared error of its scaled value."""
    if classes:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.MeanSquaredError()


def make_steps(network: Network, optimizer: keras.optimizers.Optimizer, classes: int) -> Steps:
    """Steps for the backend that Keras runs on. The optimizer must be built."""
    if keras.backend.backend() == "tensorflow":
        # Imported here: under JAX there may be no TensorFlow to import.
        from jobs.engine.training.steps_tensorflow import TensorFlowSteps

        return TensorFlowSteps(network, optimizer, classes)
    return KerasSteps(network, optimizer, classes)


class KerasSteps:
    """Any backend, through `train_on_batch`."""

    def __init__(self, network: Network, optimizer: keras.optimizers.Optimizer, classes: int) -> None:
        self._network = network
        metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")] if classes else []
        network.raw.compile(optimizer=optimizer, loss=loss_of(classes), metrics=metrics)

    def train(self, batch: Batch) -> Any:
        # Metrics of a compiled model run on over batches: without a reset each would be the mean so far.
        self._network.raw.reset_metrics()
        return self._network.raw.train_on_batch(
            batch.x.astype(np.float32), _column(batch.y), return_dict=True
        )

    def outcomes(self, taken: Sequence[Any]) -> list[tuple[float, float]]:
        return [(float(logs["loss"]), float(logs.get("accuracy", 0.0))) for logs in taken]

    def predict(self, x: NDArray[Any]) -> Floats:
        return np.asarray(self._network.full.predict_on_batch(x.astype(np.float32)), dtype=np.float32)


def _column(y: NDArray[Any]) -> NDArray[Any]:
    return y if y.dtype == np.int64 else y.reshape(-1, 1)
