"""The serial line to a board with Gristmill's engine: frames, checksums, time-outs, retries.

    line = serial.Serial("/dev/ttyUSB0", 1_000_000, timeout=0)
    board = Client(line)
    board.identify().lanes
    board.write(0, content); board.read(0, 16); board.run()

Python 3.9 or newer, standard library alone; the line is pyserial's, or anything that reads and writes like it. The
protocol is version 1 of rtl/protocol.vh: CRC-32/ISO-HDLC (zlib's) over what follows a frame's first byte.
"""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

PROTOCOL = 1
REQUEST, ANSWER = 0xA5, 0x5A
IDENTIFY, WRITE, READ, RUN, STATUS = 1, 2, 3, 4, 5

OK, NOISE, CUT, DAMAGED, TOO_LONG, OVERRUN = 0, 1, 2, 3, 4, 5
UNKNOWN, BUSY, NO_MEMORY, LIMIT, MALFORMED = 16, 17, 18, 19, 20
CODES = {
    NOISE: "it read something that is no frame",
    CUT: "a frame stopped half way",
    DAMAGED: "a frame arrived damaged",
    TOO_LONG: "a frame was longer than it has room for",
    OVERRUN: "frames came faster than it takes them",
    UNKNOWN: "it does not know this command",
    BUSY: "its engine is at work",
    NO_MEMORY: "its engine has no memory at this address",
    LIMIT: "the run took more cycles than it was given, and was ended",
    MALFORMED: "this command takes no data",
}
ON_THE_LINE = (NOISE, CUT, DAMAGED, TOO_LONG, OVERRUN)  # asking again may help

_HEAD, _TAIL = 5, 4
_IDENTITY = struct.Struct("<BBH6I16s20s")
_READ_AT_ONCE = 4096  # well below the 65,535 that the protocol allows: what is damaged is asked for again
_QUIET_S = 0.06  # the board passes over everything until the line has been quiet for 0.02 s
_POLL_S = 0.001
_PATIENCE_S = 2.0
_ATTEMPTS = 4
BITS_A_BYTE = 10


class Line(Protocol):
    """What is needed of pyserial's Serial. `read` may come back with less, or nothing."""

    baudrate: int

    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes) -> Any: ...


class LinkError(Exception):
    """Nothing useful came over the line: a sentence that says what."""


class SilentError(LinkError):
    """No answer at all."""


class RefusedError(LinkError):
    """The board answered with a code that asking again does not change."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"The board refuses: {CODES.get(code, f'code {code}')}.")


@dataclass(frozen=True)
class Identity:
    """What a board says it is. `digest` names the circuit, hexadecimal; `capacity` is the data a frame may hold, in
    bytes; the words are the engine's parameters.
    """

    protocol: int
    capacity: int
    lanes: int
    clock_hz: int
    program_words: int
    weight_words: int
    constant_words: int
    table_words: int
    activation_words: int
    digest: str
    board: str


@dataclass(frozen=True)
class Status:
    """`cycles` of the last run that ended; `errors`: frames that the board could not read since it was switched on."""

    running: bool
    cycles: int
    errors: int


@dataclass(frozen=True)
class Answer:
    """One answer frame whose checksum is right."""

    tag: int
    code: int
    data: bytes


def request(tag: int, command: int, argument: bytes = b"", data: bytes = b"") -> bytes:
    """A request frame: `argument` of up to 5 bytes, `data` of up to 65,535."""
    inside = struct.pack("<BBH", tag, command, len(data)) + argument.ljust(5, b"\0") + data
    return bytes((REQUEST,)) + inside + struct.pack("<I", zlib.crc32(inside))


class Answers:
    """Finds answer frames in what the line brings; what is none is passed over."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that these bytes complete."""
        self._kept += data
        found: list[Answer] = []
        while (start := self._kept.find(ANSWER)) >= 0:
            self._kept = self._kept[start:]
            if len(self._kept) < _HEAD:
                return found
            length = struct.unpack_from("<H", self._kept, 3)[0]
            end = _HEAD + length + _TAIL
            if len(self._kept) < end:
                return found
            frame = self._kept[:end]
            if zlib.crc32(frame[1:-_TAIL]) == struct.unpack("<I", frame[-_TAIL:])[0]:
                found.append(Answer(frame[1], frame[2], frame[_HEAD:-_TAIL]))
                self._kept = self._kept[end:]
            else:
                self._kept = self._kept[1:]  # perhaps one begins inside
        self._kept = b""
        return found


class Client:
    """A board at the other end of a line.

    `patience`: seconds to wait for an answer beyond what its bytes take on the line. LinkError from every method.
    """

    def __init__(self, line: Line, *, patience: float = _PATIENCE_S, attempts: int = _ATTEMPTS) -> None:
        self.line = line
        self.patience = patience
        self.attempts = attempts
        self.retries = 0
        self._tag = 0
        self._capacity = 0

    def identify(self) -> Identity:
        data = self._ask(IDENTIFY)
        if len(data) != _IDENTITY.size or data[0] != PROTOCOL:
            version = data[0] if data else "none"
            raise LinkError(f"The board speaks protocol {version}; this program speaks {PROTOCOL}.")
        protocol, bits, lanes, clock, program, weights, constants, tables, activations = _IDENTITY.unpack(
            data
        )[:9]
        digest, name = _IDENTITY.unpack(data)[9:]
        self._capacity = 1 << bits
        return Identity(
            protocol=protocol,
            capacity=self._capacity,
            lanes=lanes,
            clock_hz=clock,
            program_words=program,
            weight_words=weights,
            constant_words=constants,
            table_words=tables,
            activation_words=activations,
            digest=digest.hex(),
            board=name.rstrip(b"\0").decode("ascii", "replace"),
        )

    def status(self) -> Status:
        running, cycles, errors = struct.unpack("<BIH", self._ask(STATUS))
        return Status(bool(running), cycles, errors)

    def write(self, address: int, data: bytes) -> None:
        """Bytes into the engine's memories; an address has 24 bits."""
        capacity = self._capacity or self.identify().capacity
        for start in range(0, len(data), capacity):
            self._ask(WRITE, _place(address + start), data[start : start + capacity])

    def read(self, address: int, count: int) -> bytes:
        """What the engine's memories hold."""
        parts = []
        for start in range(0, count, _READ_AT_ONCE):
            size = min(_READ_AT_ONCE, count - start)
            part = self._ask(READ, _place(address + start) + struct.pack("<H", size), expected=size)
            if len(part) != size:
                raise LinkError(f"The board answered {len(part)} bytes where {size} were asked for.")
            parts.append(part)
        return b"".join(parts)

    def run(self, limit: int = 0, *, seconds: float = 0.0) -> int:
        """Runs the program in the engine's memory, and waits: cycles that it took.

        The board ends a run after `limit` cycles (0: never): RefusedError with the code LIMIT. `seconds`: how long the
        run may take. It is not repeated by itself, for it may have written over its own input: see `infer`.
        """
        data = self._once(RUN, struct.pack("<I", limit), b"", expected=4, seconds=seconds)
        return int(struct.unpack("<I", data)[0])

    def infer(
        self, source: tuple[int, bytes], result: tuple[int, int], *, limit: int = 0, seconds: float = 0.0
    ) -> tuple[bytes, int]:
        """An input (address, bytes) to an output (address, count): its bytes, and cycles. All of it again when the line
        fails.
        """
        for attempt in range(self.attempts):
            try:
                self.write(*source)
                cycles = self.run(limit, seconds=seconds)
                return self.read(*result), cycles
            except RefusedError as error:
                if error.code != BUSY:
                    raise
                self._wait_until_done(seconds)
            except LinkError:
                if attempt + 1 == self.attempts:
                    raise
                self._quieten()
                self._wait_until_done(seconds)
        raise LinkError("The board's engine stays at work: switch the board off and on.")

    def _wait_until_done(self, seconds: float) -> None:
        """Until no run lasts whose answer was lost."""
        end = time.monotonic() + self.patience + seconds
        while self.status().running and time.monotonic() < end:
            time.sleep(_QUIET_S)

    def _ask(self, command: int, argument: bytes = b"", data: bytes = b"", *, expected: int = 64) -> bytes:
        """The data of an answer; asked again while the line fails."""
        for attempt in range(self.attempts):
            try:
                return self._once(command, argument, data, expected=expected)
            except RefusedError:
                raise
            except LinkError:
                if attempt + 1 == self.attempts:
                    raise
                self.retries += 1
                self._quieten()
        raise AssertionError

    def _once(
        self, command: int, argument: bytes, data: bytes, *, expected: int, seconds: float = 0.0
    ) -> bytes:
        self._tag = self._tag % 255 + 1
        frame = request(self._tag, command, argument, data)
        self.line.write(frame)
        on_the_line = (len(frame) + expected + _HEAD + _TAIL) * BITS_A_BYTE / self.line.baudrate
        answer = self._answer(time.monotonic() + self.patience + on_the_line + seconds)
        if answer.code == OK:
            return answer.data
        if answer.code in ON_THE_LINE:
            raise LinkError(f"The line to the board is disturbed: {CODES[answer.code]}.")
        raise RefusedError(answer.code)

    def _answer(self, end: float) -> Answer:
        """The answer to the last request, or to what the board could not read; older ones are passed over."""
        found, came = Answers(), False
        while time.monotonic() < end:
            chunk = self.line.read(_READ_AT_ONCE)
            if not chunk:
                time.sleep(_POLL_S)
                continue
            came = True
            for answer in found.feed(chunk):
                if answer.tag == self._tag or (answer.tag == 0 and answer.code in ON_THE_LINE):
                    return answer
        if came:
            raise LinkError("The board's answers arrive damaged.")
        raise SilentError("The board does not answer.")

    def _quieten(self) -> None:
        """Waits until the board listens for a new frame, and passes over what still comes."""
        end = time.monotonic() + _QUIET_S
        while time.monotonic() < end:
            if self.line.read(_READ_AT_ONCE):
                end = time.monotonic() + _QUIET_S
            time.sleep(_POLL_S)


def _place(address: int) -> bytes:
    return struct.pack("<I", address)[:3]
