"""The graph that the compiler works on: int8 values, and the layers that compute them, in an order that can run.

Shapes leave the batch out. A map is (height, width, channels); `as_map` says how fewer axes are read as one. The first
group of layers is what a file says, the second what the passes make of it for the engine.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Int8s = NDArray[np.int8]
Integers = NDArray[np.int64]
Shape = tuple[int, ...]
Pair = tuple[int, int]

LOWEST, HIGHEST = -128, 127


class Layout(Enum):
    """How a map lies in words. POINTS: the words of a point side by side, points row by row. The others are planes:
    the first words of all points, then all second words; a plane goes row by row, or column by column, and each of
    these is filled up to an even number of points.
    """

    POINTS = "points"
    ROWS = "planes of rows"
    COLUMNS = "planes of columns"


@dataclass(frozen=True)
class Value:
    """An int8 tensor: a real number is scale · (q − zero). `number` is the file's own of the tensor."""

    number: int
    name: str
    shape: Shape
    scale: float
    zero: int
    layout: Layout = Layout.POINTS

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, initial=1))


@dataclass(frozen=True)
class Window:
    """Rows and columns; `before` and `after` are of padding. Padding lies outside the input, it isn't stored."""

    size: Pair
    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    before: Pair = (0, 0)
    after: Pair = (0, 0)

    @property
    def reach(self) -> Pair:
        """Rows and columns from the first tap to the last, both included."""
        height, width = (
            (side - 1) * dilated + 1 for side, dilated in zip(self.size, self.dilation, strict=True)
        )
        return height, width

    @property
    def taps(self) -> int:
        return self.size[0] * self.size[1]


@dataclass(frozen=True)
class Output:
    """What follows a rescaled sum: `zero` is added, then it is held between `low` and `high`."""

    zero: int
    low: int = LOWEST
    high: int = HIGHEST


@dataclass(frozen=True, eq=False)
class Twice:
    """Sums times multiplier · 2^(shift − 31), rounded twice. One factor, or one for each channel."""

    multipliers: Integers
    shifts: Integers


@dataclass(frozen=True, eq=False)
class Once:
    """Sums times multiplier · 2^(−places), rounded once, halves away from zero. Multipliers have at most 35
    bits, `places` are 16 to 62.
    """

    multipliers: Integers
    places: Integers


@dataclass(frozen=True, eq=False)
class Real:
    """Sums times a real number in double precision, rounded once: what LiteRT does, no circuit."""

    scales: NDArray[np.float64]


Scaling = Twice | Once | Real


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """`operator` and `name` are what the file calls it; `inputs` and `output` are numbers of values."""

    operator: str
    name: str
    inputs: tuple[int, ...]
    output: int

    def but(self, **changes: Any) -> Self:
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Summing(Layer):
    """Sums of products. `subtract` is taken from every input first; `padding` is the value that stands outside, before
    that. `bias`: int64 within 32 bits, one for each channel.
    """

    weights: Int8s
    bias: Integers
    subtract: int
    padding: int
    scaling: Scaling
    out: Output


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution(Summing):
    """`weights`: [out channels][rows][columns][in channels]."""

    window: Window


@dataclass(frozen=True, kw_only=True, eq=False)
class Depthwise(Summing):
    """`weights`: [rows][columns][out channels]; output channel c reads input channel c // (out // in)."""

    window: Window


# -- what a file says, until the passes lower it ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense(Summing):
    """`weights`: [units][inputs]. An input of k · inputs elements is k rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(Layer):
    """Of two values, or of one and `constant` (then the second factor and zero are the constant's).

    Each minus its zero, times 2^20, times its factor; their sum through `scaling`.
    """

    constant: Int8s | None
    zeros: Pair
    factors: tuple[Twice, Twice]
    scaling: Scaling
    out: Output


@dataclass(frozen=True, kw_only=True, eq=False)
class AveragePool(Layer):
    """Over those taps that lie inside, in steps of the input's own scale: halves away from zero."""

    window: Window
    out: Output


@dataclass(frozen=True, kw_only=True, eq=False)
class Mean(Layer):
    """Over `axes` (batch not counted), each input minus `subtract`."""

    axes: tuple[int, ...]
    subtract: int
    scaling: Scaling
    out: Output


# -- what the engine gets -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Accumulate(Layer):
    """Sums of a window's inputs in each channel, plus `bias`; what lies outside counts nothing.

    `scalings` by how many taps lie inside.
    """

    window: Window
    bias: int
    scalings: dict[int, Scaling]
    out: Output


@dataclass(frozen=True, kw_only=True, eq=False)
class AddTables(Layer):
    """The sum of each input's entry in its table (256 of 32 bits, from −128 up), plus `constant`."""

    tables: tuple[Integers, ...]
    constant: Integers | None
    scaling: Scaling
    out: Output


@dataclass(frozen=True, kw_only=True, eq=False)
class Multiply(Layer):
    """(a − zeros[0]) · (b − zeros[1]); `constant` stands for b where there is one input."""

    constant: Int8s | None
    zeros: Pair
    scaling: Scaling
    out: Output


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool(Layer):
    """Over those taps that lie inside."""

    window: Window
    out: Output


@dataclass(frozen=True, kw_only=True, eq=False)
class Rescale(Layer):
    """Each input minus `subtract`, rescaled: a ReLU that stands alone, or a change of scale."""

    subtract: int
    scaling: Scaling
    out: Output


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Layer):
    """Along `axis` (batch not counted); all have one scale."""

    axis: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Pad(Layer):
    """`widths` (before, after) of each axis, batch not counted, filled with `value`."""

    widths: tuple[Pair, ...]
    value: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Reshape(Layer):
    """The same elements in the same order."""


# -- the host's ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax(Layer):
    """Over the last axis, to scale 1/256 and zero −128. `factor` takes a difference of steps to Q5.26; what lies more
    than −`lowest` below the greatest counts nothing.
    """

    multiplier: int
    shift: int
    lowest: int


@dataclass(frozen=True)
class Host:
    """What the host does. `before` and `after`: the file's float operators ahead of the engine's input and behind its
    output, which it runs by other means; `quantises`, `dequantises`: whether the file's own input and output are
    floats.
    """

    before: tuple[str, ...]
    quantises: bool
    softmax: Softmax | None
    dequantises: bool
    after: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Graph:
    """`layers` may run in their order. `input` and `output` are the engine's: before the host's softmax."""

    values: dict[int, Value]
    layers: tuple[Layer, ...]
    input: int
    output: int
    host: Host

    def readers(self, number: int) -> list[Layer]:
        return [layer for layer in self.layers if number in layer.inputs]

    def with_layers(self, layers: tuple[Layer, ...]) -> "Graph":
        """The same with other layers, and only the values that these (and the host's) name."""
        named = {
            self.input,
            self.output,
            *(number for layer in layers for number in (*layer.inputs, layer.output)),
        }
        if self.host.softmax is not None:
            named.add(self.host.softmax.output)
        values = {number: value for number, value in self.values.items() if number in named}
        return replace(self, layers=layers, values=values)


def as_map(shape: Shape) -> tuple[int, int, int]:
    """Height, width, channels of a shape of up to three axes; missing ones are 1."""
    height, width, channels = (1,) * (3 - len(shape)) + shape
    return height, width, channels


def map_after(source: Shape, window: Window, channels: int) -> tuple[int, int, int]:
    """The map that a window makes of another."""
    sides = as_map(source)[:2]
    height, width = (
        (side + before + after - reach) // step + 1
        for side, before, after, reach, step in zip(
            sides, window.before, window.after, window.reach, window.strides, strict=True
        )
    )
    return height, width, channels
