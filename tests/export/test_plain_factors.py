"""Fixed-point constants where 32-bit floats and doubles part: plain C and TensorFlow Lite Micro, every bit.

The files are those of `tests.fpga.halves`.
"""

from pathlib import Path

import numpy as np
import pytest

from hardware.targets.litert.fixed import factor_of, step_of
from jobs.engine.export.microcontroller.tflm import Micro
from tests.export.test_microcontrollers import compiled
from tests.fpga.halves import HALF, MADE, READ, WEIGHTS, biased, edges

pytestmark = pytest.mark.train
INPUTS = {"FULLY_CONNECTED": np.zeros((1, 4), np.int8), "CONV_2D": np.zeros((1, 1, 1, 4), np.int8)}


def test_the_scales_are_where_floats_and_doubles_part() -> None:
    """Else the next test would show nothing."""
    as_float = float(np.float32(READ) * np.float32(WEIGHTS))
    assert factor_of(as_float / MADE) != factor_of(READ * WEIGHTS / MADE)


@pytest.mark.parametrize("name", INPUTS)
def test_one_scale_for_all_weights(name: str, tmp_path: Path) -> None:
    """Its product with the input's is a double in either kind of layer."""
    content = biased(name, edges(READ * WEIGHTS / MADE))
    micro = Micro(content)
    wanted = micro.raw(INPUTS[name]).reshape(1, -1)
    np.testing.assert_array_equal(compiled(content, tmp_path, micro)(INPUTS[name]), wanted)


@pytest.mark.parametrize("zero", [-110, -20])
def test_a_bound_half_way_between_two_steps(zero: int, tmp_path: Path) -> None:
    assert (step_of(6, HALF), round(6 / HALF)) == (100, 99)
    biases, x = np.full(3, 1 << 24, np.int32), INPUTS["FULLY_CONNECTED"]
    content = biased("FULLY_CONNECTED", biases, made=HALF, zero=zero, activation="relu6")
    micro = Micro(content)
    np.testing.assert_array_equal(micro.raw(x), np.full((1, 3), zero + 100))
    np.testing.assert_array_equal(compiled(content, tmp_path, micro)(x), micro.raw(x))


def test_negative_bounds_go_away_from_zero() -> None:
    assert [step_of(each, 1.0) for each in (-1.5, -1.4, 0.0, 1.4, 1.5)] == [-2, -1, 0, 1, 2]
