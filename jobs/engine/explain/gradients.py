"""How an answer changes with its input, per backend: Keras 3 has no word for gradients of its own."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Gradients = Callable[[Floats, NDArray[np.int64]], Floats]


def make_gradients(model: keras.Model) -> Gradients | None:
    """A function of inputs [n, …] and one output's number for each [n]: the gradients of those outputs, [n, …].

    None where the backend is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _tensorflow(model)
    if backend == "jax":
        return _jax(model)
    return None


def _tensorflow(model: keras.Model) -> Gradients:
    # Imported here, as JAX is below: only the backend in use has to be installed.
    import tensorflow as tf

    def of(x: Any, outputs: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            chosen = tf.gather(model(x, training=False), outputs, axis=1, batch_dims=1)
        return tape.gradient(chosen, x)

    traced = tf.function(of, autograph=False, reduce_retracing=True)

    def gradients(x: Floats, outputs: NDArray[np.int64]) -> Floats:
        return np.asarray(traced(tf.constant(x), tf.constant(outputs)), dtype=np.float32)

    return gradients


def _jax(model: keras.Model) -> Gradients:
    import jax

    fixed = [variable.value for variable in model.trainable_variables]
    moving = [variable.value for variable in model.non_trainable_variables]

    def total(x: Any, outputs: Any) -> Any:
        answers, _ = model.stateless_call(fixed, moving, x, training=False)
        return answers[jax.numpy.arange(len(outputs)), outputs].sum()

    compiled = jax.jit(jax.grad(total))

    def gradients(x: Floats, outputs: NDArray[np.int64]) -> Floats:
        return np.asarray(compiled(x, outputs), dtype=np.float32)

    return gradients
