"""A second model file, which answers how one output changes with the input. Loads TensorFlow when called.

A runtime of forward passes alone can then explain its answers: integrated gradients need nothing else.
"""

import functools
from typing import Any

from jobs.engine.export.convert import guarded
from jobs.engine.export.slim import slim

INPUT, OUTPUT, GRADIENT = "input", "output", "gradient"
# TensorFlow's own gradients of these are operations that LiteRT does not have.
_OURS = {"Relu": "GristmillReluGrad", "Relu6": "GristmillRelu6Grad"}


def gradient_file(model: Any) -> bytes:
    """A LiteRT file of batch 1: from `input` (as the model's) and `output` (one-hot [1, outputs]) to `gradient`, that
    of the chosen output in the input's shape. Weights are float16. ConversionError says what LiteRT cannot express.
    """
    import tensorflow as tf

    _register()

    def gradient(**given: Any) -> dict[str, Any]:
        graph = tf.compat.v1.get_default_graph()
        with graph.gradient_override_map(_OURS):
            chosen = tf.reduce_sum(model(given[INPUT], training=False) * given[OUTPUT])
        return {GRADIENT: tf.gradients(chosen, given[INPUT])[0]}

    specs = {
        INPUT: tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name=INPUT),
        OUTPUT: tf.TensorSpec((1, model.output_shape[-1]), tf.float32, name=OUTPUT),
    }
    traced = tf.function(gradient, autograph=False).get_concrete_function(**specs)
    return slim(guarded(lambda: _converted(traced)))


def _converted(traced: Any) -> bytes:
    import tensorflow as tf

    # Without the object that holds the variables, as it has them frozen here: else they stay variables in the file.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


@functools.cache
def _register() -> None:
    """Name our gradients to TensorFlow, once: it takes no name twice."""
    import tensorflow as tf

    @tf.RegisterGradient(_OURS["Relu"])  # type: ignore[untyped-decorator]
    def _relu(operation: Any, above: Any) -> Any:
        return above * tf.cast(tf.greater(operation.outputs[0], 0.0), above.dtype)

    @tf.RegisterGradient(_OURS["Relu6"])  # type: ignore[untyped-decorator]
    def _relu6(operation: Any, above: Any) -> Any:
        y = operation.outputs[0]
        return above * tf.cast(tf.logical_and(tf.greater(y, 0.0), tf.less(y, 6.0)), above.dtype)
