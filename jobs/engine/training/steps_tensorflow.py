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


class TensorFlowSteps:
    """See `Steps`. Without XLA, with which steps of small networks took 1.4 times as long on a CPU."""

    def __init__(self, network: Network, classes: int) -> None:
        self._network = network
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
        model = self._network.raw
        with tf.GradientTape() as tape:
            loss, right = self._judge(y, model(tf.cast(x, tf.float32), training=True))
        weights = [variable.value for variable in model.trainable_variables]
        self._optimizer.apply(tape.gradient(loss, weights), rate)
        return loss, right

    def _judge(self, y: Any, raw: Any) -> tuple[Any, Any]:
        """Mean cross-entropy and share of right answers; for a number the mean squared error of its scaled value."""
        if not self._classes:
            return tf.reduce_mean(tf.math.squared_difference(raw[:, 0], y)), tf.constant(0.0)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=raw)
        right = tf.cast(tf.argmax(raw, axis=-1) == y, tf.float32)
        return tf.reduce_mean(losses), tf.reduce_mean(right)

    def _answer(self, x: Any) -> Any:
        return self._network.full(tf.cast(x, tf.float32), training=False)
