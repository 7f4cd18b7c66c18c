"""A dense layer becomes a convolution whose window is its whole input, so that the engine has one kind of sum.

A reshape before it that only flattens goes: the convolution reads the map as it lies. Several rows become a
convolution of 1 × 1.
"""

from hardware.fpga.ir import Convolution, Dense, Graph, Layer, Reshape, Value, Window, as_map


def lower_dense(graph: Graph) -> Graph:
    made = {layer.output: layer for layer in graph.layers}
    layers = tuple(_lowered(graph, made, layer) for layer in graph.layers)
    return _without_unread(graph.with_layers(layers))


def _lowered(graph: Graph, made: dict[int, Layer], layer: Layer) -> Layer:
    if not isinstance(layer, Dense):
        return layer
    units, inputs = layer.weights.shape
    source = graph.values[layer.inputs[0]]
    one_row = source.size == inputs
    if one_row:
        source = _before_reshapes(graph, made, source)
    height, width, depth = as_map(source.shape) if one_row else (1, 1, inputs)
    if not one_row and as_map(source.shape)[2] != inputs:
        return layer
    return Convolution(
        operator=layer.operator,
        name=layer.name,
        inputs=(source.number,),
        output=layer.output,
        weights=layer.weights.reshape(units, height, width, depth),
        bias=layer.bias,
        subtract=layer.subtract,
        padding=layer.padding,
        scaling=layer.scaling,
        out=layer.out,
        window=Window((height, width)),
    )


def _before_reshapes(graph: Graph, made: dict[int, Layer], value: Value) -> Value:
    while isinstance(layer := made.get(value.number), Reshape):
        value = graph.values[layer.inputs[0]]
    return value


def _without_unread(graph: Graph) -> Graph:
    """Reshapes that nobody reads any more go."""
    layers: list[Layer] = []
    read = {graph.output}
    for layer in reversed(graph.layers):
        if not isinstance(layer, Reshape) or layer.output in read:
            layers.append(layer)
            read |= set(layer.inputs)
    return graph.with_layers(tuple(reversed(layers)))
