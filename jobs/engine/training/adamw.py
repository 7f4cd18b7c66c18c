"""AdamW over all weights as one vector.

Keras's optimizers update weight by weight, some fifteen operations each: for the networks that boards can hold, tracing
that costs more than all the rest of the first step (0.55 s of 0.9 s for 38 weights). As one vector it is a dozen
operations in all.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from jobs.engine.training.rates import DECAY, FIRST, SECOND, SMALL, decays


class FlatAdamW:
    """The update of Loshchilov and Hutter 2019 (arXiv:1711.05101), equal to `keras.optimizers.AdamW`."""

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self._values = [variable.value for variable in variables]
        self._sizes = [int(np.prod(value.shape)) for value in self._values]
        decay = [float(decays(variable.path)) * DECAY for variable in variables]
        self._decay = np.repeat(np.array(decay, dtype=np.float32), self._sizes)
        total = sum(self._sizes)
        self._mean = tf.Variable(tf.zeros(total))
        self._square = tf.Variable(tf.zeros(total))
        self._count = tf.Variable(0, dtype=tf.int64)

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        """Change the weights by one step, in the graph that is being traced."""
        gradient = _flat(gradients)
        count = tf.cast(self._count.assign_add(1), tf.float32)
        mean = self._mean.assign(FIRST * self._mean + (1 - FIRST) * gradient)
        square = self._square.assign(SECOND * self._square + (1 - SECOND) * tf.square(gradient))
        size = rate * tf.sqrt(1 - tf.pow(SECOND, count)) / (1 - tf.pow(FIRST, count))
        change = size * mean / (tf.sqrt(square) + SMALL) + rate * self._decay * _flat(self._values)
        for value, part in zip(self._values, tf.split(change, self._sizes), strict=True):
            value.assign_sub(tf.reshape(part, value.shape))

    @property
    def variables(self) -> list[Any]:
        """The state that a checkpoint holds."""
        return [self._count, self._mean, self._square]


def _flat(values: Sequence[Any]) -> Any:
    return tf.concat([tf.reshape(value, [-1]) for value in values], axis=0)
