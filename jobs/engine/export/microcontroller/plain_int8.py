"""Calls of kernels.h: the operators whose computed tensors are all int8."""

from collections.abc import Callable

from ai_edge_litert import schema_py_generated as schema

from hardware.targets.kernels import padding_before
from hardware.targets.litert.file import Operator, Tensor
from hardware.targets.litert.fixed import (
    ADD_SHIFT,
    Factor,
    factor_of,
    mean_factor,
    softmax_factor,
    step_of,
)
from jobs.engine.export.microcontroller.writer import Writer, braced, constant

Emitter = Callable[[Writer, Operator], None]
_MAP = 4  # dimensions of a picture's tensor: batch, height, width, channels
_LOWEST, _HIGHEST = -128, 127


def _factor(value: Factor) -> str:
    return f"(gm_factor){braced(value)}"


def _shape(tensor: Tensor) -> str:
    if len(tensor.shape) != _MAP or tensor.shape[0] != 1:
        raise ValueError(f"shape {tensor.shape}")
    return f"(gm_shape){braced(tensor.shape[1:])}"


def _range(out: Tensor, activation: int = 0) -> str:
    """The output's offset and the steps that its activation leaves."""
    kinds = schema.ActivationFunctionType
    low, high = _LOWEST, _HIGHEST
    if activation in {kinds.RELU, kinds.RELU6}:
        low = max(low, out.zero)
    if activation == kinds.RELU6:
        high = min(high, out.zero + step_of(6, out.scale))
    if activation not in {kinds.NONE, kinds.RELU, kinds.RELU6}:
        raise ValueError("its activation")
    return f"(gm_output){braced((out.zero, low, high))}"


def _window(operator: Operator, size: tuple[int, ...], dilation: tuple[int, int] = (1, 1)) -> str:
    options, sides, made = operator.options, operator.tensor(0).shape[1:3], operator.outputs[0].shape[1:3]
    steps, pads = (options.strideH, options.strideW), (0, 0)
    if options.padding == schema.Padding.SAME:
        pads = padding_before(sides, made, size, steps, dilation)
    return f"(gm_window){braced((*size, *steps, *pads, *dilation))}"


def _filter_factors(operator: Operator) -> list[Factor]:
    scale = operator.tensor(0).scale / operator.outputs[0].scale
    return [factor_of(scale * each) for each in operator.tensor(1).scales]


def _every_channel(factors: list[Factor], channels: int) -> list[Factor]:
    return factors if len(factors) == channels else factors * channels


def _conv(writer: Writer, operator: Operator) -> None:
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


def _depthwise(writer: Writer, operator: Operator) -> None:
    source, weights, out = operator.tensor(0), operator.tensor(1), operator.outputs[0]
    options = operator.options
    window = _window(operator, weights.shape[1:3], (options.dilationHFactor, options.dilationWFactor))
    factors = writer.factors(_every_channel(_filter_factors(operator), out.shape[3]))
    bias = writer.bias(operator.optional(2))
    writer.call(
        "gm_depthwise", writer.where(source), _shape(source), -source.zero, writer.weights(weights), bias,
        factors, window, writer.where(out), _shape(out), _range(out, options.fusedActivationFunction),
    )  # fmt: skip


def _dense(writer: Writer, operator: Operator) -> None:
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


def _pair(writer: Writer, operator: Operator) -> tuple[Tensor, Tensor, str, int]:
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


def _add(writer: Writer, operator: Operator) -> None:
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


def _mul(writer: Writer, operator: Operator) -> None:
    out = operator.outputs[0]
    first, second, where, step = _pair(writer, operator)
    writer.call(
        "gm_mul", writer.where(first), -first.zero, where, step, -second.zero,
        _factor(factor_of(first.scale * second.scale / out.scale)), writer.where(out), out.size,
        _range(out, operator.options.fusedActivationFunction),
    )  # fmt: skip


def _mean(writer: Writer, operator: Operator) -> None:
    source, out = operator.tensor(0), operator.outputs[0]
    axes = sorted(int(axis) % len(source.shape) for axis in constant(operator.tensor(1)).ravel())
    if axes != [1, 2]:
        raise ValueError(f"axes {axes}")
    factor = mean_factor(source.scale / out.scale, source.shape[1] * source.shape[2])
    writer.call(
        "gm_mean", writer.where(source), _shape(source), -source.zero, _factor(factor), writer.where(out),
        _range(out),
    )  # fmt: skip


def _pool(largest: int) -> Emitter:
    def emit(writer: Writer, operator: Operator) -> None:
        source, out, options = operator.tensor(0), operator.outputs[0], operator.options
        if (source.scale, source.zero) != (out.scale, out.zero):
            raise ValueError("scales that differ")
        window = _window(operator, (options.filterHeight, options.filterWidth))
        writer.call(
            "gm_pool", writer.where(source), _shape(source), window, largest, writer.where(out), _shape(out),
            _range(out, options.fusedActivationFunction),
        )  # fmt: skip

    return emit


def _reshape(writer: Writer, operator: Operator) -> None:
    """Nothing to do where the plan lets both names mean one place."""
    source, out = operator.tensor(0), operator.outputs[0]
    if writer.where(source) != writer.where(out):
        writer.call("memcpy", writer.where(out), writer.where(source), out.size)


def _softmax(writer: Writer, operator: Operator) -> None:
    source, out = operator.tensor(0), operator.outputs[0]
    if source.size != source.shape[-1] or (out.scale, out.zero) != (1 / 256, _LOWEST):
        raise ValueError("more than one row, or another output scale")
    factor, lowest = softmax_factor(source.scale, operator.options.beta)
    writer.call("gm_softmax", writer.where(source), source.size, _factor(factor), lowest, writer.where(out))


EMITTERS: dict[str, Emitter] = {
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
