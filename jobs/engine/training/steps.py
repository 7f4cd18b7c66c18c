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
from jobs.engine.training.rates import DECAY, decays

Floats = NDArray[np.float32]


class Steps(Protocol):
    """What the loop needs of a backend."""

    def trace(self, shape: tuple[int, ...], x_type: str, y_type: str) -> None:
        """Build the training graph ahead of the first batch, whose inputs have `shape`."""

    def train(self, batch: Batch, rate: float) -> Any:
        """Take one step at a learning rate; the outcome may still be under way on the device."""

    def outcomes(self, taken: Sequence[Any]) -> list[tuple[float, float]]:
        """Mean loss, and share of right answers (0 for regression), of steps taken."""

    def predict(self, x: NDArray[Any]) -> Floats:
        """The full model's output for inputs [n, …]."""

    def variables(self) -> list[Any]:
        """The optimizer's state: objects with `shape`, `numpy()` and `assign()`."""


def make_steps(network: Network, classes: int) -> Steps:
    """Steps for the backend that Keras runs on; `classes` 0 learns a number."""
    if keras.backend.backend() == "tensorflow":
        # Imported here: under JAX there may be no TensorFlow to import.
        from jobs.engine.training.steps_tensorflow import TensorFlowSteps

        return TensorFlowSteps(network, classes)
    return KerasSteps(network, classes)


class KerasSteps:
    """Any backend, through `train_on_batch`."""

    def __init__(self, network: Network, classes: int) -> None:
        self._network = network
        self._optimizer = keras.optimizers.AdamW(0.001, weight_decay=DECAY)
        weights = network.raw.trainable_variables
        self._optimizer.exclude_from_weight_decay([weight for weight in weights if not decays(weight.path)])
        self._optimizer.build(weights)
        loss: Any = keras.losses.MeanSquaredError()
        metrics = []
        if classes:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        network.raw.compile(optimizer=self._optimizer, loss=loss, metrics=metrics)

    def trace(self, shape: tuple[int, ...], x_type: str, y_type: str) -> None:
        """Nothing to do: Keras traces at the first batch."""

    def train(self, batch: Batch, rate: float) -> Any:
        # Metrics of a compiled model run on over batches: without a reset each would be the mean so far.
        self._network.raw.reset_metrics()
        self._optimizer.learning_rate = rate
        y = batch.y if batch.y.dtype == np.int64 else batch.y.reshape(-1, 1)
        return self._network.raw.train_on_batch(batch.x.astype(np.float32), y, return_dict=True)

    def outcomes(self, taken: Sequence[Any]) -> list[tuple[float, float]]:
        return [(float(logs["loss"]), float(logs.get("accuracy", 0.0))) for logs in taken]

    def predict(self, x: NDArray[Any]) -> Floats:
        return np.asarray(self._network.full.predict_on_batch(x.astype(np.float32)), dtype=np.float32)

    def variables(self) -> list[Any]:
        return list(self._optimizer.variables)
