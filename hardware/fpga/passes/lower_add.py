"""Add becomes a table of 256 entries for each input, their sum and one rescaling.

An entry is the input minus its zero point, times 2^20, times its factor, rounded twice: all that LiteRT does to it.
"""

import numpy as np

from hardware.fpga.arithmetic import rescaled
from hardware.fpga.ir import HIGHEST, LOWEST, Add, AddTables, Graph, Integers, Layer
from hardware.targets.litert.fixed import ADD_SHIFT


def lower_add(graph: Graph) -> Graph:
    return graph.with_layers(tuple(_lowered(layer) for layer in graph.layers))


def _lowered(layer: Layer) -> Layer:
    if not isinstance(layer, Add):
        return layer
    steps = np.arange(LOWEST, HIGHEST + 1, dtype=np.int64)
    tables = [_part(layer, place, steps) for place in range(len(layer.inputs))]
    constant = None if layer.constant is None else _part(layer, 1, layer.constant.astype(np.int64))
    return AddTables(
        operator=layer.operator,
        name=layer.name,
        inputs=layer.inputs,
        output=layer.output,
        tables=tuple(tables),
        constant=constant,
        scaling=layer.scaling,
        out=layer.out,
    )


def _part(layer: Add, place: int, steps: Integers) -> Integers:
    return rescaled((steps - layer.zeros[place]) << ADD_SHIFT, layer.factors[place])
