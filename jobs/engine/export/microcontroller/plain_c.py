"""An int8 model as plain C: `gristmill_plain.c`, which needs kernels.h and nothing else.

Weights and fixed-point constants become const arrays, the operators a list of calls, the activations places in one
static buffer. The kernels compute as TensorFlow Lite Micro's reference kernels do, bit for bit: `tests/export`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from jobs.engine.export.microcontroller.fixed import ADD_SHIFT, Factor, factor_of, mean_factor, softmax_factor
from jobs.engine.export.microcontroller.places import Plan, place
from jobs.engine.export.microcontroller.tensors import Net, Operator, Tensor, read

_ALIGNMENT = 8
_MAP = 4  # dimensions of a picture's tensor: batch, height, width, channels
_LOWEST, _HIGHEST = -128, 127


class NoKernelError(Exception):
    """The model needs what kernels.h does not have; the message says what."""


@dataclass(frozen=True)
class PlainC:
    """The text of `gristmill_plain.c` and the bytes of its activations' buffer."""

    source: str
    buffer_bytes: int


def write(content: bytes) -> PlainC:
    """Of a .tflite file whose every tensor is int8. NoKernelError names what can't be written."""
    try:
        net = read(content)
    except ValueError as error:
        raise NoKernelError(str(error)) from error
    plan = place(net, _ALIGNMENT)
    writer = _Writer(net, plan)
    for operator in net.operators:
        _emit(writer, operator)
    return PlainC(writer.text(), plan.bytes)


@dataclass
class _Writer:
    net: Net
    plan: Plan
    constants: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def call(self, function: str, *arguments: object) -> None:
        self.calls.append(f"  {function}({', '.join(map(str, arguments))});")

    def where(self, tensor: Tensor) -> str:
        """The C expression for where a computed tensor lies."""
        root = self.plan.root(tensor.number)
        if root == self.net.input.number:
            return "input"
        if root == self.net.output.number:
            return "output"
        return f"(buffer + {self.plan.offsets[root]})"

    def array(self, kind: str, values: Sequence[object]) -> str:
        """A new const array's name."""
        name = f"c{len(self.constants)}"
        rows = [
            "  " + ",".join(map(str, values[start : start + 24])) + "," for start in range(0, len(values), 24)
        ]
        self.constants.append(f"static const {kind} {name}[] = {{\n" + "\n".join(rows) + "\n};")
        return name

    def weights(self, tensor: Tensor) -> str:
        return self.array("int8_t", _constant(tensor).astype(np.int8).ravel().tolist())

    def bias(self, tensor: Tensor | None) -> str:
        return "0" if tensor is None else self.array("int32_t", _constant(tensor).ravel().tolist())

    def factors(self, factors: Sequence[Factor]) -> str:
        return self.array("gm_factor", [_braced(factor) for factor in factors])

    def text(self) -> str:
        constants, calls = "\n".join(self.constants), "\n".join(self.calls)
        return f"""\
/* Written by Gristmill from model_micro.tflite. */
#include "gristmill.h"

#include <string.h>

#include "kernels.h"

{constants}

static int8_t buffer[{max(self.plan.bytes, 1)}];

int gristmill_begin(void) {{ return 0; }}

int gristmill_run(const int8_t *input, int8_t *output) {{
  (void)buffer;
{calls}
  return 0;
}}
"""


def _emit(writer: _Writer, operator: Operator) -> None:
    if operator.name not in _EMITTERS:
        raise NoKernelError(f"it has no kernel for the operator {operator.name}")
    for tensor in [*operator.inputs, *operator.outputs]:
        if tensor is not None and tensor.data is None and tensor.dtype is not np.int8:
            raise NoKernelError(f"its kernels are for int8 alone, and {operator.name} has another type here")
    try:
        _EMITTERS[operator.name](writer, operator)
    except (ValueError, IndexError) as error:
        raise NoKernelError(f"it has no kernel for this {operator.name} ({error})") from error


def _constant(tensor: Tensor) -> Any:
    if tensor.data is None:
        raise ValueError("weights that are not constant")
    return tensor.data


def _braced(values: Sequence[object]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _factor(value: Factor) -> str:
    return f"(gm_factor){_braced(value)}"


def _shape(tensor: Tensor) -> str:
    if len(tensor.shape) != _MAP or tensor.shape[0] != 1:
        raise ValueError(f"shape {tensor.shape}")
    return f"(gm_shape){_braced(tensor.shape[1:])}"


def _range(out: Tensor, activation: int = 0) -> str:
    """The output's offset and the steps that its activation leaves."""
    kinds = schema.ActivationFunctionType
    low, high = _LOWEST, _HIGHEST
    if activation in {kinds.RELU, kinds.RELU6}:
        low = max(low, out.zero)
    if activation == kinds.RELU6:
        high = min(high, out.zero + round(6 / out.scale))
    if activation not in {kinds.NONE, kinds.RELU, kinds.RELU6}:
        raise ValueError("its activation")
    return f"(gm_output){_braced((out.zero, low, high))}"


def _window(operator: Operator, size: tuple[int, ...], dilation: tuple[int, int] = (1, 1)) -> str:
    options, read_from, written = operator.options, operator.tensor(0).shape, operator.outputs[0].shape
    steps = (options.strideH, options.strideW)
    pads = [0, 0]
    if options.padding == schema.Padding.SAME:
        for axis, (side, step, dilated) in enumerate(zip(size, steps, dilation, strict=True)):
            reach = (written[1 + axis] - 1) * step + (side - 1) * dilated + 1
            pads[axis] = max(reach - read_from[1 + axis], 0) // 2
    return f"(gm_window){_braced((*size, *steps, *pads, *dilation))}"


def _filter_factors(operator: Operator) -> list[Factor]:
    scale = operator.tensor(0).scale / operator.outputs[0].scale
    return [factor_of(scale * each) for each in operator.tensor(1).scales]


def _every_channel(factors: list[Factor], channels: int) -> list[Factor]:
    return factors if len(factors) == channels else factors * channels


def _conv(writer: _Writer, operator: Operator) -> None:
    source, weights, out = operator.tensor(0), operator.tensor(1), operator.outputs[0]
    if weights.shape[3] != source.shape[3]:
        raise ValueError("groups")
    options = operator.options
    window = _window(operator, weights.shape[1:3], (options.dilationHFactor, options.dilationWFactor))
    factors = writer.factors(_every_channel(_filter_factors(operator), out.shape[3]))
    bias = writer.bias(operator.optional(2))
    writer.call(
        "gm_conv", writer.where(source), _shape(source), -source.zero, writer.weights(weights), bias, factors,
        window, writer.where(out), _shape(out), _range(out, options.fusedActivationFunction),
    )  # fmt: skip


def _depthwise(writer: _Writer, operator: Operator) -> None:
    source, weights, out = operator.tensor(0), operator.tensor(1), operator.outputs[0]
    options = operator.options
    window = _window(operator, weights.shape[1:3], (options.dilationHFactor, options.dilationWFactor))
    factors = writer.factors(_every_channel(_filter_factors(operator), out.shape[3]))
    bias = writer.bias(operator.optional(2))
    writer.call(
        "gm_depthwise", writer.where(source), _shape(source), -source.zero, writer.weights(weights), bias,
        factors, window, writer.where(out), _shape(out), _range(out, options.fusedActivationFunction),
    )  # fmt: skip


def _dense(writer: _Writer, operator: Operator) -> None:
    source, weights, out = operator.tensor(0), operator.tensor(1), operator.outputs[0]
    outputs, inputs = weights.shape
    if source.size != inputs or out.size != outputs:
        raise ValueError("more than one row")
    found = _filter_factors(operator)
    factors, bias = writer.factors(found), writer.bias(operator.optional(2))
    writer.call(
        "gm_dense", writer.where(source), inputs, -source.zero, writer.weights(weights), bias, factors,
        int(len(found) > 1), writer.where(out), outputs, _range(out, operator.options.fusedActivationFunction),
    )  # fmt: skip


def _pair(writer: _Writer, operator: Operator) -> tuple[Tensor, Tensor, str, int]:
    """Both operands, the computed one first; where the second lies, and how far apart its elements are."""
    first, second = operator.tensor(0), operator.tensor(1)
    if first.data is not None:
        first, second = second, first
    if second.data is not None:
        if second.size != 1:
            raise ValueError("a constant that is no single number")
        return first, second, writer.weights(second), 0
    if first.shape != second.shape:
        raise ValueError("operands of unlike shapes")
    return first, second, writer.where(second), 1


def _add(writer: _Writer, operator: Operator) -> None:
    out = operator.outputs[0]
    first, second, where, step = _pair(writer, operator)
    twice = 2 * max(first.scale, second.scale)
    factors = (
        factor_of(first.scale / twice),
        factor_of(second.scale / twice),
        factor_of(twice / ((1 << ADD_SHIFT) * out.scale)),
    )
    writer.call(
        "gm_add", writer.where(first), -first.zero, _factor(factors[0]), where, step, -second.zero,
        _factor(factors[1]), _factor(factors[2]), writer.where(out), out.size,
        _range(out, operator.options.fusedActivationFunction),
    )  # fmt: skip


def _mul(writer: _Writer, operator: Operator) -> None:
    out = operator.outputs[0]
    first, second, where, step = _pair(writer, operator)
    writer.call(
        "gm_mul", writer.where(first), -first.zero, where, step, -second.zero,
        _factor(factor_of(first.scale * second.scale / out.scale)), writer.where(out), out.size,
        _range(out, operator.options.fusedActivationFunction),
    )  # fmt: skip


def _mean(writer: _Writer, operator: Operator) -> None:
    source, out = operator.tensor(0), operator.outputs[0]
    axes = sorted(int(axis) % len(source.shape) for axis in _constant(operator.tensor(1)).ravel())
    if axes != [1, 2]:
        raise ValueError(f"axes {axes}")
    factor = mean_factor(source.scale / out.scale, source.shape[1] * source.shape[2])
    writer.call(
        "gm_mean", writer.where(source), _shape(source), -source.zero, _factor(factor), writer.where(out),
        _range(out),
    )  # fmt: skip


def _pool(largest: int) -> Callable[[_Writer, Operator], None]:
    def emit(writer: _Writer, operator: Operator) -> None:
        source, out, options = operator.tensor(0), operator.outputs[0], operator.options
        if (source.scale, source.zero) != (out.scale, out.zero):
            raise ValueError("scales that differ")
        window = _window(operator, (options.filterHeight, options.filterWidth))
        writer.call(
            "gm_pool", writer.where(source), _shape(source), window, largest, writer.where(out), _shape(out),
            _range(out, options.fusedActivationFunction),
        )  # fmt: skip

    return emit


def _reshape(writer: _Writer, operator: Operator) -> None:
    """Nothing to do where the plan lets both names mean one place."""
    source, out = operator.tensor(0), operator.outputs[0]
    if writer.where(source) != writer.where(out):
        writer.call("memcpy", writer.where(out), writer.where(source), out.size)


def _softmax(writer: _Writer, operator: Operator) -> None:
    source, out = operator.tensor(0), operator.outputs[0]
    if source.size != source.shape[-1] or (out.scale, out.zero) != (1 / 256, _LOWEST):
        raise ValueError("more than one row, or another output scale")
    factor, lowest = softmax_factor(source.scale, operator.options.beta)
    writer.call("gm_softmax", writer.where(source), source.size, _factor(factor), lowest, writer.where(out))


_EMITTERS: dict[str, Callable[[_Writer, Operator], None]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "ADD": _add,
    "MUL": _mul,
    "MEAN": _mean,
    "AVERAGE_POOL_2D": _pool(0),
    "MAX_POOL_2D": _pool(1),
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
}
