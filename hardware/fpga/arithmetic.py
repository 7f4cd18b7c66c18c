"""How sums become int8: LiteRT's roundings, over whole arrays.

Sources: gemmlowp's fixedpoint.h (SaturatingRoundingDoublingHighMul, RoundingDivideByPOT) as LiteRT's
tflite/kernels/internal/common.cc calls them in MultiplyByQuantizedMultiplier, built for two roundings;
reference/integer_ops/fully_connected.h, whose reference kernel multiplies by a double and rounds once.
"""

import numpy as np

from hardware.fpga.ir import Int8s, Integers, Once, Output, Real, Scaling, Twice
from hardware.fpga.wire.ends import away
from hardware.targets.litert.fixed import Factor

_PART = 16  # bits of a multiplier that are multiplied at once


def twice(*factors: Factor) -> Twice:
    """One factor, or one for each channel."""
    return Twice(
        np.array([factor.multiplier for factor in factors], np.int64),
        np.array([factor.shift for factor in factors], np.int64),
    )


def rescaled(sums: Integers, scaling: Scaling) -> Integers:
    """Sums (channels last) times their factors, rounded."""
    if isinstance(scaling, Twice):
        return _rounded_twice(sums, scaling)
    return _rounded_once(sums, scaling) if isinstance(scaling, Once) else _rounded_real(sums, scaling)


def narrowed(sums: Integers, scaling: Scaling, out: Output) -> Int8s:
    return held(rescaled(sums, scaling), out)


def held(steps: Integers, out: Output) -> Int8s:
    """Plus the zero point, within the range, as int8."""
    return np.clip(steps + out.zero, out.low, out.high).astype(np.int8)


def _rounded_twice(sums: Integers, scaling: Twice) -> Integers:
    left, right = np.maximum(scaling.shifts, 0), np.maximum(-scaling.shifts, 0)
    if left.any():  # as an int32 does, which it is in C
        sums = (sums << left).astype(np.int32).astype(np.int64)
    # gemmlowp's nudge and truncating division come to this: halves go up, whatever the sign.
    high = sums * scaling.multipliers
    high += 1 << 30
    high >>= 31
    # RoundingDivideByPOT: halves away from zero.
    half = (1 << right) >> 1
    negative = (high < 0) & (right > 0)
    high += half
    high -= negative
    high >>= right
    return high


def _rounded_once(sums: Integers, scaling: Once) -> Integers:
    # In two parts, as a product may have more than 64 bits.
    high, low = scaling.multipliers >> _PART, scaling.multipliers & ((1 << _PART) - 1)
    half = np.int64(1) << (scaling.places - 1)
    size: Integers = np.abs(sums)
    size = (size * high + ((size * low + half) >> _PART)) >> (scaling.places - _PART)
    signed: Integers = np.where(sums < 0, -size, size)
    return signed


def _rounded_real(sums: Integers, scaling: Real) -> Integers:
    steps: Integers = away(sums * scaling.scales).astype(np.int64)
    return steps
