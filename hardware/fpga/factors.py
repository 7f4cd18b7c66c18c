"""Scalings and biases as rtl/requantiser.v and rtl/serial_requantiser.v take them."""

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.ir import Integers, Once, Scaling, Twice

Words = NDArray[np.uint64]

UNCHANGED = Once(np.array([1 << 16]), np.array([16]))
"""A sum becomes itself."""

_MULTIPLIER_BITS = 35
_MOST_PLACES = 62
_SUM_LIMIT = 1 << 31


class FactorError(Exception):
    """A scaling that the requantiser can't do."""


def constant_words(scaling: Scaling, biases: Integers, reach: int) -> Words:
    """(channels, 2): scale and bias. Sums, biases included, lie within ±`reach`.

    FactorError for a factor of 16 or more, one that takes a sum past 32 bits, or places that the serial requantiser
    has no room for.
    """
    if isinstance(scaling, Twice):
        scales = _twice(scaling, reach)
    elif isinstance(scaling, Once):
        scales = _packed(scaling.multipliers, scaling.places, twice=False)
    else:
        raise FactorError("it multiplies by a real number")
    words = np.empty((len(biases), 2), np.uint64)
    words[:, 0] = scales
    words[:, 1] = (biases & 0xFFFFFFFF).astype(np.uint64)
    return words


def _twice(scaling: Twice, reach: int) -> Words:
    """A shift to the left goes into the multiplier: LiteRT shifts the sum, which is the same within 32 bits."""
    left, right = np.maximum(scaling.shifts, 0), np.maximum(-scaling.shifts, 0)
    multipliers = scaling.multipliers << np.minimum(left, _MULTIPLIER_BITS)
    if (multipliers >= 1 << _MULTIPLIER_BITS).any():
        raise FactorError("it makes steps 16 times as large, or more")
    if (left > 0).any() and reach << int(left.max()) >= _SUM_LIMIT:
        raise FactorError("its sums, made larger, leave 32 bits")
    return _packed(multipliers, right, twice=True)


def _packed(multipliers: Integers, places: Integers, *, twice: bool) -> Words:
    first = 31 if twice else 0  # places that the first of two roundings takes
    if (places + first < 1).any() or (places + first > _MOST_PLACES).any():
        raise FactorError("it shifts sums farther than the engine does")
    rounds = places > 0
    shifts = np.where(rounds, places - 1, 0)
    words = multipliers | (shifts << _MULTIPLIER_BITS) | (rounds.astype(np.int64) << 41) | (int(twice) << 42)
    return words.astype(np.uint64)
