"""Integer constants for a scaling that is rounded once, and the proof that they round alike."""

import functools
import math
from collections.abc import Callable

import numpy as np

from hardware.fpga.arithmetic import rescaled
from hardware.fpga.ir import LOWEST, Integers, Once, Real

# Of the multiplier: as many as one of 32 bits with a sign has; then what four multipliers of 18 × 18 bits take as well.
_BITS = range(31, 36)
_PLACES = range(16, 63)  # so that halves and products stay within 64 bits
_STEPS = 256  # between a zero point and the far end of int8: beyond, a range holds both alike

Rounding = Callable[[Integers], Integers]


class NoFactorError(Exception):
    """No constants of 35 bits round alike."""


def once(real: Real, reaches: Integers) -> Once:
    """Constants that round as a multiplication by a double does, for each channel: all sums from −reach to reach.

    NoFactorError where none are found.
    """
    return _joined(
        [
            _constants(float(scale), functools.partial(_multiplied, float(scale)), int(reach))
            for scale, reach in np.broadcast(real.scales, reaches)
        ]
    )


def divider(count: int) -> Once:
    """Constants that divide a sum of `count` int8 numbers as whole numbers are divided, halves away from zero."""
    return _joined([_constants(1 / count, functools.partial(_divided, count), -LOWEST * count)])


def _multiplied(scale: float, sums: Integers) -> Integers:
    return rescaled(sums, Real(np.array([scale])))


def _divided(count: int, sums: Integers) -> Integers:
    return (sums + count // 2) // count


def _joined(found: list[tuple[int, int]]) -> Once:
    return Once(
        np.array([multiplier for multiplier, _ in found], np.int64),
        np.array([places for _, places in found], np.int64),
    )


def _constants(scale: float, rounded: Rounding, reach: int) -> tuple[int, int]:
    mantissa, exponent = math.frexp(scale)
    for bits in _BITS:
        places, below = bits - exponent, math.floor(mantissa * (1 << bits))
        for multiplier in (below + 1, below):
            fits = places in _PLACES and multiplier < 1 << bits
            if fits and _alike(scale, rounded, reach, Once(np.array([multiplier]), np.array([places]))):
                return multiplier, places
    raise NoFactorError(f"no integer factor rounds as {scale:.9g} does")


def _alike(scale: float, rounded: Rounding, reach: int, ours: Once) -> bool:
    """Whether both round every sum alike that comes to at most 256 steps; `rounded` is tried on sums from 0 up.

    Both grow with the sum and are odd in it, so they are alike where both step from each k − 1 to k at the same sum.
    That step lies within two of (k − ½) / scale; those beyond `reach` never come.
    """
    wanted = np.arange(1, _STEPS + 1)
    middles = np.ceil((wanted - 0.5) / scale)
    wanted = wanted[middles <= reach + 2]
    sums = (middles[: len(wanted), None].astype(np.int64) + np.arange(-2, 3)).clip(0)
    theirs = rounded(sums)
    steps_inside = np.all(theirs[:, 0] < wanted) and np.all(theirs[:, -1] >= wanted)
    return bool(steps_inside and np.array_equal(theirs, rescaled(sums, ours)))
