"""What the engine can't compute is refused by name, with what to use instead."""

from collections.abc import Callable

import numpy as np
import pytest

from hardware.fpga.errors import UnsupportedError
from hardware.fpga.frontend import read_graph
from tests.fpga.files import ACTIVATIONS, PADDINGS, Draft

ONES = np.ones((4, 1, 1, 3), np.int8)


def logistic() -> bytes:
    net = Draft()
    source = net.value((4,), 0.1, 0)
    return net.content(source, net.operator("LOGISTIC", [source], net.value((4,), 1 / 256, -128)))


def softmax_inside() -> bytes:
    net = Draft()
    source = net.value((4,), 0.1, 0)
    made = net.operator("SOFTMAX", [source], net.value((4,), 1 / 256, -128), "SoftmaxOptions", beta=1.0)
    return net.content(source, net.operator("RELU", [made], net.value((4,), 1 / 256, -128)))


def convolution(
    side: int = 4, depth: int = 3, weights: np.ndarray = ONES, activation: str = "none", bias: int = 0
) -> bytes:
    net = Draft()
    source = net.value((side, side, depth), 0.1, 0)
    inputs = [source, net.constant(weights, [0.01])]
    if bias:
        inputs.append(net.constant(np.full(len(weights), bias, np.int32), [0.001]))
    out = net.value((side, side, len(weights)), 0.1, 0)
    net.operator(
        "CONV_2D", inputs, out, "Conv2DOptions", strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1,
        padding=PADDINGS["same"], fusedActivationFunction=ACTIVATIONS.get(activation, 4),
    )  # fmt: skip
    return net.content(source, out)


def groups() -> bytes:
    return convolution(depth=6)


def too_large() -> bytes:
    return convolution(side=513)


def other_activation() -> bytes:
    return convolution(activation="tanh")


def overflowing() -> bytes:
    return convolution(bias=2**31 - 1)


def asymmetric_weights() -> bytes:
    net = Draft()
    source, out = net.value((3,), 0.1, 0), net.value((4,), 0.1, 0)
    weights = net.constant(ONES.reshape(4, 3), [0.01], zero=3)
    net.operator("FULLY_CONNECTED", [source, weights], out, "FullyConnectedOptions")
    return net.content(source, out)


def mean_of_channels() -> bytes:
    net = Draft()
    source, out = net.value((4, 4, 3), 0.1, 0), net.value((4, 4), 0.1, 0)
    net.operator("MEAN", [source, net.constant(np.array([3], np.int32))], out, "ReducerOptions")
    return net.content(source, out)


def floats_inside() -> bytes:
    net = Draft()
    source, real = net.floats((4,)), net.floats((4,))
    first, second = net.value((4,), 0.1, 0), net.value((4,), 0.1, 0)
    net.operator("QUANTIZE", [source], first)
    net.operator("DEQUANTIZE", [first], real)
    net.operator("QUANTIZE", [real], second)
    return net.content(source, net.operator("DEQUANTIZE", [second], net.floats((4,))))


def floats_throughout() -> bytes:
    net = Draft()
    source = net.floats((4,))
    return net.content(source, net.operator("RELU", [source], net.floats((4,))))


@pytest.mark.parametrize(
    ("made", "operator", "reason", "instead"),
    [
        (logistic, "LOGISTIC", "no such operator", "softmax over two classes"),
        (softmax_inside, "SOFTMAX", "no such operator", "last layer"),
        (groups, "CONV_2D", "groups", "depthwise"),
        (too_large, "INPUT", "513 × 513 × 3 is larger than 512", "smaller pictures"),
        (other_activation, "CONV_2D", "activation", "ReLU"),
        (overflowing, "CONV_2D", "32 bits", "fewer inputs"),
        (asymmetric_weights, "FULLY_CONNECTED", "zero point 0", "static int8"),
        (mean_of_channels, "MEAN", "axes", "rows and columns"),
        (floats_inside, "QUANTIZE", "2 tensors", "before or behind"),
        (floats_throughout, "QUANTIZE", "0 tensors", "static int8"),
    ],
)
def test_it_says_which_operator_and_what_to_use_instead(
    made: Callable[[], bytes], operator: str, reason: str, instead: str
) -> None:
    with pytest.raises(UnsupportedError) as refused:
        read_graph(made())
    error = refused.value
    assert error.operator == operator
    assert error.layer.startswith("t") or error.layer == "input"
    assert reason in error.reason
    assert instead in error.instead
    assert str(error) == f"{error.operator} ({error.layer}): {error.reason}. Instead: {error.instead}."


def test_a_file_of_another_kind_is_no_net() -> None:
    net = Draft()
    source = net.value((4,), 0.1, 0)
    net.content(source, source)
    net.graph.outputs = [source, source]
    import flatbuffers

    builder = flatbuffers.Builder(64)
    builder.Finish(net.model.Pack(builder), b"TFL3")
    with pytest.raises(ValueError, match="more than one input or output"):
        read_graph(bytes(builder.Output()))
