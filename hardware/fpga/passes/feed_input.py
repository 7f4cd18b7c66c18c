"""What the host does to an input as it packs it: layers that are tables, and the unfolding of the first window's width.

An input of few channels leaves most of a word unused. So the window's columns become channels: a point of the packed
map holds all that a window sees of one row, and the window that is left is one column wide.
"""

from dataclasses import dataclass, replace

from hardware.fpga.ir import Convolution, Graph, Int8s, Value, Window, as_map, map_after
from hardware.fpga.tables import table_of

_POINT = Window((1, 1))


@dataclass(frozen=True, eq=False)
class Fed:
    """`graph` reads the packed map, made of an input of `shape` by `table` and the columns of `window` (see
    `image.Feed`), with `outside` where there are none.
    """

    graph: Graph
    shape: tuple[int, int, int]
    table: Int8s | None = None
    window: Window = _POINT
    outside: int = 0


def feed_input(graph: Graph) -> Fed:
    """The tables alone: the map keeps its shape."""
    fed = Fed(graph, as_map(graph.values[graph.input].shape))
    while (following := _through_table(fed)) is not None:
        fed = following
    return fed


def unfolded(fed: Fed, word: int) -> Fed:
    """With the window's columns in the channels, where that saves reads; else the same."""
    graph = fed.graph
    readers = graph.readers(graph.input)
    if len(readers) != 1 or not isinstance(reader := readers[0], Convolution) or graph.input == graph.output:
        return fed
    window, source = reader.window, graph.values[graph.input]
    units, height, width, depth = reader.weights.shape
    if -(-width * depth // word) >= width * -(-depth // word):
        return fed
    columns = map_after(source.shape, window, units)[1]
    left = reader.but(
        weights=reader.weights.reshape(units, height, 1, width * depth),
        window=Window(
            (height, 1),
            strides=(window.strides[0], 1),
            dilation=(window.dilation[0], 1),
            before=(window.before[0], 0),
            after=(window.after[0], 0),
        ),
    )
    shape = (as_map(source.shape)[0], columns, width * depth)
    layers = tuple(left if layer is reader else layer for layer in graph.layers)
    values = {**graph.values, graph.input: replace(source, shape=shape)}
    return replace(
        fed, graph=replace(graph, layers=layers, values=values), window=window, outside=reader.padding
    )


def _through_table(fed: Fed) -> Fed | None:
    """Behind the first layer, if that is a table and alone reads the input."""
    graph = fed.graph
    readers = graph.readers(graph.input)
    if len(readers) != 1 or readers[0].output == graph.output:
        return None
    out: Value = graph.values[readers[0].output]
    table = table_of(readers[0], out)
    if table is None or as_map(out.shape) != as_map(graph.values[graph.input].shape):
        return None
    whole = table if fed.table is None else table[fed.table.astype(int) + 128]
    rest = replace(graph, input=out.number)
    layers = tuple(layer for layer in graph.layers if layer is not readers[0])
    return replace(fed, graph=rest.with_layers(layers), table=whole)
