"""Operators as hypothesis draws them: shapes, strides, scales, zero points; and files of one operator each."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.fpga.files import ACTIVATIONS, PADDINGS, Draft

# GRISTMILL_FUZZ=2000 searches for longer.
EXAMPLES = int(os.environ.get("GRISTMILL_FUZZ", "0"))
Drawn = Callable[[st.SearchStrategy[Any]], Any]

zeros = st.integers(-128, 127)
scales = st.floats(1 / 1024, 0.3125, width=32)
seeds = st.integers(0, 2**32 - 1)
activations = st.sampled_from(sorted(ACTIVATIONS))
paddings = st.sampled_from(sorted(PADDINGS))
# What a sum is multiplied by: 2^-14 … 1.7, so that outputs are now coarse, now full.
ratios = st.floats(-14, 0.75).map(lambda power: float(2**power))


def searched(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`examples`, or as many as GRISTMILL_FUZZ says; the same ones every time."""
    return settings(
        max_examples=EXAMPLES or examples,
        deadline=None,
        derandomize=not EXAMPLES,
        suppress_health_check=list(HealthCheck),
    )


def float32(value: float) -> float:
    return float(np.float32(value))


def sides(draw: Drawn, reach: int, padding: str) -> int:
    """A side that a window of this reach fits into."""
    return draw(st.integers(reach if padding == "valid" else 1, reach + 6))


@st.composite
def convolutions(draw: Drawn, depthwise: bool, most: int = 9) -> bytes:
    """Of up to `most` channels on either side."""
    padding, activation = draw(paddings), draw(activations)
    size, strides, dilation = ([draw(st.integers(1, top)) for _ in range(2)] for top in (4, 3, 3))
    reach = [(each - 1) * apart + 1 for each, apart in zip(size, dilation, strict=True)]
    height, width = (sides(draw, each, padding) for each in reach)
    depth, units = draw(st.integers(1, most)), draw(st.integers(1, most))
    units = depth * draw(st.integers(1, 3)) if depthwise else units
    chance = np.random.default_rng(draw(seeds))
    shape = (1, *size, units) if depthwise else (units, *size, depth)
    weights = chance.integers(-127, 128, shape).astype(np.int8)
    return _weighted(
        draw, chance, weights, (height, width, depth),
        _windowed_shape((height, width), reach, strides, padding, units),
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", 3 if depthwise else 0,
        "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions",
        strideH=strides[0], strideW=strides[1], dilationHFactor=dilation[0], dilationWFactor=dilation[1],
        padding=PADDINGS[padding], fusedActivationFunction=ACTIVATIONS[activation],
        **({"depthMultiplier": units // depth} if depthwise else {}),
    )  # fmt: skip


def _windowed_shape(
    map_: tuple[int, int], reach: list[int], strides: list[int], padding: str, units: int
) -> tuple[int, ...]:
    taken = [0, 0] if padding == "same" else [each - 1 for each in reach]
    height, width = (-(-(side - less) // step) for side, less, step in zip(map_, taken, strides, strict=True))
    return height, width, units


def _weighted(
    draw: Drawn,
    chance: np.random.Generator,
    weights: np.ndarray[Any, np.dtype[np.int8]],
    read: tuple[int, ...],
    made: tuple[int, ...],
    name: str,
    axis: int,
    kind: str,
    **options: Any,
) -> bytes:
    """A file of one operator with weights."""
    draft = Draft()
    source = draft.value(read, draw(scales), draw(zeros))
    out = _summed(draw, chance, draft, source, weights, made, name, axis, kind, **options)
    return draft.content(source, out)


def _summed(
    draw: Drawn,
    chance: np.random.Generator,
    draft: Draft,
    source: int,
    weights: np.ndarray[Any, np.dtype[np.int8]],
    made: tuple[int, ...],
    name: str,
    axis: int,
    kind: str,
    **options: Any,
) -> int:
    """An operator with weights: scales for each channel or one for all, with or without bias."""
    units = weights.shape[axis]
    scale, ratio = draft.graph.tensors[source].quantization.scale[0], draw(ratios)
    each = draw(st.booleans())
    weight_scales = [float32(0.01 * 2 ** chance.uniform(-2, 2)) for _ in range(units if each else 1)]
    out_scale = float32(scale * weight_scales[0] / ratio)
    inputs = [source, draft.constant(weights, weight_scales, axis=axis)]
    if name == "CONV_2D" or draw(st.booleans()):  # LiteRT runs no int8 convolution without a bias
        bias = chance.integers(-20000, 20000, units).astype(np.int32)
        inputs.append(draft.constant(bias, [float32(scale * each) for each in weight_scales]))
    out = draft.value(made, out_scale, draw(zeros))
    return draft.operator(name, inputs, out, kind, **options)


@st.composite
def separables(draw: Drawn) -> bytes:
    """A depthwise convolution, then one or two of one tap that read it, and their sum."""
    padding, chance = draw(paddings), np.random.default_rng(draw(seeds))
    size, strides, dilation = (
        [draw(st.sampled_from(of)) for _ in range(2)]
        for of in ([3, 2, 4, 1], [1, 1, 1, 2, 3], [1, 1, 1, 2, 3])
    )
    reach = [(each - 1) * apart + 1 for each, apart in zip(size, dilation, strict=True)]
    height, width = (most + draw(st.sampled_from([3, 4, 5, 0, 1])) for most in reach)
    depth, each = draw(st.integers(1, 40)), draw(st.sampled_from([1, 1, 1, 2]))
    made = _windowed_shape((height, width), reach, strides, padding, depth * each)
    draft = Draft()
    source = draft.value((height, width, depth), draw(scales), draw(zeros))
    weights = chance.integers(-127, 128, (1, *size, depth * each)).astype(np.int8)
    wide = _summed(
        draw, chance, draft, source, weights, made, "DEPTHWISE_CONV_2D", 3, "DepthwiseConv2DOptions",
        strideH=strides[0], strideW=strides[1], dilationHFactor=dilation[0], dilationWFactor=dilation[1],
        padding=PADDINGS[padding], fusedActivationFunction=ACTIVATIONS[draw(activations)], depthMultiplier=each,
    )  # fmt: skip
    down, across, units = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 20))
    thin = [
        _summed(
            draw, chance, draft, wide, chance.integers(-127, 128, (units, 1, 1, made[2])).astype(np.int8),
            (-(-made[0] // down), -(-made[1] // across), units), "CONV_2D", 0, "Conv2DOptions",
            strideH=down, strideW=across, dilationHFactor=1, dilationWFactor=1, padding=PADDINGS["same"],
            fusedActivationFunction=ACTIVATIONS[draw(activations)],
        )
        for _ in range(draw(st.integers(1, 2)))
    ]  # fmt: skip
    return draft.content(source, thin[0] if len(thin) == 1 else _sum_of(draft, thin))


def _sum_of(draft: Draft, both: list[int]) -> int:
    shape = tuple(draft.graph.tensors[both[0]].shape[1:])
    scale = draft.graph.tensors[both[0]].quantization.scale[0]
    return draft.operator("ADD", both, draft.value(shape, float32(scale * 2), 3), "AddOptions")


@st.composite
def dense(draw: Drawn) -> bytes:
    units, inputs, rows = draw(st.integers(1, 20)), draw(st.integers(1, 70)), draw(st.integers(1, 3))
    chance = np.random.default_rng(draw(seeds))
    weights = chance.integers(-127, 128, (units, inputs)).astype(np.int8)
    many = rows > 1
    return _weighted(
        draw, chance, weights, (rows, inputs) if many else (inputs,), (rows, units) if many else (units,),
        "FULLY_CONNECTED", 0, "FullyConnectedOptions",
        fusedActivationFunction=ACTIVATIONS[draw(activations)], keepNumDims=many,
    )  # fmt: skip


@st.composite
def pairs(draw: Drawn, name: str) -> bytes:
    """Add or Mul: of the input and of what a change of scale makes of it, or of a constant of some shape."""
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 9)))
    first, second, ratio = draw(scales), draw(scales), draw(st.floats(0.25, 3))
    draft, chance = Draft(), np.random.default_rng(draw(seeds))
    source = draft.value(shape, first, draw(zeros))
    other_zero = draw(zeros)
    kind = draw(st.sampled_from(["value", "one", "channels", "whole"]))
    if kind == "value":
        other = draft.operator(
            "QUANTIZE", [source], draft.value(shape, second, other_zero), "QuantizeOptions"
        )
    else:
        of = {"one": (), "channels": shape[2:], "whole": (1, *shape)}[kind]
        other = draft.constant(chance.integers(-128, 128, of).astype(np.int8), [second], other_zero)
    real = first + second if name == "ADD" else first * second * 128
    out = draft.value(shape, float32(real / ratio), draw(zeros))
    inputs = [source, other] if draw(st.booleans()) else [other, source]
    draft.operator(
        name, inputs, out, f"{name.title()}Options", fusedActivationFunction=ACTIVATIONS[draw(activations)]
    )
    return draft.content(source, out)


@st.composite
def products(draw: Drawn) -> bytes:
    """Every int8 times every other, so that a factor that is off by a little shows."""
    draft = Draft()
    source = draft.value((256, 1), draw(scales), 0)
    every = draft.constant(np.arange(-128, 128).astype(np.int8), [draw(scales)], draw(zeros))
    of = draft.graph.tensors
    real = of[source].quantization.scale[0] * of[every].quantization.scale[0] * 128
    out = draft.value((256, 256), float32(real * draw(st.floats(0.5, 2))), draw(zeros))
    draft.operator("MUL", [source, every], out, "MulOptions")
    return draft.content(source, out)


@st.composite
def pools(draw: Drawn, name: str) -> bytes:
    padding = draw(paddings)
    size, strides = ([draw(st.integers(1, top)) for _ in range(2)] for top in (5, 3))
    height, width = (sides(draw, each, padding) for each in size)
    depth, scale, zero = draw(st.integers(1, 9)), draw(scales), draw(zeros)
    draft = Draft()
    source = draft.value((height, width, depth), scale, zero)
    out = draft.value(_windowed_shape((height, width), size, strides, padding, depth), scale, zero)
    draft.operator(
        name, [source], out, "Pool2DOptions", filterHeight=size[0], filterWidth=size[1], strideH=strides[0],
        strideW=strides[1], padding=PADDINGS[padding], fusedActivationFunction=ACTIVATIONS[draw(activations)],
    )  # fmt: skip
    return draft.content(source, out)


@st.composite
def means(draw: Drawn) -> bytes:
    shape = [draw(st.integers(1, 12)) for _ in range(draw(st.integers(2, 3)))]
    axes = draw(st.sampled_from([[1], [2], [1, 2], [-2, -3]] if len(shape) == 3 else [[1], [-2]]))
    keeps = draw(st.booleans())
    over = {axis % (len(shape) + 1) - 1 for axis in axes}
    made = [1 if at in over else side for at, side in enumerate(shape) if keeps or at not in over]
    draft, scale = Draft(), draw(scales)
    source = draft.value(tuple(shape), scale, draw(zeros))
    out = draft.value(tuple(made), float32(scale / draw(st.floats(0.3, 8))), draw(zeros))
    axes_at = draft.constant(np.array(axes, np.int32))
    draft.operator("MEAN", [source, axes_at], out, "ReducerOptions", keepDims=keeps)
    return draft.content(source, out)


@st.composite
def rescales(draw: Drawn, name: str) -> bytes:
    """QUANTIZE from int8 to int8, RELU, RELU6; now and then without a change of scale."""
    shape, scale, zero = (draw(st.integers(1, 200)),), draw(scales), draw(zeros)
    draft = Draft()
    source = draft.value(shape, scale, zero)
    same = draw(st.booleans())
    ratio = draw(st.floats(0.1, 9))
    out = draft.value(shape, scale if same else float32(scale / ratio), zero if same else draw(zeros))
    draft.operator(name, [source], out, "QuantizeOptions" if name == "QUANTIZE" else "")
    return draft.content(source, out)


@st.composite
def joins(draw: Drawn) -> bytes:
    """A concatenation of the input, twice or with its max pooling, along any axis; then a pad."""
    shape = tuple(draw(st.integers(1, 6)) for _ in range(3))
    axis, scale, zero = draw(st.integers(1, 3)), draw(scales), draw(zeros)
    axis = axis - draw(st.sampled_from([0, 4]))
    draft = Draft()
    source = draft.value(shape, scale, zero)
    joined = list(shape)
    joined[axis % 4 - 1] *= 2
    both = draft.value(tuple(joined), scale, zero)
    draft.operator("CONCATENATION", [source, source], both, "ConcatenationOptions", axis=axis)
    widths = np.array(
        [(0, 0), *((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(3))], np.int32
    )
    padded = tuple(int(side + pad.sum()) for side, pad in zip(joined, widths[1:], strict=True))
    out = draft.value(padded, scale, zero)
    inputs = [both, draft.constant(widths)]
    if draw(st.booleans()):
        inputs.append(draft.constant(np.array([draw(zeros)], np.int8), [scale], zero))
    draft.operator("PADV2" if len(inputs) == 3 else "PAD", inputs, out)
    return draft.content(source, out)


@st.composite
def softmaxes(draw: Drawn) -> bytes:
    shape, scale = (draw(st.integers(1, 60)),), draw(st.floats(1 / 1024, 1.5, width=32))
    draft = Draft()
    source = draft.value(shape, scale, draw(zeros))
    out = draft.value(shape, 1 / 256, -128)
    draft.operator("SOFTMAX", [source], out, "SoftmaxOptions", beta=draw(st.sampled_from([1.0, 0.25, 3.0])))
    return draft.content(source, out)
