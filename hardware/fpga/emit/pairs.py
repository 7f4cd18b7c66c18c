"""Depthwise layers of two points at once, and the convolutions that read their planes (`passes/pair_points.py`)."""

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.emit.contents import Contents
from hardware.fpga.emit.geometry import Fields, held, turned, walked
from hardware.fpga.engine import WORD
from hardware.fpga.ir import LOWEST, Depthwise, Int8s, Value, Window, map_after
from hardware.fpga.memory import strides
from hardware.fpga.operations import By, Operation, operation
from hardware.fpga.passes.pair_points import AXES, pair_window, pairs


def depthwise_in_pairs(contents: Contents, layer: Depthwise) -> Operation:
    """A group is a word's eight channels, of two points. A word is a line of what is written, a plane on from the last
    one; the pairs of all points follow each other.
    """
    source, out = contents.value(layer.inputs[0]), contents.value(layer.output)
    axis = AXES[out.layout]
    window = pair_window(layer.window, axis)
    down, across = pairs(map_after(source.shape, layer.window, out.shape[-1]), axis)
    words = -(-out.shape[-1] // WORD)
    read = {**walked(contents.address(source.number), source.shape, window), "rows": down, "columns": across}
    weights = _weights(layer, window, axis)
    return operation(
        groups=words,
        advance=1,
        fill=layer.padding,
        first_valid=WORD,
        second_valid=WORD,
        weights=contents.weights(weights if axis else weights.swapaxes(1, 2)),
        constants=contents.put_constants(_constants(contents, layer), By.CHANNEL),
        constants_by=By.CHANNEL,
        out=contents.address(out.number),
        out_row_stride=2,
        out_column_stride=strides(out, WORD)[2],
        out_columns=words,
        out_channels=WORD,
        **held(layer.out),
        **(read if axis else turned(read)),
    )


def across_planes(value: Value, window: Window) -> Fields:
    """What a convolution of one tap reads of planes: a point's words as taps that lie in one place."""
    row, column, deep = strides(value, WORD)
    return {
        "words": 1,
        "taps_across": -(-value.shape[-1] // WORD),
        "tap_column_stride": deep,
        "tap_across": 0,
        "row_stride": window.strides[0] * row,
        "column_stride": window.strides[1] * column,
    }


def _constants(contents: Contents, layer: Depthwise) -> NDArray[np.uint64]:
    """Of each word's eight channels twice, once for each bank."""
    sizes = np.abs(layer.weights.astype(np.int64)).sum(axis=(0, 1))
    reach = int((sizes * -LOWEST + np.abs(layer.bias)).max())
    words = contents.constant_words(layer, layer.scaling, layer.bias, reach)
    filled = np.pad(words, ((0, -len(words) % WORD), (0, 0))).reshape(-1, 1, WORD, 2)
    return np.repeat(filled, 2, axis=1).reshape(-1, 2)


def _weights(layer: Depthwise, window: Window, axis: int) -> Int8s:
    """(words, taps down, taps across, two points, eight channels, 8): each channel reads its own input, at its point's
    taps among the pair's.
    """
    filled = np.pad(layer.weights, ((0, 0), (0, 0), (0, -layer.weights.shape[2] % WORD)))
    words = filled.shape[2] // WORD
    laid = np.zeros((words, *window.size, 2, WORD, WORD), np.int8)
    own = np.arange(WORD)
    each = layer.window.dilation[axis] // window.dilation[axis]
    apart = layer.window.strides[axis] // window.dilation[axis]
    for row, column in np.ndindex(*layer.window.size):
        for point in (0, 1):
            place = [row, column]
            place[axis] = place[axis] * each + point * apart
            laid[:, place[0], place[1], point, own, own] = filled[row, column].reshape(words, WORD)
    return laid
