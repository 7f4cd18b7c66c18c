"""A ReLU or ReLU6 that stands alone becomes the range of the layer before it, where both have one scale."""

import numpy as np

from hardware.fpga.ir import Graph, Layer, Output, Rescale, Twice

_ONE = (1 << 30, 1)  # the factor 1


def fuse_activations(graph: Graph) -> Graph:
    layers = {layer.output: layer for layer in graph.layers}
    for layer in graph.layers:
        if isinstance(layer, Rescale) and layer.inputs[0] in layers and _keeps_steps(layer):
            made = layers[layer.inputs[0]]
            alone = len(graph.readers(made.output)) == 1 and made.output != graph.output
            held: Output | None = getattr(made, "out", None)
            if alone and held is not None and held.zero == layer.out.zero:
                del layers[made.output]
                layers[layer.output] = _held(made, layer, held)
    return graph.with_layers(tuple(layers.values()))


def _keeps_steps(layer: Rescale) -> bool:
    scaling = layer.scaling
    one = isinstance(scaling, Twice) and np.array_equal((scaling.multipliers[0], scaling.shifts[0]), _ONE)
    return one and layer.subtract == layer.out.zero


def _held(made: Layer, layer: Rescale, held: Output) -> Layer:
    """Held in one range after the other is held in what both leave."""
    low, high = (min(max(end, layer.out.low), layer.out.high) for end in (held.low, held.high))
    return made.but(output=layer.output, out=Output(held.zero, low, high))
