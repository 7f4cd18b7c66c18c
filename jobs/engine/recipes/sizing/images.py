"""The image classifier's networks (`jobs.engine.networks.image_network`) as operators. A test holds both alike.

What decides a network's layers by the size of its pictures stands here once, for both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from hardware.targets.kernels import Convolution, Pair, padding_before
from jobs.engine.recipes.sizing.net import Builder, Net

NetworkName = Literal["residual", "separable", "plain"]

SMALLEST_SIDE, LARGEST_SIDE = 8, 96  # of pictures, where nobody asks for another
LONGEST_SIDE = 512  # of pictures that keep their shape
SMALLEST_MAP, LARGEST_MAP = 4, 64
STAGES = 4  # of a residual network, at most; later ones have up to `WIDENED` times the width
WIDENED = 4
SEPARABLE_BLOCKS, SEPARABLE_MAP = 4, 8
PLAIN_LAYERS, PLAIN_MAP, PLAIN_HIDDEN = 2, 8, 4  # at least so many convolutions; hidden units by width
POOL = 2  # a pooling's window, and its strides
NORM = 4  # batch normalisation: scale, offset, mean and variance
_SMALL_KERNEL, _LARGE_KERNEL, _LONG_KERNEL = (3, 3), (5, 5), (10, 4)
_SMALL_PICTURE = 16  # up to which windows of 5 would see most of it at once


def chosen_side(median: float) -> int:
    """The side to train at where none is asked for, by the median of the pictures' shorter sides."""
    return int(min(max(median, SMALLEST_SIDE), LARGEST_SIDE))


def kept_shape(side: int, shape: Pair) -> Pair:
    """(height, width) in the proportions of `shape`, the shorter `side` pixels, the longer at most 512."""
    height, width = (min(LONGEST_SIDE, round(side * each / min(shape))) for each in shape)
    return height, width


def residual_widths(side: int, width: int, depth: int | None) -> tuple[int, ...]:
    """Of each stage: at most `depth`, the second and later ones while the map before them is more than 4 on its shorter
    side. Every stage but the first halves it.
    """
    while side > LARGEST_MAP:
        side = -(-side // 2)
    widths = [width]
    while len(widths) < (depth or STAGES) and side > SMALLEST_MAP:
        widths.append(min(2 * widths[-1], WIDENED * width))
        side = -(-side // 2)
    return tuple(widths)


def separable_kernel(sides: Pair) -> Pair:
    """Of the first layer: 10 × 4 along pictures at least twice as long as broad (DS-CNN's for keywords), else 3 × 3."""
    height, width = sides
    if height >= 2 * width:
        return _LONG_KERNEL
    return _LONG_KERNEL[::-1] if width >= 2 * height else _SMALL_KERNEL


def separable_strides(side: int, depth: int | None) -> tuple[int, ...]:
    """Of the first layer and of each of `depth` blocks: they halve the map while its shorter side is more than 8."""
    strides = []
    for _ in range(1 + (depth or SEPARABLE_BLOCKS)):
        strides.append(2 if side > SEPARABLE_MAP else 1)
        side = -(-side // strides[-1])
    return tuple(strides)


def plain_kernel(side: int) -> Pair:
    """Of all convolutions, by the pictures' shorter side."""
    return _LARGE_KERNEL if side > _SMALL_PICTURE else _SMALL_KERNEL


def plain_widths(side: int, width: int, depth: int | None) -> tuple[int, ...]:
    """Of each convolution: two, and more while the map behind them is more than 8 on its shorter side; or `depth`,
    while there is a map to be halved.
    """
    widths: list[int] = []
    while side >= POOL and (len(widths) < depth if depth else len(widths) < PLAIN_LAYERS or side > PLAIN_MAP):
        widths.append(2 * width if widths else width)
        side //= POOL
    return tuple(widths)


@dataclass(frozen=True)
class _Map:
    """A tensor of height × width × channels."""

    number: int
    sides: Pair
    channels: int

    @property
    def size(self) -> int:
        return self.sides[0] * self.sides[1] * self.channels


def image_net(
    sides: Pair,
    channels: int,
    *,
    classes: int,
    width: int,
    network: NetworkName = "residual",
    depth: int | None = None,
) -> Net:
    """For pictures of (height, width) pixels. Batch normalisation and ReLU are folded into the convolutions."""
    build = Builder()
    size = sides[0] * sides[1] * channels
    x = build.tensor(size)
    for name in ("MUL", "ADD"):
        x = build.add(name, [x], size, arrays=1, constants=4)
    x, features = _BODIES[network](build, _Map(x, sides, channels), width, depth)
    x = dense(build, x, features, classes)
    build.add("SOFTMAX", [x], classes)
    return build.net()


def dense(build: Builder, x: int, inputs: int, outputs: int) -> int:
    """A fully connected layer with a bias."""
    return build.add(
        "FULLY_CONNECTED",
        [x],
        outputs,
        macs=inputs * outputs,
        weights=inputs * outputs,
        biases=outputs,
        arrays=2,
        channels=outputs,
        scales=2 * outputs,
        parameters=inputs * outputs + outputs,
    )


def _residual(build: Builder, at: _Map, width: int, depth: int | None) -> tuple[int, int]:
    first, *others = residual_widths(min(at.sides), width, depth)
    at = _block(build, _stem(build, at, width), first)
    for each in others:
        at = _block(build, at, each, strides=2)
    return _mean(build, at)


def _stem(build: Builder, at: _Map, width: int) -> _Map:
    large = min(at.sides) > LARGEST_MAP
    at = _convolution(
        build, at, width, kernel=_LARGE_KERNEL if large else _SMALL_KERNEL, strides=2 if large else 1
    )
    while min(at.sides) > LARGEST_MAP:
        at = _convolution(build, at, width, strides=2)
    return at


def _block(build: Builder, at: _Map, width: int, *, strides: int = 1) -> _Map:
    y = _convolution(build, _convolution(build, at, width, strides=strides), width)
    if strides > 1 or at.channels != width:
        at = _convolution(build, at, width, kernel=(1, 1), strides=strides)
    return _Map(build.add("ADD", [at.number, y.number], y.size), y.sides, width)


def _separable(build: Builder, at: _Map, width: int, depth: int | None) -> tuple[int, int]:
    first, *others = separable_strides(min(at.sides), depth)
    at = _convolution(build, at, width, kernel=separable_kernel(at.sides), strides=first)
    for strides in others:
        at = _convolution(build, at, width, strides=strides, depthwise=True)
        at = _convolution(build, at, width, kernel=(1, 1))
    return _mean(build, at)


def _plain(build: Builder, at: _Map, width: int, depth: int | None) -> tuple[int, int]:
    side = min(at.sides)
    for each in plain_widths(side, width, depth):
        at = _convolution(build, at, each, kernel=plain_kernel(side))
        made = (at.sides[0] // POOL, at.sides[1] // POOL)
        at = _Map(build.add("MAX_POOL_2D", [at.number], made[0] * made[1] * each), made, each)
    x = build.add("RESHAPE", [at.number], at.size, arrays=1, constants=8)
    return dense(build, x, at.size, PLAIN_HIDDEN * width), PLAIN_HIDDEN * width


_BODIES: dict[str, Callable[[Builder, _Map, int, int | None], tuple[int, int]]] = {
    "residual": _residual,
    "separable": _separable,
    "plain": _plain,
}


def _mean(build: Builder, at: _Map) -> tuple[int, int]:
    return build.add("MEAN", [at.number], at.channels, arrays=1, constants=8), at.channels


def _convolution(
    build: Builder,
    at: _Map,
    width: int,
    *,
    kernel: Pair = _SMALL_KERNEL,
    strides: int = 1,
    depthwise: bool = False,
) -> _Map:
    """With padding; a depthwise one sees in each channel that alone."""
    height, breadth = (-(-side // strides) for side in at.sides)
    made, steps = (height, breadth), (strides, strides)
    window = kernel[0] * kernel[1] * (1 if depthwise else at.channels)
    counts: dict[str, Any] = {
        "macs": height * breadth * width * window,
        "weights": window * width,
        "biases": width,
        "arrays": 2,
        "channels": width,
        "scales": 2 * width,
        "parameters": (window + NORM) * width,
    }
    number = build.add(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [at.number],
        height * breadth * width,
        convolution=Convolution(
            sides=at.sides,
            channels=at.channels,
            kernel=kernel,
            strides=steps,
            before=padding_before(at.sides, made, kernel, steps),
            made=made,
            outputs=width,
            depthwise=depthwise,
        ),
        **counts,
    )
    return _Map(number, made, width)
