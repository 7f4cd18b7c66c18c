"""Layers that make of each byte another, the same wherever it lies: a table of 256 entries says all of them."""

from dataclasses import replace

import numpy as np

from hardware.fpga.ir import HIGHEST, LOWEST, AddTables, Int8s, Layer, Multiply, Rescale, Value
from hardware.fpga.kernels import computed

EVERY = np.arange(LOWEST, HIGHEST + 1).astype(np.int8)


def table_of(layer: Layer, out: Value) -> Int8s | None:
    """What it makes of each byte from −128 up; nothing, if that isn't the same everywhere."""
    if not isinstance(layer, AddTables | Multiply | Rescale) or len(layer.inputs) > 1:
        return None
    if not isinstance(layer, Rescale) and layer.constant is not None:
        if layer.constant.size > 1:
            return None
        layer = layer.but(constant=layer.constant.reshape(()))
    made: Int8s = computed(layer, [EVERY[None]], replace(out, shape=EVERY.shape))[0]
    return made
