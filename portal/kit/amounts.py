"""Amounts as people read them."""

from typing import Final

UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def in_bytes(count: float) -> str:
    """1234567 -> "1.2 MB". Decimal units (SI prefixes), for every size of data that a person is told."""
    value, power = float(count), 0
    while abs(value) >= 999.5 and power < len(UNITS) - 1:  # noqa: PLR2004 - below it three digits still do
        value, power = value / 1000, power + 1
    digits = 0 if power == 0 or value >= 99.5 else 1  # noqa: PLR2004
    return f"{value:.{digits}f} {UNITS[power]}"
