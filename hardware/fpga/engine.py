"""How large an engine is, and where the host finds its memories: what rtl/engine.v and rtl/loader.v say."""

from dataclasses import asdict, dataclass
from enum import IntEnum

WORD = 8  # bytes of a word of the activations; the inputs of each output channel at once
_BANK = 8  # output channels that share a requantiser
LANES = (8, 16, 32, 64, 128)
_SERIAL = 8  # lanes, whose requantiser takes its time
_MOST_WORDS = 1 << 16


class Memory(IntEnum):
    """The top four bits of the host's address."""

    PROGRAM = 0
    WEIGHTS = 1
    CONSTANTS = 2
    TABLES = 3
    ACTIVATIONS = 4

    def address(self, byte: int) -> int:
        """The host's address of a byte in it."""
        return (self << 20) + byte


@dataclass(frozen=True)
class Engine:
    """`lanes` multipliers, and the words of each memory: the program's have 8 bytes, the weights' `lanes`, the
    constants' 16 for each bank, the tables' 8, the activations' 8. ValueError for sizes that can't be.
    """

    lanes: int = 64
    program_words: int = 512
    weight_words: int = 2048
    constant_words: int = 1024
    table_words: int = 2048
    activation_words: int = 8192

    def __post_init__(self) -> None:
        if self.lanes not in LANES:
            raise ValueError(f"An engine has {', '.join(map(str, LANES))} lanes, not {self.lanes}.")
        for memory, words in self.words.items():
            if not 1 < words <= _MOST_WORDS:
                raise ValueError(f"{words} words of {memory.name.lower()}: must be 2 to {_MOST_WORDS}.")

    @property
    def outputs(self) -> int:
        """Channels computed at once."""
        return self.lanes // WORD

    @property
    def banks(self) -> int:
        return max(1, self.outputs // _BANK)

    @property
    def slots(self) -> int:
        """Channels of a bank, each of which leaves at its own time."""
        return self.outputs // self.banks

    @property
    def pace(self) -> int:
        """Cycles from one channel's leaving to the next's."""
        return 16 if self.lanes == _SERIAL else 1

    @property
    def words(self) -> dict[Memory, int]:
        return {
            Memory.PROGRAM: self.program_words,
            Memory.WEIGHTS: self.weight_words,
            Memory.CONSTANTS: self.constant_words,
            Memory.TABLES: self.table_words,
            Memory.ACTIVATIONS: self.activation_words,
        }

    def word_bytes(self, memory: Memory) -> int:
        """Bytes that the host writes for a word."""
        wide = {Memory.WEIGHTS: self.lanes, Memory.CONSTANTS: 16 * self.banks}
        return wide.get(memory, WORD)

    def parameters(self) -> dict[str, int]:
        """As rtl/engine.v calls them."""
        return {name.upper(): value for name, value in asdict(self).items()}
