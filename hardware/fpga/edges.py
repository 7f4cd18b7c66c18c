"""What the host does at the ends of a net, of values and layers of a graph: by the file that a bundle has for it."""

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.ir import Int8s, Softmax, Value
from hardware.fpga.wire import ends


def quantised(real: NDArray[np.float32], to: Value) -> Int8s:
    """Floats in `to`'s steps; the division is one of floats, halves go away from zero."""
    held: Int8s = ends.quantised(real, to.scale, to.zero)
    return held


def dequantised(steps: Int8s, of: Value) -> NDArray[np.float32]:
    real: NDArray[np.float32] = ends.dequantised(steps, of.scale, of.zero)
    return real


def softmax(layer: Softmax, steps: Int8s) -> Int8s:
    """Over the last axis, in fixed point."""
    found: Int8s = ends.softmax(steps, layer.multiplier, layer.shift, layer.lowest)
    return found
