"""The fixed-point constants that an int8 operator needs, worked out from its tensors' scales.

A factor is (multiplier, shift) and stands for multiplier · 2^(shift − 31): Jacob et al. 2018, arXiv 1712.05877. How
each operator combines scales is that of TensorFlow Lite's quantisation specification and reference kernels.
"""

import math
from typing import NamedTuple

import numpy as np

_ONE = 1 << 31
_LEAST_SHIFT = -31
SOFTMAX_INTEGER_BITS = 5
ADD_SHIFT = 20


class Factor(NamedTuple):
    """multiplier · 2^(shift − 31), the multiplier an int32."""

    multiplier: int
    shift: int


def factor_of(value: float) -> Factor:
    """The nearest factor to a positive real number; a vanishing one becomes 0."""
    if value == 0:
        return Factor(0, 0)
    mantissa, shift = math.frexp(value)
    # Halves away from zero, as C's round does.
    multiplier = math.floor(mantissa * _ONE + 0.5)
    if multiplier == _ONE:
        multiplier, shift = multiplier // 2, shift + 1
    return Factor(0, 0) if shift < _LEAST_SHIFT else Factor(multiplier, shift)


def step_of(real: float, scale: float) -> int:
    """A real bound in steps: divided as 32-bit floats, halves away from zero (LiteRT's
    kernel_util.cc, Quantize).
    """
    steps = float(np.float32(real) / np.float32(scale))
    return math.floor(abs(steps) + 0.5) * (1 if steps > 0 else -1)


def mean_factor(scale: float, count: int) -> Factor:
    """`factor_of(scale)` with the division by `count` folded in."""
    multiplier, shift = factor_of(scale)
    # As far left as 64 bits allow: count.bit_length() - 1 places keep multiplier · 2^places / count below 2^31.
    places = min(count.bit_length() - 1, 32, 31 + shift)
    return Factor((multiplier << places) // count, shift - places)


def softmax_factor(scale: float, beta: float) -> tuple[Factor, int]:
    """What takes a difference of int8 steps to Q5.26, and the least difference that still counts."""
    real = min(beta * scale * (1 << (31 - SOFTMAX_INTEGER_BITS)), _ONE - 1.0)
    factor = factor_of(real)
    largest = ((1 << SOFTMAX_INTEGER_BITS) - 1) * (1 << (31 - SOFTMAX_INTEGER_BITS))
    return factor, -math.floor(largest / (1 << factor.shift))
