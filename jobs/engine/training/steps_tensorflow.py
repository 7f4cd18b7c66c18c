"""Training steps as TensorFlow graphs, traced once each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from jobs.engine.networks import Network
from jobs.engine.training.adamw import FlatAdamW
from jobs.engine.training.batches import Batch

Floats = NDArray[np.float32]


def parts(size: int, devices: int) -> list[int]:
    """How many samples of a batch each device gets: as even as can be, none for nobody."""
    return [size // devices + (place < size % devices) for place in range(min(size, devices))]


def _devices() -> list[Any]:
    """The GPUs, or where there is none the processor, which is several devices only where it was split up."""
    return list(tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))


class TensorFlowSteps:
    """See `Steps`. Without XLA, with which steps of small networks took 1.4 times as long on a CPU.

    On several devices each takes its part of every batch, with the weights of the first. The gradients' mean, weighted
    by the parts, is that of the whole batch, but for batch normalisation, which sees its part alone.
    """

    def __init__(self, network: Network, classes: int) -> None:
        self._network = network
        self._devices = [device.name for device in _devices()]
        self._classes = classes
        self._optimizer = FlatAdamW(network.raw.trainable_variables)
        self._train = tf.function(self._step, autograph=False, reduce_retracing=True)
        self._predict = tf.function(self._answer, autograph=False, reduce_retracing=True)

    def trace(self, shape: tuple[int, ...], x_type: str, y_type: str) -> None:
        y = tf.TensorSpec(shape[:1], y_type)
        self._train.get_concrete_function(tf.TensorSpec(shape, x_type), y, tf.TensorSpec((), tf.float32))

    def train(self, batch: Batch, rate: float) -> Any:
        return self._train(tf.constant(batch.x), tf.constant(batch.y), tf.constant(rate, dtype=tf.float32))

    def outcomes(self, taken: Sequence[Any]) -> list[tuple[float, float]]:
        return [(float(loss), float(right)) for loss, right in taken]

    def predict(self, x: NDArray[Any]) -> Floats:
        return np.asarray(self._predict(tf.constant(x)), dtype=np.float32)

    def variables(self) -> list[Any]:
        return self._optimizer.variables

    def _step(self, x: Any, y: Any, rate: Any) -> Any:
        sizes = parts(int(x.shape[0]), len(self._devices))
        if len(sizes) == 1:
            gradients, loss, right = self._learn(x, y)
        else:
            gradients, loss, right = self._learn_apart(tf.split(x, sizes), tf.split(y, sizes), sizes)
        self._optimizer.apply(gradients, rate)
        return loss, right

    def _learn(self, x: Any, y: Any) -> tuple[list[Any], Any, Any]:
        """Gradients, loss and share of right answers."""
        model = self._network.raw
        with tf.GradientTape() as tape:
            loss, right = self._judge(y, model(tf.cast(x, tf.float32), training=True))
        weights = [variable.value for variable in model.trainable_variables]
        return tape.gradient(loss, weights), loss, right

    def _learn_apart(self, xs: Any, ys: Any, sizes: Sequence[int]) -> tuple[list[Any], Any, Any]:
        found = []
        for device, x, y in zip(self._devices, xs, ys, strict=False):  # a small batch has parts for some only
            with tf.device(device):
                gradients, loss, right = self._learn(x, y)
            found.append([*gradients, loss, right])
        shares = [size / sum(sizes) for size in sizes]
        *means, loss, right = [
            tf.add_n([value * share for value, share in zip(values, shares, strict=True)])
            for values in zip(*found, strict=True)
        ]
        return means, loss, right

    def _judge(self, y: Any, raw: Any) -> tuple[Any, Any]:
        """Mean cross-entropy and share of right answers; for a number the mean squared error of its scaled value."""
        if not self._classes:
            return tf.reduce_mean(tf.math.squared_difference(raw[:, 0], y)), tf.constant(0.0)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=raw)
        right = tf.cast(tf.argmax(raw, axis=-1) == y, tf.float32)
        return tf.reduce_mean(losses), tf.reduce_mean(right)

    def _answer(self, x: Any) -> Any:
        return self._network.full(tf.cast(x, tf.float32), training=False)
