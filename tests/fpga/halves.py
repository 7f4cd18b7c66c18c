"""Files of one layer whose weights are all zero: it answers with its biases alone, rescaled. These stand where the next
step begins, so that a factor that is off by a little shows.
"""

import numpy as np
from numpy.typing import NDArray

from tests.fpga.files import ACTIVATIONS, PADDINGS, Draft

READ, WEIGHTS, MADE = (float(np.float32(each)) for each in (0.0131, 0.0073, 900.0))
"""Scales of the input, of all weights, of the output: the product of the first two differs in 32-bit floats."""
HALF = float(np.float32(12 / 199))
"""An output's scale: 6 is 99.5 steps in 32-bit floats, and a little less in doubles."""


def edges(scale: float) -> NDArray[np.int32]:
    """Sums to both sides of where their product with the scale is half way between two steps."""
    middles = np.round((np.array([*range(-100, -92), *range(92, 100)]) + 0.5) / scale).astype(np.int64)
    return (middles[:, None] + np.arange(-60, 61, 4)).ravel().astype(np.int32)


def biased(
    name: str, biases: NDArray[np.int32], *, made: float = MADE, zero: int = 0, activation: str = "none"
) -> bytes:
    """A FULLY_CONNECTED of 4 inputs or a CONV_2D of 1 × 1, with one scale for all weights."""
    draft, units = Draft(), len(biases)
    dense = name == "FULLY_CONNECTED"
    source = draft.value((4,) if dense else (1, 1, 4), READ, 0)
    weights = draft.constant(np.zeros((units, 4) if dense else (units, 1, 1, 4), np.int8), [WEIGHTS])
    bias = draft.constant(biases, [float(np.float32(READ * WEIGHTS))])
    out = draft.value((units,) if dense else (1, 1, units), made, zero)
    options = {"fusedActivationFunction": ACTIVATIONS[activation]}
    if not dense:
        steps = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
        options |= {**steps, "padding": PADDINGS["valid"]}
    kind = "FullyConnectedOptions" if dense else "Conv2DOptions"
    draft.operator(name, [source, weights, bias], out, kind, **options)
    return draft.content(source, out)


def steep(*factors: float) -> bytes:
    """A CONV_2D of 1 × 1 with a channel for each of these factors, from steps of its sums to steps of its output."""
    draft, units = Draft(), len(factors)
    source = draft.value((3, 3, 4), READ, 5)
    scales = [float(np.float32(each / READ)) for each in factors]
    weights = np.arange(-2, 4 * units - 2, dtype=np.int8).reshape(units, 1, 1, 4)
    held = draft.constant(weights, scales)
    bias = draft.constant(np.zeros(units, np.int32), [float(np.float32(READ * each)) for each in scales])
    out = draft.value((3, 3, units), 1.0, -3)
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    draft.operator(
        "CONV_2D", [source, held, bias], out, "Conv2DOptions", padding=PADDINGS["valid"], **options
    )
    return draft.content(source, out)
