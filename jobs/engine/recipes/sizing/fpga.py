"""A recipe's net on the engine of an FPGA board: words of each of its memories, and cycles; by shapes, nothing is
compiled.

The same counts as `hardware.fpga.program` makes of the converted file, whose weights are not there yet. A test holds
both alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hardware.fpga.boards import BOARDS
from hardware.fpga.cycles import walked
from hardware.fpga.emit.contents import TABLE
from hardware.fpga.engine import WORD, Engine, Memory
from hardware.fpga.ir import Graph, Host, Layer, Layout, Shape, Value, Window
from hardware.fpga.operations import WORDS
from hardware.fpga.passes import pair_points
from hardware.fpga.plan import placed
from hardware.targets.profiles import Target
from jobs.engine.export.fit import Shortage
from jobs.engine.recipes.sizing.images import POOL
from jobs.engine.recipes.sizing.net import Net, Operator

# How far the activations may be from the count: the file's order of layers may be another, and with it what lives at
# once. Everything else is exact.
ACTIVATIONS_TOLERANCE = 0.05

_NAMES = {
    Memory.PROGRAM: "its program",
    Memory.WEIGHTS: "its weights",
    Memory.CONSTANTS: "its scales and biases",
    Memory.TABLES: "the tables of its additions",
    Memory.ACTIVATIONS: "its activations",
}
_SMALLER = "train a smaller one (less width, or a smaller image size), or choose a board with a larger engine"


@dataclass(frozen=True)
class Needs:
    """`words` of each memory, in the words of the engine that was asked for; `cycles` of one answer."""

    words: Mapping[Memory, int]
    cycles: int


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One operation that goes over so many `points`, at each over so many `groups` of channels, with `reads` for each.
    `weights`, `constants` and `tables` are words.
    """

    layer: Layer
    points: int
    groups: int
    reads: int
    weights: int = 0
    constants: int = 1
    tables: int = 0
    bytewise: bool = False


def engine_of(target: Target) -> Engine:
    """The engine of an FPGA board. KeyError for other targets."""
    return BOARDS[target.name].engine


@lru_cache(maxsize=512)
def needs(net: Net, engine: Engine) -> Needs:
    """What a net takes of an engine of this size. Points are computed in pairs, and the input's columns unfolded, where
    there is room for that.
    """
    found = _fed(net, engine, pair=True)
    if all(words <= engine.words[memory] for memory, words in found.words.items()):
        return found
    return _fed(net, engine, pair=False)


def _fed(net: Net, engine: Engine, *, pair: bool) -> Needs:
    found = _needs(net, engine, unfold=True, pair=pair)
    if found.words[Memory.ACTIVATIONS] <= engine.activation_words:
        return found
    return _needs(net, engine, unfold=False, pair=pair)


def _needs(net: Net, engine: Engine, *, unfold: bool, pair: bool) -> Needs:
    reading = _Reading(net, engine, unfold=unfold, pair=pair)
    steps = reading.steps
    means, pools = (any(step.layer.operator == name for step in steps) for name in ("MEAN", "MAX_POOL_2D"))
    ones = max(WORD // engine.outputs, 1) * max(engine.outputs // WORD, 1) if means else 0
    return Needs(
        words={
            Memory.PROGRAM: WORDS * len(steps),
            Memory.WEIGHTS: ones + sum(step.weights for step in steps),
            # Poolings share the one scale that changes nothing.
            Memory.CONSTANTS: sum(step.constants for step in steps) + int(pools),
            Memory.TABLES: sum(step.tables for step in steps),
            Memory.ACTIVATIONS: _activations(reading),
        },
        cycles=sum(_cycles(step, engine) for step in steps),
    )


def shortage(target: Target, net: Net, *, margin: float) -> Shortage:
    """Which of its engine's memories has too little room, in bytes; `margin` as in `sizing.boards`."""
    engine = engine_of(target)
    for memory, words in needs(net, engine).words.items():
        taken = round(words * (1 + margin * ACTIVATIONS_TOLERANCE)) if memory is Memory.ACTIVATIONS else words
        if taken > engine.words[memory]:
            size = engine.word_bytes(memory)
            return Shortage(
                f"The model needs {taken * size:,} bytes for {_NAMES[memory]} and the engine of {target.title} has "
                f"{engine.words[memory] * size:,}",
                _SMALLER,
            )
    return Shortage()


def taken_bytes(target: Target, net: Net, memory: Memory) -> int:
    """What the net takes of one of the memories of the board's engine."""
    engine = engine_of(target)
    return needs(net, engine).words[memory] * engine.word_bytes(memory)


def latency_s(target: Target, net: Net) -> float:
    """Cycles by the clock of the board's engine."""
    return needs(net, engine_of(target)).cycles / BOARDS[target.name].core_hz


def _cycles(step: _Step, engine: Engine) -> int:
    return walked(engine, step.points * step.groups, step.reads, bytewise=step.bytewise)


def _activations(reading: "_Reading") -> int:
    layers = tuple(step.layer for step in reading.steps)
    values = {
        number: Value(number, "", shape, 1.0, 0, reading.layouts.get(number, Layout.POINTS))
        for number, shape in reading.shapes.items()
    }
    host = Host((), quantises=True, softmax=None, dequantises=True)
    graph = Graph(values, layers, reading.input, layers[-1].output, host)
    return placed(graph, word=WORD).memory.words


class _Reading:
    """The net's int8 core as steps of the engine, and the shapes of the values between them.

    What one operator makes of each byte ahead of the first layer is a table of the host's, and softmax is the host's
    too.
    """

    def __init__(self, net: Net, engine: Engine, *, unfold: bool, pair: bool) -> None:
        self.engine = engine
        self._unfold, self._pair = unfold, pair
        self.shapes: dict[int, Shape] = {}
        self.layouts: dict[int, Layout] = {}
        self.steps: list[_Step] = []
        self._same: dict[int, int] = {}
        self.input = next(
            (operator.output for operator in net.operators if operator.name == "QUANTIZE"),
            net.operators[0].inputs[0],
        )
        self._size = net.sizes[self.input]
        for operator in net.operators:
            self._read(operator)

    def _read(self, operator: Operator) -> None:
        inputs = tuple(self._same.get(number, number) for number in operator.inputs)
        if operator.name in {"MUL", "ADD"} and len(inputs) == 1 and inputs[0] == self.input:
            self._same[operator.output] = self.input
        elif operator.name == "RESHAPE":
            # Behind it stands a dense layer, which reads the map as it lies.
            self._same[operator.output] = inputs[0]
        elif operator.name == "CONV_2D":
            self._convolution(operator, inputs)
        elif operator.name == "DEPTHWISE_CONV_2D":
            self._depthwise(operator, inputs)
        elif operator.name == "MAX_POOL_2D":
            self._max_pool(operator, inputs)
        elif operator.name == "FULLY_CONNECTED":
            self._dense(operator, inputs)
        elif operator.name == "MEAN":
            self._mean(operator, inputs)
        elif operator.name == "ADD":
            shape = self.shapes[inputs[0]]
            self._add(operator, inputs, shape, reads=2, tables=TABLE)

    def _convolution(self, operator: Operator, inputs: tuple[int, ...]) -> None:
        found = operator.convolution
        assert found is not None  # noqa: S101 - every CONV_2D has one
        (height, width), depth = found.kernel, found.channels
        words, columns = width * -(-depth // WORD), found.sides[1]
        if inputs[0] == self.input:
            packed = -(-width * depth // WORD)
            if self._unfold and packed < words:
                words, columns, depth = packed, found.made[1], width * depth
            self.shapes[self.input] = (found.sides[0], columns, depth)
        self._summed(operator, inputs, (*found.made, found.outputs), height * words)

    def _depthwise(self, operator: Operator, inputs: tuple[int, ...]) -> None:
        """One input channel for each output channel: a group reads the words that its channels lie in. In these nets a
        convolution of one tap reads what it makes.
        """
        found = operator.convolution
        assert found is not None  # noqa: S101 - every DEPTHWISE_CONV_2D has one
        shape, window = (*found.made, found.outputs), Window(found.kernel, found.strides)
        layout = pair_points.layout(shape, window, self.engine) if self._pair else Layout.POINTS
        if layout is Layout.POINTS:
            span = max(self.engine.outputs // WORD, 1)
            self._summed(operator, inputs, shape, found.taps * span)
            return
        axis, words = pair_points.AXES[layout], -(-found.outputs // WORD)
        down, across = pair_points.pairs(shape, axis)
        reads = pair_points.pair_window(window, axis).taps
        self.layouts[operator.output] = layout
        self._add(
            operator,
            inputs,
            shape,
            points=down * across,
            groups=words,
            reads=reads,
            weights=words * reads,
            constants=words * self.engine.slots,
        )

    def _max_pool(self, operator: Operator, inputs: tuple[int, ...]) -> None:
        height, width, channels = self.shapes[inputs[0]]
        shape = (height // POOL, width // POOL, channels)
        self._add(operator, inputs, shape, reads=POOL * POOL, constants=0)

    def _dense(self, operator: Operator, inputs: tuple[int, ...]) -> None:
        if inputs[0] == self.input:
            self.shapes[self.input] = (1, 1, self._size)
        height, width, channels = self.shapes[inputs[0]]
        reads = height * width * -(-channels // WORD)
        self._summed(operator, inputs, (1, 1, operator.biases), reads)

    def _summed(self, operator: Operator, inputs: tuple[int, ...], shape: Shape, reads: int) -> None:
        groups = -(-shape[2] // self.engine.outputs)
        weights, constants = groups * reads, groups * self.engine.slots
        self._add(operator, inputs, shape, groups=groups, reads=reads, weights=weights, constants=constants)

    def _mean(self, operator: Operator, inputs: tuple[int, ...]) -> None:
        height, width, channels = self.shapes[inputs[0]]
        reads = height * width * max(self.engine.outputs // WORD, 1)
        groups = -(-channels // self.engine.outputs)
        self._add(operator, inputs, (1, 1, channels), groups=groups, reads=reads)

    def _add(
        self,
        operator: Operator,
        inputs: tuple[int, ...],
        shape: Shape,
        *,
        reads: int,
        points: int = 0,
        groups: int = 0,
        **more: Any,
    ) -> None:
        """A step that makes a map of `shape`. Without `points` it goes over all of it, without `groups` bytewise."""
        self.shapes[operator.output] = shape
        layer = Layer(operator=operator.name, name="", inputs=inputs, output=operator.output)
        height, width, channels = shape
        step = _Step(
            layer=layer,
            points=points or height * width,
            groups=groups or -(-channels // WORD),
            reads=reads,
            bytewise=not groups,
            **more,
        )
        self.steps.append(step)
