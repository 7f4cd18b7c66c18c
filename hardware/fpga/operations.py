"""An operation of the engine's program: what rtl/engine.v reads from it, slot by slot."""

from dataclasses import dataclass, field, fields
from enum import IntEnum

_SLOT_BITS = 16
_SLOTS = 36
WORDS = _SLOTS * _SLOT_BITS // 64
_MODULUS = 1 << _SLOT_BITS


class Function(IntEnum):
    """What is done byte by byte."""

    GREATEST = 0
    TABLES = 1
    PRODUCT = 2


class By(IntEnum):
    """How an operation's constants are found: one for all, one for each channel, or by how many taps lie inside."""

    ONE = 0
    CHANNEL = 1
    COUNT = 2


class FieldError(ValueError):
    """A number that an operation has no room for."""


def _slot(number: int, bits: int = _SLOT_BITS, *, at: int = 0, less: int = 0) -> int:
    """A field of an operation: `less` is taken from it first (counts are stored minus one)."""
    found: int = field(metadata={"at": number * _SLOT_BITS + at, "bits": bits, "less": less})
    return found


def _count(number: int, bits: int = 10) -> int:
    return _slot(number, bits, less=1)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Addresses and strides are in words of their memories, those of activations wrap at 2^16; rows and columns may be
    negative. Counts are as they are meant, from 1.

    `bytewise`: by rtl/elements.v, not by the array. `still_*`: an operand's first byte stands for all. `reuse`: weights
    are the same for each tap, and again after `hold` groups. `b`: there is a second operand. `lane`: the place in its
    word of a point's first byte. `hold` groups read the same words of a point, then it goes on by `advance`.
    `first_valid`, `second_valid`: channels of each bank in a point's last group.
    """

    final: int = _slot(0, 1)
    bytewise: int = _slot(0, 1, at=1)
    function: int = _slot(0, 2, at=2)
    b: int = _slot(0, 1, at=4)
    still_a: int = _slot(0, 1, at=5)
    still_b: int = _slot(0, 1, at=6)
    reuse: int = _slot(0, 1, at=7)
    constants_by: int = _slot(0, 2, at=8)
    b_step: int = _slot(0, 1, at=10)
    lane: int = _slot(0, 3, at=11)
    advance: int = _slot(0, 2, at=14)
    groups: int = _count(1)
    rows: int = _count(2)
    columns: int = _count(3)
    taps_down: int = _count(4)
    taps_across: int = _count(5)
    words: int = _count(6)
    hold: int = _count(7)
    source: int = _slot(8)
    row_stride: int = _slot(9)
    column_stride: int = _slot(10)
    tap_row_stride: int = _slot(11)
    tap_column_stride: int = _slot(12)
    top: int = _slot(13, 12)
    left: int = _slot(14, 12)
    down: int = _slot(15, 12)
    across: int = _slot(16, 12)
    tap_down: int = _slot(17, 12)
    tap_across: int = _slot(18, 12)
    height: int = _slot(19, 12)
    width: int = _slot(20, 12)
    weights: int = _slot(21)
    constants: int = _slot(22)
    tables: int = _slot(23, 8)
    b_source: int = _slot(24)
    b_row_stride: int = _slot(25)
    b_column_stride: int = _slot(26)
    fill: int = _slot(27, 8)
    zero_a: int = _slot(28, 8)
    zero_b: int = _slot(28, 8, at=8)
    zero: int = _slot(29, 8)
    low: int = _slot(29, 8, at=8)
    high: int = _slot(30, 8)
    first_valid: int = _slot(30, 4, at=8)
    second_valid: int = _slot(30, 4, at=12)
    out: int = _slot(31)
    out_row_stride: int = _slot(32)
    out_column_stride: int = _slot(33)
    out_columns: int = _count(34, 16)
    out_channels: int = _count(35, 16)

    def encoded(self) -> bytes:
        """As the program's memory holds it. FieldError names what it has no room for."""
        number = 0
        for each in fields(self):
            at, bits, less = (each.metadata[key] for key in ("at", "bits", "less"))
            value = getattr(self, each.name) - less
            if each.name in _WRAPPING:
                value %= _MODULUS
            if not (-(1 << (bits - 1)) if each.name in _SIGNED else 0) <= value < _top(each.name, bits):
                raise FieldError(f"{each.name} is {getattr(self, each.name)}")
            number |= (value % (1 << bits)) << at
        return number.to_bytes(WORDS * 8, "little")


def _top(name: str, bits: int) -> int:
    return 1 << (bits - 1 if name in _SIGNED else bits)


# Their sums wrap, so that an address left of the first word is as good as any.
_WRAPPING = {
    *("source", "row_stride", "column_stride", "tap_row_stride", "tap_column_stride", "out"),
    *("b_source", "b_row_stride", "b_column_stride", "out_row_stride", "out_column_stride"),
}
_SIGNED = {"top", "left", "down", "across", "fill", "zero_a", "zero_b", "zero", "low", "high"}


def operation(**named: int) -> Operation:
    """With counts of one, and zeros, for what isn't named."""
    rest = {each.name: each.metadata["less"] for each in fields(Operation)}
    return Operation(**{**rest, **named})
