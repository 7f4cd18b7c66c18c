"""The roundings one by one, against the formulas written out in whole numbers and fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.fpga.arithmetic import away, rescaled, twice
from hardware.fpga.ir import Once, Real
from hardware.fpga.single_rounding import NoFactorError, divider, once
from hardware.targets.litert.fixed import Factor
from tests.fpga.drawn import searched

sums = st.integers(-(2**31), 2**31 - 1)


def nearest(value: Fraction, *, up: bool) -> int:
    """Halves up, or away from zero."""
    whole = (value + Fraction(1, 2)).__floor__()
    return whole if up or value >= 0 else -((-value + Fraction(1, 2)).__floor__())


@searched(200)
@given(sums, st.integers(1 << 30, 2**31 - 1), st.integers(-31, 0))
def test_two_roundings_are_those_of_gemmlowp(x: int, multiplier: int, shift: int) -> None:
    first = nearest(Fraction(x * multiplier, 2**31), up=True)
    second = nearest(Fraction(first, 2**-shift), up=False)
    assert rescaled(np.array([x]), twice(Factor(multiplier, shift))).tolist() == [second]


@searched(200)
@given(sums, st.integers(1, 2**35 - 1), st.integers(16, 62))
def test_one_rounding_goes_away_from_zero(x: int, multiplier: int, places: int) -> None:
    found = rescaled(np.array([x]), Once(np.array([multiplier]), np.array([places])))
    assert found.tolist() == [nearest(Fraction(x * multiplier, 2**places), up=False)]


def test_halves_and_what_is_almost_one() -> None:
    just_below = np.nextafter(0.5, 0)
    assert away(np.array([0.5, -0.5, 2.5, just_below, -just_below])).tolist() == [1, -1, 3, 0, 0]
    assert away(np.array([2.0**53 + 2, -7.0])).tolist() == [2.0**53 + 2, -7]


@searched(60)
@given(st.floats(-22, 3).map(lambda power: float(2**power)), st.integers(0, 2**32 - 1))
def test_integer_constants_round_as_the_real_number(scale: float, seed: int) -> None:
    """Proved from their monotony; here tried: around every step, where 31 bits often won't do, and anywhere."""
    real, reach = Real(np.array([scale])), min(int(256 / scale), 2**31 - 1)
    steps = np.floor((np.arange(-256, 256) + 0.5) / scale).astype(np.int64)
    anywhere = np.random.default_rng(seed).integers(-reach, reach + 1, 1000)
    x = np.concatenate([(steps[:, None] + np.arange(-3, 4)).ravel(), anywhere]).clip(-reach, reach)
    assert np.array_equal(rescaled(x, real), rescaled(x, once(real, np.array([reach]))))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 9, 14, 16, 25, 49, 64, 98])
def test_divisions_of_averages_are_exact_for_every_sum(count: int) -> None:
    x = np.arange(-128 * count, 127 * count + 1)
    size = (np.abs(x) + count // 2) // count
    assert np.array_equal(rescaled(x, divider(count)), np.where(x < 0, -size, size))


def test_a_number_that_no_constants_reach_is_refused() -> None:
    with pytest.raises(NoFactorError):
        once(Real(np.array([2.0**32])), np.array([100]))
