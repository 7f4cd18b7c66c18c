"""Input zero points go into the biases, so that the engine multiplies inputs as they are.

Σ (x − z) · w + b = Σ x · w + (b − z · Σ w). Padding then reads z, which is what `Summing.padding` says already.
"""

from hardware.fpga.ir import Depthwise, Graph, Layer, Summing


def fold_zero_points(graph: Graph) -> Graph:
    return graph.with_layers(tuple(_folded(layer) for layer in graph.layers))


def _folded(layer: Layer) -> Layer:
    if not isinstance(layer, Summing):
        return layer
    channels = 2 if isinstance(layer, Depthwise) else 0
    others = tuple(axis for axis in range(layer.weights.ndim) if axis != channels)
    sums = layer.weights.astype("int64").sum(axis=others)
    return layer.but(bias=layer.bias - layer.subtract * sums, subtract=0)
