"""Frames, in benches of their own: what comes is a frame or a named error, what is sent is what the host reads."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.fpga.wire import link
from tests.fpga.link.benches import compiled, said

pytestmark = pytest.mark.fpga

IDLE, CAPACITY = 100, 16
BETWEEN = 13  # cycles that the bench takes for a byte


@dataclasses.dataclass
class Receiver:
    """What frame_receiver.v should do, byte by byte; each event is followed by a take."""

    inside: bytes = b""
    lost: int = 0  # the problem for which bytes are passed over

    def byte(self, value: int) -> str:  # noqa: PLR0911 # one for each of its ends
        if self.lost:
            return "-"
        self.inside += bytes((value,))
        if self.inside[0] != link.REQUEST:
            return self.lose(link.NOISE)
        if len(self.inside) < 10:
            return "-"
        length = int.from_bytes(self.inside[3:5], "little")
        if length > CAPACITY:
            return self.lose(link.TOO_LONG)
        if len(self.inside) < 14 + length:
            return "-"
        frame, self.inside = self.inside, b""
        if link.request(frame[1], frame[2], frame[5:10], frame[10:-4]) != frame:
            return self.lose(link.DAMAGED)
        return shown(frame)

    def broken(self) -> str:
        return "-" if self.lost else self.lose(link.NOISE)

    def quiet(self) -> str:
        problem = self.lost or (link.CUT if self.inside else 0)
        self.inside, self.lost = b"", 0
        return f"{problem:02x}" if problem else "-"

    def lose(self, problem: int) -> str:
        self.inside, self.lost = b"", problem
        return "-"


def shown(frame: bytes) -> str:
    """A frame as the bench prints it."""
    argument = frame[5:10][::-1].hex()
    length = int.from_bytes(frame[3:5], "little")
    return f"00 {frame[1]:02x} {frame[2]:02x} {length:04x} {argument} {frame[10:-4].hex()}"


frames = st.builds(
    link.request,
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(min_size=5, max_size=5),
    st.binary(max_size=CAPACITY + 1),
)


@st.composite
def lines(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Bytes on a line: frames whole, cut, with a byte changed or broken, noise; with and without quiet between them."""
    events: list[tuple[str, int]] = []
    for _ in range(draw(st.integers(1, 6))):
        frame = draw(frames)
        what = draw(st.sampled_from(["whole", "whole", "whole", "cut", "changed", "broken", "noise"]))
        at = draw(st.integers(0, len(frame) - 1))
        part = {"cut": frame[:at], "noise": draw(st.binary(max_size=20))}.get(what, frame)
        chunk = [("b", byte) for byte in part]
        if what == "changed":
            chunk[at] = ("b", frame[at] ^ draw(st.integers(1, 255)))
        if what == "broken":
            chunk[at] = ("x", frame[at])
        events += chunk
        if draw(st.integers(0, 3)):
            events.append(("i", draw(st.sampled_from([IDLE + 20, IDLE + 20, IDLE - 2 * BETWEEN]))))
    return [*events, ("i", IDLE + 20)]


@given(lines())
@settings(max_examples=150, deadline=None)
def test_what_is_received_is_a_frame_or_says_what_was_wrong(events: list[tuple[str, int]]) -> None:
    model, wanted, script, quiet = Receiver(), [], b"", 0
    for kind, value in events:
        script += kind.encode() + bytes((value,)) + b"t"
        quiet = quiet + value if kind == "i" else BETWEEN
        if kind == "i":
            wanted.append(model.quiet() if quiet > IDLE else "-")
        else:
            wanted.append(model.byte(value) if kind == "b" else model.broken())
    found = said(compiled("frame_receiver_bench", "frame_receiver", "crc32", IDLE=IDLE), script)
    assert [line.strip() if line.startswith("00") else line[:2].strip() for line in found] == [
        each.strip() for each in wanted
    ]


def tokens(data: bytes) -> bytes:
    return b"".join(b"b" + bytes((byte,)) for byte in data)


def test_bytes_that_come_while_a_frame_waits_are_told_as_lost() -> None:
    first, second = link.request(7, link.STATUS), link.request(8, link.STATUS)
    script = tokens(first + second) + b"t" + b"t" + b"i" + bytes((IDLE + 20,)) + b"t" + tokens(second) + b"t"
    found = said(compiled("frame_receiver_bench", "frame_receiver", "crc32", IDLE=IDLE), script)
    assert found[0].strip() == shown(first).strip()
    assert found[1] == "-"
    assert found[2].startswith(f"{link.OVERRUN:02x}")
    assert found[3].strip() == shown(second).strip()


answers = st.tuples(
    st.integers(0, 255), st.integers(0, 255), st.binary(max_size=30), st.booleans(), st.integers(0, 20)
)


@given(st.lists(answers, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_what_is_sent_is_what_the_host_reads(drawn: list[tuple[int, int, bytes, bool, int]]) -> None:
    script = b"".join(
        bytes((tag, code)) + len(data).to_bytes(2, "little") + bytes((spoiled, between)) + data
        for tag, code, data, spoiled, between in drawn
    )
    lines = said(compiled("frame_sender_bench", "frame_sender", "crc32"), script)
    for line, (tag, code, data, spoiled, _) in zip(lines, drawn, strict=True):
        frame = bytes.fromhex(line)
        assert len(frame) == len(data) + 9
        whole = link.Answers().feed(frame)
        assert whole == ([] if spoiled else [link.Answer(tag, code, data)])
