"""What the engine's memories will hold, as it is written; and the graph and memory map that it is written from."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.engine import WORD, Engine, Memory
from hardware.fpga.errors import UnsupportedError
from hardware.fpga.factors import FactorError, constant_words
from hardware.fpga.ir import Graph, Int8s, Integers, Layer, Scaling, Shape, Value
from hardware.fpga.memory import MemoryMap
from hardware.fpga.operations import By

TABLE = 256  # entries


@dataclass
class Store:
    """Words of one memory, from address `start` up. What was put already is kept once."""

    start: int = 0
    parts: list[bytes] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)
    words: int = 0

    def put(self, content: bytes, words: int) -> int:
        """The address of the first of them."""
        if content not in self.known:
            self.known[content] = self.start + self.words
            self.parts.append(content)
            self.words += words
        return self.known[content]


@dataclass
class Contents:
    """`stores` by memory. Constants that are read as activations lie behind the values of the memory map."""

    engine: Engine
    graph: Graph
    memory: MemoryMap
    stores: dict[Memory, Store] = field(init=False)

    def __post_init__(self) -> None:
        self.stores = {memory: Store() for memory in Memory}
        self.stores[Memory.ACTIVATIONS].start = self.memory.words

    def value(self, number: int) -> Value:
        return self.graph.values[number]

    def address(self, number: int) -> int:
        return self.memory.addresses[number]

    def weights(self, content: Int8s) -> int:
        """Words of the array: (…, outputs, 8)."""
        words = content.reshape(-1, self.engine.lanes)
        return self.stores[Memory.WEIGHTS].put(words.tobytes(), len(words))

    def tables(self, first: Integers, second: Integers) -> int:
        """The number of a pair of tables of 256."""
        pairs = np.stack([first, second], axis=1).astype(np.int32)
        return self.stores[Memory.TABLES].put(pairs.tobytes(), TABLE) // TABLE

    def activations(self, content: Int8s) -> int:
        """A constant map (height, width, channels) as words."""
        height, width, channels = content.shape
        points = content.reshape(height * width, channels)
        words = np.pad(points, ((0, 0), (0, -channels % WORD))).reshape(-1, WORD)
        return self.stores[Memory.ACTIVATIONS].put(words.tobytes(), len(words))

    def constants(self, layer: Layer, scaling: Scaling, biases: Integers, reach: int, by: By) -> int:
        """The address of constants: of one, of one for each channel, or of one for each count of taps from 0 up."""
        return self.put_constants(self.constant_words(layer, scaling, biases, reach), by)

    def constant_words(
        self, layer: Layer, scaling: Scaling, biases: Integers, reach: int
    ) -> NDArray[np.uint64]:
        """As `factors.constant_words`. UnsupportedError for a factor that no constants say."""
        try:
            return constant_words(scaling, biases, reach)
        except FactorError as error:
            raise UnsupportedError(
                operator=layer.operator,
                layer=layer.name,
                reason=str(error),
                instead="the model converted anew, with samples that are like those that it will see",
            ) from error

    def put_constants(self, words: NDArray[np.uint64], by: By) -> int:
        banks, slots = self.engine.banks, self.engine.slots
        if by == By.CHANNEL:
            filled = np.pad(words, ((0, -len(words) % self.engine.outputs), (0, 0)))
            laid = filled.reshape(-1, banks, slots, 2).transpose(0, 2, 1, 3).reshape(-1, banks, 2)
        else:
            laid = np.repeat(words[:, None], banks, axis=1)
        return self.stores[Memory.CONSTANTS].put(laid.astype("<u8").tobytes(), len(laid))

    def needs(self) -> dict[Memory, int]:
        """Words of each memory."""
        return {memory: store.start + store.words for memory, store in self.stores.items()}


def point_words(shape: Shape) -> int:
    """Words of a point."""
    return -(-shape[-1] // WORD)
