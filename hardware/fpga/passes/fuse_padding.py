"""A Pad of rows and columns becomes padding of the one convolution that reads it: nothing is copied for it."""

from dataclasses import replace

from hardware.fpga.ir import Convolution, Depthwise, Graph, Pad, Window


def fuse_padding(graph: Graph) -> Graph:
    layers = {layer.output: layer for layer in graph.layers}
    for pad in graph.layers:
        readers = graph.readers(pad.output)
        if isinstance(pad, Pad) and len(readers) == 1 and pad.output != graph.output:
            reader = layers[readers[0].output]
            if isinstance(reader, Convolution | Depthwise) and _fits(pad, reader):
                window = _widened(reader.window, pad)
                layers[reader.output] = reader.but(inputs=pad.inputs, window=window)
                del layers[pad.output]
    return graph.with_layers(tuple(layers.values()))


def _fits(pad: Pad, reader: Convolution | Depthwise) -> bool:
    spatial = len(pad.widths) == 3 and pad.widths[2] == (0, 0)  # noqa: PLR2004 - rows, columns, channels
    return spatial and pad.value == reader.padding


def _widened(window: Window, pad: Pad) -> Window:
    rows, columns = pad.widths[:2]
    return replace(
        window,
        before=(window.before[0] + rows[0], window.before[1] + columns[0]),
        after=(window.after[0] + rows[1], window.after[1] + columns[1]),
    )
