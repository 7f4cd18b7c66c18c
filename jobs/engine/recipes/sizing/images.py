"""The image classifier's network (`jobs.engine.networks.image_network`) as operators. A test holds both alike."""

from dataclasses import dataclass

from hardware.targets.kernels import Convolution, padding_before
from jobs.engine.recipes.sizing.net import Builder, Net

SMALLEST_SIDE, LARGEST_SIDE = 8, 96  # of pictures, where nobody asks for another
SMALLEST_MAP, LARGEST_MAP = 4, 64
STAGES = 4
NORM = 4  # batch normalisation: scale, offset, mean and variance


def chosen_side(median: float) -> int:
    """The side to train at where none is asked for, by the median of the pictures' shorter sides."""
    return int(min(max(median, SMALLEST_SIDE), LARGEST_SIDE))


@dataclass(frozen=True)
class _Map:
    """A tensor of side × side × channels."""

    number: int
    side: int
    channels: int


def image_net(side: int, channels: int, *, classes: int, width: int) -> Net:
    """For square pictures of `side` pixels. Batch normalisation and ReLU are folded into the convolutions."""
    build = Builder()
    size = side * side * channels
    x = build.tensor(size)
    for name in ("MUL", "ADD"):
        x = build.add(name, [x], size, arrays=1, constants=4)
    at = _stem(build, _Map(x, side, channels), width)
    at = _block(build, at, width)
    for stage in range(2, STAGES + 1):
        if at.side <= SMALLEST_MAP:
            break
        at = _block(build, at, width * min(2 ** (stage - 1), 4), strides=2)
    x = build.add("MEAN", [at.number], at.channels, arrays=1, constants=8)
    x = dense(build, x, at.channels, classes)
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


def _stem(build: Builder, at: _Map, width: int) -> _Map:
    large = at.side > LARGEST_MAP
    at = _convolution(build, at, width, kernel=5 if large else 3, strides=2 if large else 1)
    while at.side > LARGEST_MAP:
        at = _convolution(build, at, width, strides=2)
    return at


def _convolution(build: Builder, at: _Map, width: int, *, kernel: int = 3, strides: int = 1) -> _Map:
    side = -(-at.side // strides)
    window = kernel * kernel * at.channels
    sides, made, size, steps = ((each, each) for each in (at.side, side, kernel, strides))
    number = build.add(
        "CONV_2D",
        [at.number],
        side * side * width,
        macs=side * side * width * window,
        weights=window * width,
        biases=width,
        arrays=2,
        channels=width,
        scales=2 * width,
        convolution=Convolution(
            sides=sides,
            channels=at.channels,
            kernel=size,
            strides=steps,
            before=padding_before(sides, made, size, steps),
            made=made,
            outputs=width,
        ),
        parameters=(window + NORM) * width,
    )
    return _Map(number, side, width)


def _block(build: Builder, at: _Map, width: int, *, strides: int = 1) -> _Map:
    y = _convolution(build, _convolution(build, at, width, strides=strides), width)
    if strides > 1 or at.channels != width:
        at = _convolution(build, at, width, kernel=1, strides=strides)
    return _Map(build.add("ADD", [at.number, y.number], build.sizes[y.number]), y.side, width)
