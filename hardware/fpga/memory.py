"""Where values lie in the engine's one memory for activations, and how they are laid out there."""

from dataclasses import dataclass

import numpy as np

from hardware.fpga.ir import Int8s, Value, as_map


@dataclass(frozen=True)
class MemoryMap:
    """A word is `word` bytes: that many channels of one point, the last word of a point filled up with zeros. Points
    follow each other row by row. `addresses` (in words) by number of value; `words` is the size of all.
    """

    word: int
    addresses: dict[int, int]
    words: int

    def rows(self, value: Value) -> slice:
        """The words of a value."""
        at = self.addresses[value.number]
        return slice(at, at + words_of(value, self.word))

    def packed(self, value: Value, content: Int8s) -> Int8s:
        """Its words: (words, word)."""
        height, width, channels = as_map(value.shape)
        points = content.reshape(height * width, channels)
        filled = np.pad(points, ((0, 0), (0, -channels % self.word)))
        return filled.reshape(-1, self.word)

    def unpacked(self, value: Value, words: Int8s) -> Int8s:
        """The inverse of `packed`."""
        height, width, channels = as_map(value.shape)
        points = words.reshape(height * width, -1)[:, :channels]
        return points.reshape(value.shape)


def words_of(value: Value, word: int) -> int:
    """How many words a value takes."""
    height, width, channels = as_map(value.shape)
    return height * width * -(-channels // word)
