"""Sums that LiteRT multiplies by a double (those of dense layers) get integer constants that round alike, proved for
each channel.
"""

import numpy as np

from hardware.fpga.errors import UnsupportedError
from hardware.fpga.ir import LOWEST, Graph, Integers, Layer, Real, Summing
from hardware.fpga.single_rounding import NoFactorError, once


def lower_rounding(graph: Graph) -> Graph:
    """UnsupportedError where no constants of 35 bits round alike."""
    return graph.with_layers(tuple(_lowered(layer) for layer in graph.layers))


def _lowered(layer: Layer) -> Layer:
    if not isinstance(layer, Summing) or not isinstance(layer.scaling, Real):
        return layer
    try:
        return layer.but(scaling=once(layer.scaling, _reaches(layer)))
    except NoFactorError as error:
        raise UnsupportedError(
            operator=layer.operator,
            layer=layer.name,
            reason=str(error),
            instead="the model converted anew, with other calibration samples",
        ) from error


def _reaches(layer: Summing) -> Integers:
    """How far from zero each channel's sums can come; channels are the first axis of its weights."""
    weights = np.abs(layer.weights.astype(np.int64)).reshape(len(layer.bias), -1).sum(axis=1)
    reaches: Integers = np.abs(layer.bias) + weights * (abs(layer.subtract) - LOWEST)
    return reaches
