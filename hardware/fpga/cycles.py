"""How long each operation takes, to the cycle: rtl/sequencer.v and rtl/walker.v, reckoned."""

from hardware.fpga.engine import WORD, Engine
from hardware.fpga.operations import WORDS, Operation

_FETCH = WORDS + 2  # the program's memory answers a cycle late; one more to take the fields


def settling(engine: Engine) -> int:
    """Cycles from an operation's last step until its last byte is in the activations; a parameter of
    rtl/sequencer.v.
    """
    return 24 + WORD * engine.pace


def walked(engine: Engine, groups: int, reads: int, *, bytewise: bool) -> int:
    """Cycles of an operation over so many groups of channels, those of all its points: a group takes its reads, or as
    long as its sums take to leave.
    """
    slots = WORD if bytewise else engine.slots
    return _FETCH + groups * max(reads, slots * engine.pace) + settling(engine)


def cycles(operation: Operation, engine: Engine) -> int:
    reads = operation.taps_down * operation.taps_across * operation.words + operation.b
    groups = operation.rows * operation.columns * operation.groups
    return walked(engine, groups, reads, bytewise=bool(operation.bytewise))
