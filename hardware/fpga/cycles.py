"""How long each operation takes, to the cycle: rtl/sequencer.v and rtl/walker.v, reckoned."""

from hardware.fpga.engine import WORD, Engine
from hardware.fpga.operations import WORDS, Operation

SETTLE = 32
"""Cycles from an operation's last step until its last byte is in the activations; a parameter of rtl/sequencer.v."""

_FETCH = WORDS + 2  # the program's memory answers a cycle late; one more to take the fields


def cycles(operation: Operation, engine: Engine) -> int:
    """A group takes its reads, or as long as its sums take to leave."""
    reads = operation.taps_down * operation.taps_across * operation.words + operation.b
    slots = WORD if operation.bytewise else engine.slots
    points = operation.rows * operation.columns
    return _FETCH + points * operation.groups * max(reads, slots) + SETTLE
