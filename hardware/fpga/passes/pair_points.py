"""Depthwise layers compute two points at once, where the engine has two banks and that takes fewer cycles.

A word of the activations holds inputs of eight channels: half the array would idle, as it computes sixteen. So both
banks compute the same eight channels, of two points side by side, whose windows share most of their taps. The banks
write their words side by side: a map of such points must lie in planes (`ir.Layout`), which convolutions of one tap
read as well as any other. Only maps that nothing else reads are laid out so.
"""

from dataclasses import replace
from math import gcd

from hardware.fpga.engine import WORD, Engine
from hardware.fpga.ir import Convolution, Depthwise, Graph, Layer, Layout, Pair, Window, map_after

AXES = {Layout.ROWS: 1, Layout.COLUMNS: 0}
"""Along which axis two points of a pair lie."""

_POINT = ((1, 1), (0, 0), (0, 0))


def pair_points(graph: Graph, engine: Engine) -> Graph:
    layouts = {
        layer.output: layout(
            map_after(graph.values[layer.inputs[0]].shape, layer.window, layer.weights.shape[2]),
            layer.window,
            engine,
        )
        for layer in graph.layers
        if isinstance(layer, Depthwise) and _allows(graph, layer)
    }
    values = {
        number: replace(value, layout=layouts.get(number, value.layout))
        for number, value in graph.values.items()
    }
    return replace(graph, values=values)


def layout(map_: tuple[int, int, int], window: Window, engine: Engine) -> Layout:
    """How a depthwise layer's map (height, width, channels) takes the fewest cycles, where its readers allow that."""
    height, width, channels = map_
    words = -(-channels // WORD)
    reads = window.taps * engine.outputs // WORD
    cycles = {Layout.POINTS: height * width * -(-channels // engine.outputs) * max(reads, engine.slots)}
    for each, axis in AXES.items() if engine.banks > 1 else ():
        down, across = pairs(map_, axis)
        cycles[each] = down * across * words * max(pair_window(window, axis).taps, engine.slots)
    return min(cycles, key=lambda each: cycles[each])


def pair_window(window: Window, axis: int) -> Window:
    """What two points side by side see, and the steps of such pairs."""
    step = gcd(window.strides[axis], window.dilation[axis])
    reach = window.reach[axis] + window.strides[axis]
    return replace(
        window,
        size=_with(window.size, axis, (reach - 1) // step + 1),
        strides=_with(window.strides, axis, 2 * window.strides[axis]),
        dilation=_with(window.dilation, axis, step),
    )


def pairs(map_: tuple[int, int, int], axis: int) -> Pair:
    """How many pairs there are down and across; the last of an odd number has one point."""
    return _with((map_[0], map_[1]), axis, -(-map_[axis] // 2))


def _allows(graph: Graph, layer: Depthwise) -> bool:
    readers = graph.readers(layer.output)
    depth, units = (graph.values[number].shape[-1] for number in (layer.inputs[0], layer.output))
    return layer.output != graph.output and depth == units and all(_reads_planes(each) for each in readers)


def _reads_planes(layer: Layer) -> bool:
    if not isinstance(layer, Convolution):
        return False
    window = layer.window
    return (window.size, window.before, window.after) == _POINT


def _with(sides: Pair, axis: int, side: int) -> Pair:
    return (sides[0], side) if axis else (side, sides[1])
