"""An image as the files that an engine's memories begin with, for a bitstream that holds one net (INIT of
rtl/engine.v): words in hexadecimal, as Verilog's $readmemh reads them.
"""

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.engine import WORD, Memory
from hardware.fpga.image import Image

_SCALE_BITS = 43
_LETTERS = "abcdefghijklmnop"


def files(image: Image) -> dict[str, str]:
    """Each file by name; all of its memory's words, as far as the image needs them."""
    engine = image.engine
    content = {memory: _content(image, memory) for memory in Memory}
    weights = _words(content[Memory.WEIGHTS]).reshape(-1, engine.outputs)
    constants = _words(content[Memory.CONSTANTS]).reshape(-1, engine.banks, 2)
    pairs = _words(content[Memory.TABLES])
    activations = np.frombuffer(content[Memory.ACTIVATIONS], np.uint8).reshape(-1, WORD)
    mask = np.uint64(0xFFFFFFFF)
    return {
        "program.hex": _lines(_words(content[Memory.PROGRAM]), 64),
        **{f"weights_{_LETTERS[at]}.hex": _lines(weights[:, at], 64) for at in range(engine.outputs)},
        **{
            f"scales_{_LETTERS[at]}.hex": _lines(constants[:, at, 0], _SCALE_BITS)
            for at in range(engine.banks)
        },
        **{f"biases_{_LETTERS[at]}.hex": _lines(constants[:, at, 1], 32) for at in range(engine.banks)},
        "table_a.hex": _lines(pairs & mask, 32),
        "table_b.hex": _lines(pairs >> np.uint64(32), 32),
        **{f"activations_{at}.hex": _lines(activations[:, at], 8) for at in range(WORD)},
    }


def _content(image: Image, memory: Memory) -> bytes:
    """From the memory's first byte on; a word of zeros where there is nothing."""
    size = image.engine.word_bytes(memory)
    for address, content in image.segments:
        if address >> 20 == memory:
            return bytes(address - memory.address(0)) + content
    return bytes(size)


def _words(content: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(content, "<u8").astype(np.uint64)


def _lines(words: NDArray[np.generic], bits: int) -> str:
    digits = -(-bits // 4)
    return "".join(f"{int(word):0{digits}x}\n" for word in words)
