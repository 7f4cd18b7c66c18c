"""What a board answers when it is asked who it is: 64 bytes, the same for every bitstream of one circuit."""

import hashlib
import json
import struct
from collections.abc import Mapping

from hardware.fpga.boards import Board
from hardware.fpga.engine import Engine

PROTOCOL = 1
"""The version of rtl/protocol.vh."""

LAYOUT = "<BBH6I16s20s"
"""Protocol, capacity_bits, lanes, Hz of the engine's clock, words of program, weights, constants, tables and
activations, digest, the board's name: as wire/link.py reads it.
"""
SIZE = struct.calcsize(LAYOUT)


def digest(board: Board, engine: Engine, sources: Mapping[str, str]) -> bytes:
    """16 bytes of the SHA-256 of all that the circuit is made from: Verilog by file name, parameters, the board's
    clocks and chip. An image is made for one digest.
    """
    said = {
        "protocol": PROTOCOL,
        "board": [board.name, board.chip, board.clock_hz, board.core_hz, board.capacity_bits],
        "parameters": engine.parameters(),
        "sources": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sources.items()},
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()[:16]


def identity(board: Board, engine: Engine, sources: Mapping[str, str]) -> bytes:
    """The 64 bytes."""
    return struct.pack(
        LAYOUT,
        PROTOCOL,
        board.capacity_bits,
        engine.lanes,
        board.core_hz,
        engine.program_words,
        engine.weight_words,
        engine.constant_words,
        engine.table_words,
        engine.activation_words,
        digest(board, engine, sources),
        board.name.encode("ascii"),
    )
