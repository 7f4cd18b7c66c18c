"""What a computer does around the engine, read from a .tflite file: the `ends` of an image.json. wire/ends.py computes
with it, here and on the desk where the board is.

Of operators on floats those are known that this portal's recipes make (tables: jobs/engine/networks.py) and their
neighbours; each gives the very bits that LiteRT's reference kernels give.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from hardware.fpga.builders import LIMITS, layer_name, refusal
from hardware.fpga.errors import UnsupportedError
from hardware.fpga.frontend import Split, read_graph, split
from hardware.fpga.ir import Graph
from hardware.targets.litert.file import Operator, Tensor, read

_KNOWN_INSTEAD = (
    "scaling, adding, comparing, choosing, gathering and joining columns; or int8 throughout, where the board computes "
    "it"
)


def ends_of(content: bytes) -> dict[str, Any]:
    """Plain JSON values. UnsupportedError for an operator on floats that is not known, else as `read_graph` raises."""
    net, graph = read(content), read_graph(content)
    parts = split(net)
    return {
        "input": net.input.number,
        "before": [_step(operator) for operator in parts.before],
        "quantise": _quantise(parts, graph),
        "softmax": _softmax(graph),
        "dequantise": _dequantise(parts, graph),
        "after": [_step(operator) for operator in parts.after],
        "output": net.output.number,
    }


def _quantise(parts: Split, graph: Graph) -> dict[str, Any] | None:
    if parts.entering is None:
        return None
    to = graph.values[graph.input]
    return {"value": parts.entering.tensor(0).number, "scale": to.scale, "zero": to.zero}


def _softmax(graph: Graph) -> dict[str, Any] | None:
    found = graph.host.softmax
    if found is None:
        return None
    return {"multiplier": found.multiplier, "shift": found.shift, "lowest": found.lowest}


def _dequantise(parts: Split, graph: Graph) -> dict[str, Any] | None:
    if parts.leaving is None:
        return None
    of = graph.values[parts.last.number]
    return {"value": parts.leaving.outputs[0].number, "scale": of.scale, "zero": of.zero}


# --- operators on floats ------------------------------------------------------------------------------------


def _step(operator: Operator) -> dict[str, Any]:
    """The operator as wire/ends.py runs it."""
    if operator.name not in _OPTIONS:
        raise _refused(operator, "the host computes no such operator on floats")
    out = operator.outputs[0]
    if out.dtype not in (np.float32, np.bool_) or not out.shape or out.shape[0] != 1:
        raise _refused(
            operator, f"it makes {out.shape} of {out.dtype and np.dtype(out.dtype)}, not a batch of 1"
        )
    given = [tensor for tensor in operator.inputs if tensor is not None]
    if operator.name in _ONE_INPUT:
        given = given[:1]  # shapes and axes are known from the output
    return {
        "operator": operator.name,
        "inputs": [_input(operator, tensor, len(out.shape)) for tensor in given],
        "output": out.number,
        **_OPTIONS[operator.name](operator),
    }


def _input(operator: Operator, tensor: Tensor, axes: int) -> int | dict[str, Any]:
    """A computed tensor's number, or a constant; a constant for the whole batch alone."""
    if tensor.data is None:
        return tensor.number
    whole = len(tensor.shape) < axes or tensor.shape[0] == 1
    if operator.name == "CONCATENATION" or (operator.name != "GATHER" and not whole):
        raise _refused(operator, "it takes a constant that differs within a batch")
    return {
        "type": str(np.dtype(tensor.dtype)),
        "shape": list(tensor.shape),
        "values": tensor.data.ravel().tolist(),
    }


def _bounds(operator: Operator) -> dict[str, Any]:
    """The range that a fused activation leaves."""
    kind = operator.options.fusedActivationFunction
    if kind not in LIMITS:
        raise _refused(operator, "its activation")
    return {"bounds": list(LIMITS[kind])}


def _range(low: float | None, high: float | None) -> Callable[[Operator], dict[str, Any]]:
    return lambda _operator: {"bounds": [low, high]}


def _gather(operator: Operator) -> dict[str, Any]:
    source, places = operator.tensor(0), operator.tensor(1)
    axis = operator.options.axis % len(source.shape)
    if axis == 0 or operator.options.batchDims or places.data is None or source.data is not None:
        raise _refused(operator, "it gathers other than columns of known places")
    if ((places.data < 0) | (places.data >= source.shape[axis])).any():
        raise _refused(operator, "it gathers columns that are not there")
    return {"axis": axis}


def _concatenation(operator: Operator) -> dict[str, Any]:
    axis = operator.options.axis % len(operator.outputs[0].shape)
    if axis == 0:
        raise _refused(operator, "it joins inputs of a batch")
    return {"axis": axis, **_bounds(operator)}


def _cast(operator: Operator) -> dict[str, Any]:
    if operator.outputs[0].dtype is not np.float32:
        raise _refused(operator, "it makes no floats")
    return {}


def _reshape(operator: Operator) -> dict[str, Any]:
    return {"shape": list(operator.outputs[0].shape[1:])}


def _nothing(_operator: Operator) -> dict[str, Any]:
    return {}


_ONE_INPUT = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_OPTIONS: dict[str, Callable[[Operator], dict[str, Any]]] = {
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV"), _bounds),
    **dict.fromkeys(("MAXIMUM", "MINIMUM", "EQUAL", "NOT_EQUAL", "SELECT_V2"), _nothing),
    **dict.fromkeys(_ONE_INPUT, _reshape),
    "CAST": _cast,
    "GATHER": _gather,
    "CONCATENATION": _concatenation,
    "RELU": _range(0.0, None),
    "RELU6": _range(0.0, 6.0),
    "RELU_N1_TO_1": _range(-1.0, 1.0),
}
"""What each operator of wire/ends.py needs to know beside its inputs."""


def _refused(operator: Operator, reason: str) -> UnsupportedError:
    return refusal(operator.name, layer_name(operator), reason, _KNOWN_INSTEAD)
