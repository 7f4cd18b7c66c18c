"""Average pooling and means become sums of a window, each with the factor that divides it.

A division that rounds halves away from zero is one multiplication rounded once: the constants are found and proved by
`single_rounding.divider`. A mean keeps LiteRT's factor, in which the division is; its zero point goes into the bias.
"""

from hardware.fpga.ir import (
    Accumulate,
    AveragePool,
    Graph,
    Layer,
    Mean,
    Output,
    Scaling,
    Value,
    Window,
    as_map,
    map_after,
)
from hardware.fpga.single_rounding import divider


def lower_pooling(graph: Graph) -> Graph:
    return graph.with_layers(tuple(_lowered(graph, layer) for layer in graph.layers))


def _lowered(graph: Graph, layer: Layer) -> Layer:
    source = graph.values[layer.inputs[0]]
    if isinstance(layer, AveragePool):
        # The input's own steps are averaged: the output has the same zero, which is in them.
        scalings: dict[int, Scaling] = {count: divider(count) for count in _counts(source, layer.window)}
        out = Output(0, layer.out.low, layer.out.high)
        return _accumulate(layer, layer.window, 0, scalings, out)
    if isinstance(layer, Mean):
        window = _over(source, layer.axes)
        bias = -layer.subtract * window.taps
        return _accumulate(layer, window, bias, {window.taps: layer.scaling}, layer.out)
    return layer


def _accumulate(
    layer: Layer, window: Window, bias: int, scalings: dict[int, Scaling], out: Output
) -> Accumulate:
    return Accumulate(
        operator=layer.operator,
        name=layer.name,
        inputs=layer.inputs,
        output=layer.output,
        window=window,
        bias=bias,
        scalings=scalings,
        out=out,
    )


def _over(source: Value, axes: tuple[int, ...]) -> Window:
    """The window that covers these axes of a value whole."""
    sides = as_map(source.shape)
    missing = len(sides) - len(source.shape)
    height, width = (sides[axis] if axis - missing in axes else 1 for axis in (0, 1))
    return Window((height, width))


def _counts(source: Value, window: Window) -> list[int]:
    """How many taps lie inside, wherever the window stands."""
    sides = as_map(source.shape)[:2]
    places = map_after(source.shape, window, 1)[:2]
    inside = [
        {sum(0 <= place * step - before + tap < side for tap in range(size)) for place in range(count)}
        for side, step, before, size, count in zip(
            sides, window.strides, window.before, window.size, places, strict=True
        )
    ]
    return sorted({rows * columns for rows in inside[0] for columns in inside[1]})
