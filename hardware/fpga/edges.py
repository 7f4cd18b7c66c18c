"""What the host does around the engine: floats to int8, int8 to floats, softmax.

Sources: LiteRT's reference/quantize.h and dequantize.h; reference/softmax.h on gemmlowp's fixedpoint.h
(exp_on_negative_values, one_over_one_plus_x_for_x_in_0_1), with GetReciprocal of kernels/internal/common.h.
"""

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.arithmetic import away
from hardware.fpga.ir import HIGHEST, LOWEST, Int8s, Integers, Softmax, Value

_ONE = (1 << 31) - 1
_QUARTER = 1 << 24  # in Q5.26
# e^(-1/4), e^(-1/2), e^-1 … e^-16 in Q0.31.
_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_SUM_BITS = 12  # whole bits of the sum of exponentials


def quantised(real: NDArray[np.float32], to: Value) -> Int8s:
    """Floats in `to`'s steps; the division is one of floats, halves go away from zero."""
    steps = away(real.astype(np.float32) / np.float32(to.scale)) + to.zero
    held: Int8s = np.clip(steps, LOWEST, HIGHEST).astype(np.int8)
    return held


def dequantised(steps: Int8s, of: Value) -> NDArray[np.float32]:
    return (of.scale * (steps.astype(np.float64) - of.zero)).astype(np.float32)


def softmax(layer: Softmax, steps: Int8s) -> Int8s:
    """Over the last axis, in fixed point."""
    below = steps.astype(np.int64) - steps.max(axis=-1, keepdims=True)
    counts = below >= layer.lowest
    table = _exponentials(layer)
    powers = table[below + 255]
    sums = np.where(counts, _divided(powers, _SUM_BITS), 0).sum(axis=-1, keepdims=True)
    free = 31 - np.floor(np.log2(sums)).astype(np.int64)  # leading zeros of 32 bits
    inverse = _reciprocal((sums << free) - (1 << 31))
    steps_up = _divided(_high(inverse, powers), _SUM_BITS - free + 31 - 8)
    return np.where(counts, np.clip(steps_up + LOWEST, LOWEST, HIGHEST), LOWEST).astype(np.int8)


def _high(a: Integers, b: Integers | int) -> Integers:
    """The high half of 2ab, rounded."""
    return (a * b + (1 << 30)) >> 31


def _divided(a: Integers, by: Integers | int) -> Integers:
    """Over 2^by, halves away from zero; `by` is at least 1."""
    half = (np.int64(1) << np.asarray(by, np.int64)) >> 1
    return (a + half - (a < 0)) >> by


def _saturated(a: Integers) -> Integers:
    return np.clip(a, -(1 << 31), _ONE)


def _exponentials(layer: Softmax) -> Integers:
    """e^x in Q0.31 for the differences −255 … 0."""
    x = _high(np.arange(-255, 1, dtype=np.int64) << layer.shift, layer.multiplier)
    part = (x & (_QUARTER - 1)) - _QUARTER
    # The Taylor series of e^t about −1/8, to the fourth power.
    t = _saturated(part << 5) + (1 << 28)
    at = 1895147668
    square = _high(t, t)
    fourth, cube = _high(square, square), _high(square, t)
    rest = _divided(_high(_divided(fourth, 2) + cube, 715827883) + square, 1)
    result = at + _high(t + rest, at)
    for bit, power in enumerate(_POWERS):
        result = np.where((part - x) & (_QUARTER << bit), _high(result, power), result)
    return np.where(x == 0, _ONE, result)


def _reciprocal(x: Integers) -> Integers:
    """1 / (1 + x) for 0 <= x < 1 in Q0.31, by three steps of Newton's."""
    half = (x + _ONE + 1) >> 1
    guess = 1515870810 + _high(half, -1010580540)  # 48/17 − 32/17 · half, in Q2.29
    for _ in range(3):
        guess = guess + _saturated(_high(guess, (1 << 29) - _high(half, guess)) << 2)
    return _saturated(guess << 1)
