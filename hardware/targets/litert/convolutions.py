"""The convolutions of a .tflite file, as a library's kernels see them."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from hardware.targets.kernels import Convolution, padding_before
from hardware.targets.litert.file import Operator

_NAMES = {"CONV_2D", "DEPTHWISE_CONV_2D"}


def convolution_of(operator: Operator) -> Convolution | None:
    """Of a quantised operator; None for one that is no convolution, or of floats. ValueError without its weights."""
    if operator.name not in _NAMES:
        return None
    read, weights, written, options = (
        operator.tensor(0),
        operator.tensor(1),
        operator.outputs[0],
        operator.options,
    )
    if read.dtype not in {np.int8, np.int16}:
        return None
    sides, kernel, made = ((tensor.shape[1], tensor.shape[2]) for tensor in (read, weights, written))
    strides = (int(options.strideH), int(options.strideW))
    dilation = (int(options.dilationHFactor), int(options.dilationWFactor))
    same = options.padding == schema.Padding.SAME
    return Convolution(
        sides=sides,
        channels=read.shape[3],
        kernel=kernel,
        strides=strides,
        before=padding_before(sides, made, kernel, strides, dilation) if same else (0, 0),
        made=made,
        outputs=written.shape[3],
        depthwise=operator.name == "DEPTHWISE_CONV_2D",
        value_bytes=int(np.dtype(read.dtype).itemsize),
    )
