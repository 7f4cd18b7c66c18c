"""What each layer computes, for a batch of int8 inputs at once: arrays are (n, *shape of the value).

Sources: LiteRT's reference kernels (tflite/kernels/internal/reference): integer_ops/conv.h, depthwise_conv.h,
fully_connected.h, add.h, mul.h, pooling.h; reduce.h for Mean, requantize.h for Rescale; pad.h, concatenation.h.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.arithmetic import held, narrowed, rescaled
from hardware.fpga.ir import (
    LOWEST,
    Accumulate,
    Add,
    AddTables,
    AveragePool,
    Concat,
    Convolution,
    Dense,
    Depthwise,
    Int8s,
    Integers,
    Layer,
    MaxPool,
    Mean,
    Multiply,
    Pad,
    Rescale,
    Reshape,
    Summing,
    Value,
    Window,
    as_map,
    map_after,
)

_ADD_SHIFT = 20
_EXACT = 1 << 24  # below it every integer is a float32, so that sums of floats are exact in any order
_GREATEST = 255  # of an input minus a zero point


def computed(layer: Layer, inputs: list[Int8s], output: Value) -> Int8s:
    """The layer's output for its inputs."""
    found = _KERNELS[type(layer)](layer, inputs)
    return found.reshape(len(inputs[0]), *output.shape)


def _convolution(layer: Convolution, inputs: list[Int8s]) -> Int8s:
    channels, height, width, depth = layer.weights.shape
    source = _padded(_maps(inputs[0]), layer.window, layer.padding)
    rows, columns, _ = map_after(inputs[0].shape[1:], layer.window, channels)
    patches = _patches(source, layer.window, (rows, columns)).reshape(-1, height * width * depth)
    sums = _products(patches, layer.weights.reshape(channels, -1), layer)
    return narrowed(sums, layer.scaling, layer.out).reshape(-1, rows, columns, channels)


def _dense(layer: Dense, inputs: list[Int8s]) -> Int8s:
    rows = inputs[0].reshape(-1, layer.weights.shape[1])
    return narrowed(_products(rows, layer.weights, layer), layer.scaling, layer.out)


def _products(rows: Int8s, weights: Int8s, layer: Summing) -> Integers:
    """(rows − subtract) · weights + bias, by floats wide enough to be exact."""
    wide = np.abs(weights.astype(np.int64)).sum(axis=1).max(initial=0) * _GREATEST
    kind: Any = np.float32 if wide < _EXACT else np.float64
    left = rows.astype(kind)
    if layer.subtract:
        left -= layer.subtract
    sums: Integers = (left @ weights.T.astype(kind)).astype(np.int64)
    return sums + layer.bias


def _depthwise(layer: Depthwise, inputs: list[Int8s]) -> Int8s:
    channels = layer.weights.shape[2]
    source = _padded(_maps(inputs[0]), layer.window, layer.padding).astype(np.int32) - layer.subtract
    source = np.repeat(source, channels // source.shape[3], axis=3)
    map_ = map_after(inputs[0].shape[1:], layer.window, channels)
    sums = np.zeros((len(source), *map_), np.int32)
    for (row, column), taps in _taps(source, layer.window, map_[:2]):
        sums += taps * layer.weights[row, column].astype(np.int32)
    return narrowed(sums + layer.bias, layer.scaling, layer.out)


def _add(layer: Add, inputs: list[Int8s]) -> Int8s:
    parts = [
        rescaled((part.astype(np.int64) - zero) << _ADD_SHIFT, factor)
        for part, zero, factor in zip(
            _operands(layer.constant, inputs), layer.zeros, layer.factors, strict=True
        )
    ]
    return narrowed(parts[0] + parts[1], layer.scaling, layer.out)


def _add_tables(layer: AddTables, inputs: list[Int8s]) -> Int8s:
    sums = sum(
        table[part.astype(np.int64) - LOWEST] for table, part in zip(layer.tables, inputs, strict=True)
    )
    if layer.constant is not None:
        sums = sums + layer.constant
    return narrowed(np.asarray(sums), layer.scaling, layer.out)


def _multiply(layer: Multiply, inputs: list[Int8s]) -> Int8s:
    first, second = (
        part.astype(np.int64) - zero
        for part, zero in zip(_operands(layer.constant, inputs), layer.zeros, strict=True)
    )
    return narrowed(first * second, layer.scaling, layer.out)


def _operands(constant: Int8s | None, inputs: list[Int8s]) -> list[Int8s]:
    return inputs if constant is None else [inputs[0], constant]


def _average_pool(layer: AveragePool, inputs: list[Int8s]) -> Int8s:
    sums, counts = _window_sums(inputs[0], layer.window)
    size = (np.abs(sums) + counts // 2) // counts
    out = layer.out
    return np.clip(np.where(sums < 0, -size, size), out.low, out.high).astype(np.int8)


def _accumulate(layer: Accumulate, inputs: list[Int8s]) -> Int8s:
    sums, counts = _window_sums(inputs[0], layer.window)
    sums = sums + layer.bias
    found = np.empty(sums.shape, np.int8)
    for count, scaling in layer.scalings.items():
        rows, columns = np.nonzero(counts[..., 0] == count)
        found[:, rows, columns] = narrowed(sums[:, rows, columns], scaling, layer.out)
    return found


def _window_sums(source: Int8s, window: Window) -> tuple[Integers, Integers]:
    """Of the taps inside, and how many these are: (n, height, width, channels) and (height, width, 1)."""
    maps = _maps(source)
    rows, columns, channels = map_after(source.shape[1:], window, maps.shape[3])
    sums = np.zeros((len(maps), rows, columns, channels), np.int32)
    counts = np.zeros((1, rows, columns, 1), np.int64)
    inside = _padded(np.ones((1, *maps.shape[1:3], 1), np.int8), window, 0)
    padded = _padded(maps, window, 0)
    for (_, taps), (_, there) in zip(
        _taps(padded, window, (rows, columns)), _taps(inside, window, (rows, columns)), strict=True
    ):
        sums += taps
        counts += there
    return sums.astype(np.int64), counts[0]


def _max_pool(layer: MaxPool, inputs: list[Int8s]) -> Int8s:
    maps = _maps(inputs[0])
    rows, columns, channels = map_after(inputs[0].shape[1:], layer.window, maps.shape[3])
    most = np.full((len(maps), rows, columns, channels), LOWEST, np.int8)
    for _, taps in _taps(_padded(maps, layer.window, LOWEST), layer.window, (rows, columns)):
        np.maximum(most, taps, out=most)
    return np.clip(most, layer.out.low, layer.out.high).astype(np.int8)


def _mean(layer: Mean, inputs: list[Int8s]) -> Int8s:
    axes = tuple(axis + 1 for axis in layer.axes)
    sums = (inputs[0].astype(np.int64) - layer.subtract).sum(axis=axes)
    return narrowed(sums, layer.scaling, layer.out)


def _rescale(layer: Rescale, inputs: list[Int8s]) -> Int8s:
    return held(rescaled(inputs[0].astype(np.int64) - layer.subtract, layer.scaling), layer.out)


def _concat(layer: Concat, inputs: list[Int8s]) -> Int8s:
    return np.concatenate(inputs, axis=layer.axis + 1)


def _pad(layer: Pad, inputs: list[Int8s]) -> Int8s:
    return np.pad(inputs[0], ((0, 0), *layer.widths), constant_values=layer.value)


def _reshape(layer: Reshape, inputs: list[Int8s]) -> Int8s:
    del layer  # the value that it makes knows its shape
    return inputs[0]


def _maps(source: NDArray[Any]) -> NDArray[Any]:
    return source.reshape(len(source), *as_map(source.shape[1:]))


def _padded(maps: NDArray[Any], window: Window, value: int) -> NDArray[Any]:
    if not any((*window.before, *window.after)):
        return maps
    sides = list(zip(window.before, window.after, strict=True))
    return np.pad(maps, ((0, 0), *sides, (0, 0)), constant_values=value)


def _taps(
    padded: NDArray[Any], window: Window, sides: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], NDArray[Any]]]:
    """For each tap of the window, the part of the input that it sees: (n, *sides, channels)."""
    (down, right), (rows, columns) = window.strides, sides
    for row in range(window.size[0]):
        for column in range(window.size[1]):
            top, left = row * window.dilation[0], column * window.dilation[1]
            bottom, end = top + (rows - 1) * down + 1, left + (columns - 1) * right + 1
            yield (row, column), padded[:, top:bottom:down, left:end:right]


def _patches(padded: Int8s, window: Window, sides: tuple[int, int]) -> Int8s:
    """What each window sees: (n, *sides, window height, window width, channels), without copying."""
    apart, down, right, deep = padded.strides
    return np.lib.stride_tricks.as_strided(
        padded,
        (len(padded), *sides, *window.size, padded.shape[3]),
        (
            apart,
            down * window.strides[0],
            right * window.strides[1],
            down * window.dilation[0],
            right * window.dilation[1],
            deep,
        ),
        writeable=False,
    )


_KERNELS: dict[type[Layer], Callable[[Any, list[Int8s]], Int8s]] = {
    Convolution: _convolution,
    Depthwise: _depthwise,
    Dense: _dense,
    Add: _add,
    AddTables: _add_tables,
    Multiply: _multiply,
    AveragePool: _average_pool,
    Accumulate: _accumulate,
    MaxPool: _max_pool,
    Mean: _mean,
    Rescale: _rescale,
    Concat: _concat,
    Pad: _pad,
    Reshape: _reshape,
}
