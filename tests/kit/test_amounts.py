"""Sizes in words."""

from hypothesis import given
from hypothesis import strategies as st

from portal.kit.amounts import UNITS, in_bytes


def test_units_are_decimal() -> None:
    sizes = (0, 999, 999.6, 1_234_567, 99_950_000, 1024**3, 20e9, 5e17)
    told = ["0 B", "999 B", "1.0 kB", "1.2 MB", "100 MB", "1.1 GB", "20.0 GB", "500 PB"]
    assert [in_bytes(size) for size in sizes] == told


@given(st.integers(0, 9 * 10**17))
def test_what_is_told_is_right_to_five_parts_in_a_hundred(size: int) -> None:
    value, unit = in_bytes(size).split()
    assert abs(float(value) * 1000 ** UNITS.index(unit) - size) <= 0.05 * size
    assert len(value.replace(".", "")) <= 3
