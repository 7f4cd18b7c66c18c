"""A whole board in bit-level simulation: every command, every refusal, and back from any disturbance."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.fpga.boards import Board
from hardware.fpga.identity import digest
from hardware.fpga.simulation.serial_line import Simulator
from hardware.fpga.wire import link
from hardware.fpga.wire.link import Answer, Answers, Client, RefusedError
from tests.fpga.link.conftest import verilog

pytestmark = pytest.mark.fpga

ADDRESS, OUTPUT = 0x100, 0x200


def asked(
    simulator: Simulator, command: int, argument: bytes = b"", data: bytes = b"", tag: int = 9
) -> list[Answer]:
    """What the board answers to one frame, in all."""
    simulator.send(link.request(tag, command, argument, data))
    return Answers().feed(simulator.settle())


def program(key: int, count: int, *, endless: bool = False) -> bytes:
    return bytes((key, endless, count))


def test_it_says_what_it_is(simulator: Simulator, board: Board) -> None:
    found = Client(simulator).identify()
    assert found.board == board.name
    assert found.lanes == board.engine.lanes
    assert found.clock_hz == board.core_hz
    assert found.capacity == 1 << board.capacity_bits
    assert found.weight_words == board.engine.weight_words
    assert found.digest == digest(board, board.engine, verilog()).hex()


def test_the_identity_changes_with_the_circuit(board: Board) -> None:
    before, other = verilog(), verilog()
    other["link.v"] += "// another\n"
    assert digest(board, board.engine, other) != digest(board, board.engine, before)


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_read_back(kept_on: Simulator, data: st.DataObject) -> None:
    address = data.draw(st.integers(0, 1023))
    content = data.draw(st.binary(min_size=1, max_size=min(80, 1024 - address)))
    engine = Client(kept_on)
    engine.write(address, content)
    assert engine.read(address, len(content)) == content


def test_all_of_its_memory_in_frames_as_long_as_it_takes(simulator: Simulator) -> None:
    content = bytes(at * 7 % 251 for at in range(1024))
    engine = Client(simulator)
    engine.write(0, content)
    assert engine.read(0, 1024) == content
    assert engine.retries == 0


def test_a_run_is_answered_when_it_is_done_with_its_cycles(simulator: Simulator) -> None:
    engine = Client(simulator)
    engine.write(0, program(key=3, count=4))
    found, cycles = engine.infer((ADDRESS, bytes((1, 2, 254, 255))), (OUTPUT, 4))
    assert found == bytes((4, 5, 1, 2))
    assert cycles == 9
    assert engine.status() == link.Status(running=False, cycles=9, errors=0)


def test_while_it_runs_it_tells_its_status_and_refuses_the_rest(simulator: Simulator) -> None:
    engine = Client(simulator)
    engine.write(0, program(key=1, count=1, endless=True))
    simulator.send(link.request(50, link.RUN, struct.pack("<I", 150_000)))
    simulator.wait(1)
    assert engine.status().running
    assert engine.identify().protocol == 1
    for ask in (lambda: engine.read(0, 1), lambda: engine.write(0, b"x"), engine.run):
        with pytest.raises(RefusedError) as refused:
            ask()
        assert refused.value.code == link.BUSY
    assert Answers().feed(simulator.settle()) == [Answer(50, link.LIMIT, b"")]
    assert engine.read(0, 1) == b"\x01", "it was ended, and nothing was written"


def test_a_run_that_never_ends_is_ended_at_its_limit(simulator: Simulator) -> None:
    engine = Client(simulator)
    engine.write(0, program(key=1, count=1, endless=True))
    with pytest.raises(RefusedError) as refused:
        engine.run(5000)
    assert refused.value.code == link.LIMIT
    engine.write(0, program(key=1, count=1))
    assert engine.run(5000) == 6


@pytest.mark.parametrize(
    ("command", "argument", "data", "code"),
    [
        (77, b"", b"", link.UNKNOWN),
        (0, b"", b"", link.UNKNOWN),
        (link.STATUS, b"", b"x", link.MALFORMED),
        (link.RUN, b"", b"x", link.MALFORMED),
        (link.READ, struct.pack("<IB", 1024 | 1 << 24, 0), b"", link.NO_MEMORY),
        (link.READ, b"\xff\xff\xff\x01\x00", b"", link.NO_MEMORY),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_code(
    simulator: Simulator, command: int, argument: bytes, data: bytes, code: int
) -> None:
    assert asked(simulator, command, argument, data) == [Answer(9, code, b"")]
    assert asked(simulator, link.STATUS, tag=10)[0].code == link.OK


def test_nothing_to_write_and_nothing_to_read_are_done(simulator: Simulator) -> None:
    assert asked(simulator, link.WRITE) == [Answer(9, link.OK, b"")]
    assert asked(simulator, link.READ) == [Answer(9, link.OK, b"")]


def test_what_runs_out_of_memory_half_way_is_not_taken_for_an_answer(simulator: Simulator) -> None:
    Client(simulator).write(1020, b"last")
    simulator.send(link.request(9, link.READ, struct.pack("<IB", 1020 | 8 << 24, 0)))
    came = simulator.settle()
    assert len(came) == 17
    assert Answers().feed(came) == []
    assert asked(simulator, link.STATUS)[0].code == link.OK


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x00", link.NOISE),
        (b"hello", link.NOISE),
        (link.request(9, link.STATUS)[:-1], link.CUT),
        (link.request(9, link.STATUS)[:3], link.CUT),
        (link.request(9, link.STATUS)[:-1] + b"\x00", link.DAMAGED),
        (b"\xa5\x09\x02\xff\xff\x00\x00\x00\x00\x00", link.TOO_LONG),
    ],
)
def test_what_is_no_frame_is_answered_with_what_was_wrong(
    simulator: Simulator, sent: bytes, code: int
) -> None:
    simulator.send(sent)
    assert Answers().feed(simulator.settle()) == [Answer(0, code, b"")]
    assert asked(simulator, link.STATUS) == [Answer(9, link.OK, struct.pack("<BIH", 0, 0, 1))]


def test_a_byte_without_its_stop_bit(simulator: Simulator) -> None:
    frame = link.request(9, link.STATUS)
    simulator.send(frame[:4])
    simulator.send_broken(frame[4])
    simulator.send(frame[5:])
    assert Answers().feed(simulator.settle()) == [Answer(0, link.NOISE, b"")]


@given(noise=st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_after_any_noise_and_a_pause_it_listens_again(kept_on: Simulator, noise: list[bytes]) -> None:
    """And each disturbance that ends in a pause has one answer."""
    simulator = kept_on
    for each in noise:
        simulator.send(each)
        (answer,) = Answers().feed(simulator.settle())
        assert answer.code != link.OK
    assert asked(simulator, link.STATUS)[0].code == link.OK


@given(at=st.integers(0, 10_000), change=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_damaged_write_writes_nothing(kept_on: Simulator, at: int, change: int) -> None:
    simulator = kept_on
    engine = Client(simulator)
    engine.write(0, bytes(32))
    frame = bytearray(link.request(9, link.WRITE, bytes(5), b"\x11" * 32))
    frame[at % len(frame)] ^= change
    simulator.send(bytes(frame))
    answers = Answers().feed(simulator.settle())
    assert [answer.code for answer in answers] != [link.OK]
    assert len(answers) == 1
    assert engine.read(0, 32) == bytes(32)
