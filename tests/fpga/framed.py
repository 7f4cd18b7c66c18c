"""Files with operators on floats around their int8 core: what a computer computes beside the engine."""

import numpy as np
from numpy.typing import NDArray

from tests.fpga.files import Draft

MEANS = np.array([1.5, -20.0, 300.25], np.float32)
FACTORS = np.array([0.5, 0.03, 0.001], np.float32)
UNITS = 3


def table() -> bytes:
    """As the table recipe's: numbers 0, 2 and 3 scaled and cut, flags where 2 is missing, column 1 one-hot; a dense
    layer on int8; then numbers in their own unit.
    """
    net = Draft()
    row = net.floats((4,))
    x = gathered(net, row, [0, 2, 3])
    missing = net.operator("NOT_EQUAL", [x, x], net.booleans((3,)), "NotEqualOptions")
    means = net.constant(MEANS)
    x = net.operator("SELECT_V2", [missing, means, x], net.floats((3,)), "SelectV2Options")
    x = net.operator("SUB", [x, means], net.floats((3,)), "SubOptions")
    x = net.operator("MUL", [x, net.constant(FACTORS)], net.floats((3,)), "MulOptions")
    for name, limit in (("MINIMUM", 6.0), ("MAXIMUM", -6.0)):
        bound = net.constant(np.array(limit, np.float32))
        x = net.operator(name, [x, bound], net.floats((3,)), "MaximumMinimumOptions")
    gap = gathered(net, row, [2])
    gap = net.operator("NOT_EQUAL", [gap, gap], net.booleans((1,)), "NotEqualOptions")
    gap = net.operator("CAST", [gap], net.floats((1,)), "CastOptions")
    code = gathered(net, row, [1])
    codes = net.constant(np.arange(3, dtype=np.float32))
    code = net.operator("EQUAL", [code, codes], net.booleans((3,)), "EqualOptions")
    code = net.operator("CAST", [code], net.floats((3,)), "CastOptions")
    whole = net.operator("CONCATENATION", [x, gap, code], net.floats((7,)), "ConcatenationOptions", axis=1)
    whole = net.operator("QUANTIZE", [whole], net.value((7,), 0.05, -3))
    weights = np.random.default_rng(7).integers(-127, 128, (UNITS, 7)).astype(np.int8)
    held, bias = net.constant(weights, [0.01]), net.constant(np.arange(UNITS, dtype=np.int32) * 500, [0.0005])
    inside = net.value((UNITS,), 0.06, -10)
    net.operator("FULLY_CONNECTED", [whole, held, bias], inside, "FullyConnectedOptions")
    real = net.operator("DEQUANTIZE", [inside], net.floats((UNITS,)))
    real = net.operator(
        "MUL", [real, net.constant(np.array(2.5, np.float32))], net.floats((UNITS,)), "MulOptions"
    )
    offset = net.constant(np.array([[-1.25]], np.float32))
    return net.content(row, net.operator("ADD", [real, offset], net.floats((UNITS,)), "AddOptions"))


def gathered(net: Draft, row: int, places: list[int]) -> int:
    at = net.constant(np.array(places, np.int32))
    return net.operator("GATHER", [row, at], net.floats((len(places),)), "GatherOptions", axis=1)


def classifier(weights: NDArray[np.int8], side: int) -> bytes:
    """Grey pictures of `side` × `side` pixels, 0..255, to probabilities: a dense layer and a softmax. `weights`
    [classes][pixels].
    """
    net, classes = Draft(), len(weights)
    pixels = net.floats((side, side, 1))
    x = net.operator("QUANTIZE", [pixels], net.value((side, side, 1), 1.0, -128))
    shape = net.constant(np.array([1, side * side], np.int32))
    x = net.operator(
        "RESHAPE", [x, shape], net.value((side * side,), 1.0, -128), "ReshapeOptions",
        newShape=[1, side * side],
    )  # fmt: skip
    bias = net.constant(np.arange(classes, dtype=np.int32) * 10_000, [5e-5])
    held = net.constant(weights, [5e-5])
    scores = net.value((classes,), 0.05, 3)
    x = net.operator("FULLY_CONNECTED", [x, held, bias], scores, "FullyConnectedOptions")
    x = net.operator("SOFTMAX", [x], net.value((classes,), 1 / 256, -128), "SoftmaxOptions", beta=1.0)
    return net.content(pixels, net.operator("DEQUANTIZE", [x], net.floats((classes,))))
