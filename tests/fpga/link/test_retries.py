"""The host's side over a disturbed line: what is damaged is asked for again, nothing wrong is taken for an answer."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.fpga.simulation.serial_line import Simulator
from hardware.fpga.wire.link import Client, LinkError, SilentError

pytestmark = pytest.mark.fpga

PATIENCE_S = 0.3


class Disturbed:
    """A line on which chosen bytes are changed or lost, by their number: to the board, and from it."""

    baudrate = 1_000_000

    def __init__(self, simulator: Simulator, to: dict[int, int | None], back: dict[int, int | None]) -> None:
        self.simulator = simulator
        self.to, self.back = to, back
        self.sent = self.came = 0

    def write(self, data: bytes) -> int:
        self.simulator.send(spoiled(data, self.sent, self.to))
        self.sent += len(data)
        return len(data)

    def read(self, size: int) -> bytes:
        data = self.simulator.read(size)
        self.came += len(data)
        return spoiled(data, self.came - len(data), self.back)


def spoiled(data: bytes, first: int, changes: dict[int, int | None]) -> bytes:
    kept = []
    for number, byte in enumerate(data, first):
        change = changes.get(number, 0)
        if change is not None:
            kept.append(byte ^ change)
    return bytes(kept)


changes = st.dictionaries(st.integers(0, 120), st.none() | st.integers(1, 255), max_size=2)


@given(to=changes, back=changes)
@settings(max_examples=25, deadline=None)
def test_an_answer_is_right_whatever_happens_on_the_line(
    kept_on: Simulator, to: dict[int, int | None], back: dict[int, int | None]
) -> None:
    engine = Client(Disturbed(kept_on, to, back), patience=PATIENCE_S, attempts=8)
    engine.write(0, bytes((5, 0, 6)))
    found, cycles = engine.infer((0x100, b"\x01\x02\x03\x04\x05\x06"), (0x200, 6))
    assert (found, cycles) == (b"\x06\x07\x08\x09\x0a\x0b", 11)


@pytest.mark.parametrize("change", [lambda _at: 0x40, lambda _at: None], ids=["damaged", "silent"])
def test_a_line_that_never_works_is_told(simulator: Simulator, change: Callable[[int], int | None]) -> None:
    engine = Client(
        Disturbed(simulator, {}, {at: change(at) for at in range(2000)}), patience=PATIENCE_S, attempts=2
    )
    with pytest.raises(LinkError) as told:
        engine.identify()
    assert isinstance(told.value, SilentError) == (change(0) is None)


def test_a_late_answer_is_not_taken_for_the_next_one(simulator: Simulator) -> None:
    class Late:
        """Holds the first answer back."""

        baudrate = 1_000_000
        held = b""
        asked = 0

        def write(self, data: bytes) -> int:
            self.asked += 1
            return simulator.write(data)

        def read(self, size: int) -> bytes:
            if self.asked == 1:
                self.held += simulator.read(size)
                return b""
            first, self.held = self.held, b""
            return first or simulator.read(size)

    engine = Client(Late(), patience=PATIENCE_S)
    assert engine.status().cycles == 0
    assert engine.retries == 1
    engine.write(0, b"abc")
    assert engine.read(0, 3) == b"abc"
