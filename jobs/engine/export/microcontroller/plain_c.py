"""A model as plain C: `gristmill_plain.c`, which needs kernels.h, and kernels_float.h where it has floats.

Weights and fixed-point constants become const arrays, the operators a list of calls, the activations places in one
static buffer. The kernels compute as TensorFlow Lite Micro's reference kernels do, bit for bit: `tests/export`.
"""

from dataclasses import dataclass

import numpy as np

from hardware.targets.litert.file import Operator, read
from jobs.engine.export.microcontroller import plain_float, plain_int8
from jobs.engine.export.microcontroller.places import place
from jobs.engine.export.microcontroller.writer import NoKernelError, Writer

_ALIGNMENT = 8


@dataclass(frozen=True)
class PlainC:
    """The text of `gristmill_plain.c`, the kernels' headers it includes, the bytes of its activations' buffer."""

    source: str
    headers: tuple[str, ...]
    buffer_bytes: int


def write(content: bytes) -> PlainC:
    """Of a .tflite file. NoKernelError names what can't be written."""
    try:
        net = read(content)
        plan = place(net, _ALIGNMENT)
    except ValueError as error:
        raise NoKernelError(str(error)) from error
    writer = Writer(net, plan)
    for operator in net.operators:
        _emit(writer, operator)
    return PlainC(writer.text(), tuple(sorted(writer.headers)), plan.bytes)


def _emit(writer: Writer, operator: Operator) -> None:
    """One call, or none; a header for it."""
    computed = [
        each for each in [*operator.inputs, *operator.outputs] if each is not None and each.data is None
    ]
    if any(each.dtype is np.int16 for each in computed):
        raise NoKernelError("it has no kernels for activations of 16 bits")
    int8 = all(each.dtype is np.int8 for each in computed)
    module, header = (plain_int8, "kernels.h") if int8 else (plain_float, "kernels_float.h")
    if operator.name not in module.EMITTERS:
        raise NoKernelError(
            f"it has no {'int8' if int8 else 'float'} kernel for the operator {operator.name}"
        )
    try:
        module.EMITTERS[operator.name](writer, operator)
    except (ValueError, IndexError) as error:
        raise NoKernelError(f"it has no kernel for this {operator.name} ({error})") from error
    writer.headers.add(header)
