"""Layers that the array computes: convolutions, depthwise ones, sums of windows."""

import numpy as np

from hardware.fpga.emit.contents import Contents
from hardware.fpga.emit.geometry import Fields, held, walked, written
from hardware.fpga.emit.pairs import across_planes, depthwise_in_pairs
from hardware.fpga.engine import WORD
from hardware.fpga.factors import constant_words
from hardware.fpga.ir import (
    LOWEST,
    Accumulate,
    Convolution,
    Depthwise,
    Int8s,
    Layout,
    as_map,
    map_after,
)
from hardware.fpga.operations import By, Operation, operation


def convolution(contents: Contents, layer: Convolution) -> list[Operation]:
    source = contents.value(layer.inputs[0])
    fields = _dense(contents, layer.weights, as_map(source.shape)[2])
    if source.layout is not Layout.POINTS:
        fields |= across_planes(source, layer.window)
    return [_summed(contents, layer, fields, layer.weights)]


def depthwise(contents: Contents, layer: Depthwise) -> list[Operation]:
    """Words that are zero but for each channel's own input; where a group's inputs don't lie in whole words, a
    convolution over all channels.
    """
    if contents.value(layer.output).layout is not Layout.POINTS:
        return [depthwise_in_pairs(contents, layer)]
    depth = as_map(contents.value(layer.inputs[0]).shape)[2]
    weights = np.moveaxis(layer.weights, 2, 0)[..., None]  # [channels][rows][columns][1]
    each = len(weights) // depth
    outputs = contents.engine.outputs
    wide = each * WORD  # output channels of an input word
    if outputs % wide and wide % outputs:
        own = (np.arange(len(weights)) // each)[:, None] == np.arange(depth)
        fields = _dense(contents, weights * own[:, None, None].astype(np.int8), depth)
    else:
        span, hold = max(outputs // wide, 1), max(wide // outputs, 1)
        laid = _diagonal(_padded(weights, outputs), outputs, each, span, hold)
        fields = {"weights": contents.weights(laid), "words": span, "hold": hold, "advance": span}
    return [_summed(contents, layer, fields, weights)]


def accumulate(contents: Contents, layer: Accumulate) -> list[Operation]:
    outputs = contents.engine.outputs
    span, hold = max(outputs // WORD, 1), max(WORD // outputs, 1)
    ones = np.eye(max(outputs, WORD), dtype=np.int8).reshape(hold, outputs, span, WORD).swapaxes(1, 2)
    reach = layer.window.taps * -LOWEST + abs(layer.bias)
    fields = {
        "weights": contents.weights(np.ascontiguousarray(ones)),
        "words": span,
        "hold": hold,
        "advance": span,
        "reuse": 1,
        **_pooled_constants(contents, layer, reach),
    }
    return [_operation(contents, layer, fields, as_map(contents.value(layer.inputs[0]).shape)[2], padding=0)]


def _pooled_constants(contents: Contents, layer: Accumulate, reach: int) -> Fields:
    bias = np.array([layer.bias])
    if len(layer.scalings) == 1:
        (scaling,) = layer.scalings.values()
        at = contents.constants(layer, scaling, bias, reach, By.ONE)
        return {"constants": at, "constants_by": By.ONE}
    words = np.zeros((max(layer.scalings) + 1, 2), np.uint64)
    for count, scaling in layer.scalings.items():
        words[count] = constant_words(scaling, bias, reach)[0]
    return {"constants": contents.put_constants(words, By.COUNT), "constants_by": By.COUNT}


def _diagonal(weights: Int8s, outputs: int, each: int, span: int, hold: int) -> Int8s:
    """(groups, taps, span, outputs, 8): in a group's `span` words, each channel reads its own input alone."""
    groups = len(weights) // outputs
    channels = np.arange(len(weights)).reshape(groups, outputs)
    first = np.arange(groups) // hold * span * WORD
    content = np.zeros((groups, *weights.shape[1:3], span * WORD, outputs), np.int8)
    for group in range(groups):
        lanes = channels[group] // each - first[group]
        content[group][..., lanes, np.arange(outputs)] = np.moveaxis(weights[channels[group], :, :, 0], 0, 2)
    laid = content.reshape(groups, -1, span, WORD, outputs).swapaxes(3, 4)
    return np.ascontiguousarray(laid)


def _dense(contents: Contents, weights: Int8s, depth: int) -> Fields:
    """Every output channel reads every input channel."""
    outputs, words = contents.engine.outputs, -(-depth // WORD)
    padded = np.pad(_padded(weights, outputs), ((0, 0), (0, 0), (0, 0), (0, words * WORD - depth)))
    laid = padded.reshape(-1, outputs, *weights.shape[1:3], words, WORD).transpose(0, 2, 3, 4, 1, 5)
    return {"weights": contents.weights(np.ascontiguousarray(laid)), "words": words}


def _padded(weights: Int8s, outputs: int) -> Int8s:
    """With channels of zeros, up to whole groups."""
    padded: Int8s = np.pad(weights, ((0, -len(weights) % outputs), (0, 0), (0, 0), (0, 0)))
    return padded


def _summed(contents: Contents, layer: Convolution | Depthwise, fields: Fields, weights: Int8s) -> Operation:
    """`weights`: by channel first."""
    sizes = np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(axis=1)
    reach = int((sizes * -LOWEST + np.abs(layer.bias)).max())
    constants = contents.constants(layer, layer.scaling, layer.bias, reach, By.CHANNEL)
    named = {**fields, "constants": constants, "constants_by": By.CHANNEL}
    return _operation(contents, layer, named, len(weights), padding=layer.padding)


def _operation(
    contents: Contents,
    layer: Convolution | Depthwise | Accumulate,
    fields: Fields,
    channels: int,
    *,
    padding: int,
) -> Operation:
    source, window = contents.value(layer.inputs[0]), layer.window
    rows, columns, _ = map_after(source.shape, window, channels)
    outputs, slots = contents.engine.outputs, contents.engine.slots
    groups = -(-channels // outputs)
    last = channels - outputs * (groups - 1)
    first_valid = min(last, slots)
    by_first_bank = channels if contents.engine.banks == 1 else slots * (groups - 1) + first_valid
    return operation(
        rows=rows,
        columns=columns,
        groups=groups,
        first_valid=first_valid,
        second_valid=max(last - slots, 0),
        fill=padding,
        **{**walked(contents.address(source.number), source.shape, window), **fields},
        **written(contents.address(layer.output), (rows, columns, channels), by_first_bank),
        **held(layer.out),
    )
