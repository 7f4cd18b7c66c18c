"""Calls of kernels_float.h: what stands in float before and behind the int8 layers of a table's model."""

from collections.abc import Callable

import numpy as np

from hardware.targets.litert.file import Operator, Tensor
from jobs.engine.export.microcontroller.writer import Writer, constant

Emitter = Callable[[Writer, Operator], None]


def _typed(tensor: Tensor, dtype: type) -> Tensor:
    if tensor.dtype is not dtype:
        raise ValueError("another type")
    return tensor


def _step(tensor: Tensor, out: Tensor) -> int:
    """1 for an operand of the output's size, 0 for a single number; ValueError for other broadcasting."""
    if tensor.size == out.size and out.size == out.shape[-1]:
        return 1
    if tensor.size != 1:
        raise ValueError("its broadcasting")
    return 0


def _operand(writer: Writer, tensor: Tensor, out: Tensor, dtype: type = np.float32) -> tuple[str, int]:
    return writer.where(_typed(tensor, dtype)), _step(tensor, out)


def _pairwise(function: str) -> Emitter:
    def emit(writer: Writer, operator: Operator) -> None:
        out = operator.outputs[0]
        options = operator.options
        if getattr(options, "fusedActivationFunction", 0):
            raise ValueError("its activation")
        first, second = (_operand(writer, operator.tensor(at), out) for at in (0, 1))
        writer.call(function, *first, *second, writer.where(out), out.size)

    return emit


def _select(writer: Writer, operator: Operator) -> None:
    out = operator.outputs[0]
    which = _operand(writer, operator.tensor(0), out, np.bool_)
    first, second = (_operand(writer, operator.tensor(at), out) for at in (1, 2))
    writer.call("gm_float_select", *which, *first, *second, writer.where(out), out.size)


def _cast(writer: Writer, operator: Operator) -> None:
    source, out = _typed(operator.tensor(0), np.bool_), _typed(operator.outputs[0], np.float32)
    writer.call("gm_float_cast", writer.where(source), writer.where(out), out.size)


def _gather(writer: Writer, operator: Operator) -> None:
    source, places, out = operator.tensor(0), constant(operator.tensor(1)), operator.outputs[0]
    if source.size != source.shape[-1] or operator.options.axis % len(source.shape) != len(source.shape) - 1:
        raise ValueError("its axis")
    if (
        operator.options.batchDims
        or places.size != out.size
        or not (places >= 0).all() & (places < source.size).all()
    ):
        raise ValueError("its places")
    function = "gm_byte_gather" if source.dtype is np.bool_ else "gm_float_gather"
    _typed(source, np.bool_ if source.dtype is np.bool_ else np.float32)
    array = writer.array("int32_t", [str(int(place)) for place in places.ravel()])
    writer.call(function, writer.where(source), array, writer.where(out), out.size)


def _concatenation(writer: Writer, operator: Operator) -> None:
    out, at = _typed(operator.outputs[0], np.float32), 0
    if out.size != out.shape[-1] or operator.options.fusedActivationFunction:
        raise ValueError("more than one row, or its activation")
    for tensor in operator.inputs:
        if tensor is not None:
            source = writer.where(_typed(tensor, np.float32))
            writer.call("memcpy", f"{writer.where(out)} + {at}", source, f"{tensor.size} * sizeof(float)")
            at += tensor.size


def _quantize(writer: Writer, operator: Operator) -> None:
    source, out = _typed(operator.tensor(0), np.float32), _typed(operator.outputs[0], np.int8)
    scale = f"{out.scale.hex()}f"
    writer.call("gm_quantize", writer.where(source), scale, out.zero, writer.where(out), out.size)


def _dequantize(writer: Writer, operator: Operator) -> None:
    source, out = _typed(operator.tensor(0), np.int8), _typed(operator.outputs[0], np.float32)
    writer.call(
        "gm_dequantize", writer.where(source), source.scale.hex(), source.zero, writer.where(out), out.size
    )


def _reshape(writer: Writer, operator: Operator) -> None:
    """Nothing to do where the plan lets both names mean one place."""
    source, out = operator.tensor(0), operator.outputs[0]
    if writer.where(source) != writer.where(out):
        writer.call("memcpy", writer.where(out), writer.where(source), f"{out.size} * sizeof(float)")


EMITTERS: dict[str, Emitter] = {
    "ADD": _pairwise("gm_float_add"),
    "SUB": _pairwise("gm_float_sub"),
    "MUL": _pairwise("gm_float_mul"),
    "MAXIMUM": _pairwise("gm_float_maximum"),
    "MINIMUM": _pairwise("gm_float_minimum"),
    "EQUAL": _pairwise("gm_float_equal"),
    "NOT_EQUAL": _pairwise("gm_float_not_equal"),
    "SELECT_V2": _select,
    "CAST": _cast,
    "GATHER": _gather,
    "CONCATENATION": _concatenation,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
    "RESHAPE": _reshape,
}
