"""Training steps as TensorFlow graphs, traced once each."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from jobs.engine.networks import Network
from jobs.engine.training.batches import Batch

Floats = NDArray[np.float32]


def prepare_process(threads: int | None) -> None:
    """Settings that TensorFlow takes before its first operation only: threads, memory that grows, determinism."""
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, enable=True)
    tf.config.experimental.enable_op_determinism()


class TensorFlowSteps:
    """See `Steps`. XLA is left off: on a CPU it made steps of small networks 1.4 times slower, and the first 1.3 s later."""

    def __init__(self, network: Network, optimizer: keras.optimizers.Optimizer, classes: int) -> None:
        self._network = network
        self._optimizer = optimizer
        self._classes = classes
        self._train = tf.function(self._step, autograph=False, reduce_retracing=True)
        self._predict = tf.function(self._answer, autograph=False, reduce_retracing=True)

    def train(self, batch: Batch) -> Any:
        return self._train(tf.constant(batch.x), tf.constant(batch.y))

    def outcomes(self, taken: Sequence[Any]) -> list[tuple[float, float]]:
        return [(float(loss), float(right)) for loss, right in taken]

    def predict(self, x: NDArray[Any]) -> Floats:
        return np.asarray(self._predict(tf.constant(x)), dtype=np.float32)

    def trace(self, x: tf.TensorSpec, y: tf.TensorSpec) -> None:
        """Build the training graph ahead of the first batch, which may still be decoded meanwhile."""
        self._train.get_concrete_function(x, y)

    def _step(self, x: Any, y: Any) -> Any:
        model = self._network.raw
        with tf.GradientTape() as tape:
            raw = model(tf.cast(x, tf.float32), training=True)
            losses, right = self._judge(y, raw)
            loss = tf.reduce_mean(losses)
        variables = model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return loss, right

    def _judge(self, y: Any, raw: Any) -> tuple[Any, Any]:
        if not self._classes:
            return tf.math.squared_difference(raw[:, 0], tf.cast(y, tf.float32)), tf.constant(0.0)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=raw)
        right = tf.reduce_mean(tf.cast(tf.argmax(raw, axis=-1) == y, tf.float32))
        return losses, right

    def _answer(self, x: Any) -> Any:
        return self._network.full(tf.cast(x, tf.float32), training=False)
