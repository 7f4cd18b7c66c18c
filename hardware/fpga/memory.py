"""Where values lie in the engine's one memory for activations, and how they are laid out there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.ir import Int8s, Layout, Value, as_map


@dataclass(frozen=True)
class MemoryMap:
    """A word is `word` bytes: that many channels of one point, the last word of a point filled up with zeros; a value's
    layout says how its words follow each other. `addresses` (in words) by number of value; `words` is the size of all.
    """

    word: int
    addresses: dict[int, int]
    words: int

    def rows(self, value: Value) -> slice:
        """The words of a value."""
        at = self.addresses[value.number]
        return slice(at, at + words_of(value, self.word))

    def packed(self, value: Value, content: Int8s) -> Int8s:
        """Its words: (words, word). Zeros fill up what no channel and no point takes."""
        height, width, channels = as_map(value.shape)
        points = content.reshape(height, width, channels)
        filled = np.pad(points, ((0, 0), (0, 0), (0, -channels % self.word)))
        words = np.zeros((words_of(value, self.word), self.word), np.int8)
        words[_places(value, self.word)] = filled.reshape(height, width, -1, self.word)
        return words

    def unpacked(self, value: Value, words: Int8s) -> Int8s:
        """The inverse of `packed`."""
        height, width, channels = as_map(value.shape)
        points = words[_places(value, self.word)].reshape(height * width, -1)[:, :channels]
        return points.reshape(value.shape)


def words_of(value: Value, word: int) -> int:
    """How many words a value takes."""
    height, width, channels = as_map(value.shape)
    deep = -(-channels // word)
    return height * width * deep if value.layout is Layout.POINTS else strides(value, word)[2] * deep


def strides(value: Value, word: int) -> tuple[int, int, int]:
    """Words to the next row, to the next column, to a point's next word."""
    height, width, channels = as_map(value.shape)
    deep = -(-channels // word)
    if value.layout is Layout.ROWS:
        line = _even(width)
        return line, 1, height * line
    if value.layout is Layout.COLUMNS:
        line = _even(height)
        return 1, line, width * line
    return width * deep, deep, 1


def _even(count: int) -> int:
    return count + count % 2


def _places(value: Value, word: int) -> NDArray[np.int64]:
    """Where in the value each word of each point lies: (height, width, words of a point)."""
    height, width, channels = as_map(value.shape)
    steps = np.array(strides(value, word))
    places: NDArray[np.int64] = np.tensordot(steps, np.indices((height, width, -(-channels // word))), 1)
    return places
