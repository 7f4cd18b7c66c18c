"""The serial line's modules, each in a bench of its own: checksum, receiver, transmitter."""

import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fpga.link.benches import compiled, said

pytestmark = pytest.mark.fpga

messages = st.lists(st.binary(max_size=40), min_size=1, max_size=12)


def tokens(kind: bytes, data: bytes) -> bytes:
    return b"".join(kind + bytes((byte,)) for byte in data)


@given(messages)
@settings(max_examples=25, deadline=None)
def test_the_checksum_is_zlibs(drawn: list[bytes]) -> None:
    script = b"".join(b"c" + tokens(b"d", each) + b"p" for each in drawn)
    lines = said(compiled("crc32_bench", "crc32"), script)
    assert [int(line.split()[0], 16) for line in lines] == [zlib.crc32(each) for each in drawn]


@given(messages, st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_message_is_intact_with_its_own_checksum_alone(drawn: list[bytes], other: int) -> None:
    script, wanted = b"", []
    for each in drawn:
        for checksum in (zlib.crc32(each), other, zlib.crc32(each) ^ 1 << other % 32):
            script += b"c" + tokens(b"d", each + checksum.to_bytes(4, "little")) + b"p"
            wanted.append("1" if checksum == zlib.crc32(each) else "0")
    assert [line.split()[1] for line in said(compiled("crc32_bench", "crc32"), script)] == wanted


@pytest.mark.parametrize("divisor", [8, 12, 75])
@given(
    sent=st.lists(st.tuples(st.sampled_from("bbbbxgli"), st.integers(0, 255)), max_size=40),
    off=st.floats(-0.03, 0.03),
)
@settings(max_examples=15, deadline=None)
def test_bytes_arrive_from_a_clock_that_is_off_by_3_percent(
    divisor: int, sent: list[tuple[str, int]], off: float
) -> None:
    """Also after glitches, breaks, and bytes without a stop bit."""
    script = b"".join(kind.encode() + (bytes((byte,)) if kind in "bx" else b"") + b"i" for kind, byte in sent)
    lines = said(
        compiled("uart_rx_bench", "uart_rx", DIVISOR=divisor),
        script,
        f"bit={round(10 * divisor * (1 + off))}",
    )
    assert lines == [f"v {byte:02x}" if kind == "b" else "e" for kind, byte in sent if kind in "bxl"]


@pytest.mark.parametrize("off", [-0.03, 0.0, 0.03])
def test_bytes_arrive_without_a_pause(off: float) -> None:
    data = bytes(range(256))
    lines = said(
        compiled("uart_rx_bench", "uart_rx", DIVISOR=12), tokens(b"b", data), f"bit={round(120 * (1 + off))}"
    )
    assert lines == [f"v {byte:02x}" for byte in data]


def test_a_clock_that_is_off_by_a_tenth_is_noticed() -> None:
    lines = said(compiled("uart_rx_bench", "uart_rx", DIVISOR=12), tokens(b"b", bytes(64)), "bit=108")
    assert lines != ["v 00"] * 64


def bits(levels: str, divisor: int) -> Iterator[int]:
    """The bytes in a line's levels, one a cycle."""
    at = levels.find("0")
    while at >= 0:
        middle = [levels[at + place * divisor : at + (place + 1) * divisor] for place in range(10)]
        assert all(len(set(each)) == 1 for each in middle), "each level lasts a whole bit"
        assert middle[9][0] == "1", "the stop bit"
        yield sum(int(each[0]) << place for place, each in enumerate(middle[1:9]))
        at = levels.find("0", at + 10 * divisor)


@pytest.mark.parametrize("divisor", [8, 75])
@given(data=st.binary(min_size=1, max_size=20))
@settings(max_examples=15, deadline=None)
def test_bytes_leave_bit_by_bit(divisor: int, data: bytes) -> None:
    (levels,) = said(compiled("uart_tx_bench", "uart_tx", DIVISOR=divisor), data)
    assert bytes(bits(levels[1:], divisor)) == data
    assert len(levels) <= len(data) * (10 * divisor + 1) + 4, "no time is lost between two bytes"
