"""One builder for each of LiteRT's operators that the engine knows: the file's operator as a layer of the graph.

How scales become factors: Prepare of each kernel (tflite/kernels/*.cc), PopulateConvolutionQuantizationParams and
CalculateActivationRangeQuantized of kernel_util.cc. Where these reckon with floats, so does this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from hardware.fpga.arithmetic import twice
from hardware.fpga.errors import UnsupportedError
from hardware.fpga.ir import (
    HIGHEST,
    LOWEST,
    Add,
    AveragePool,
    Concat,
    Convolution,
    Dense,
    Depthwise,
    Integers,
    Layer,
    MaxPool,
    Mean,
    Multiply,
    Output,
    Pad,
    Pair,
    Real,
    Rescale,
    Reshape,
    Twice,
    Value,
    Window,
)
from hardware.targets.litert.file import Operator, Tensor
from hardware.targets.litert.fixed import (
    ADD_SHIFT,
    factor_of,
    mean_factor,
    step_of,
)

_MOST_AXES = 4  # with the batch
_SUM_LIMIT = 1 << 31
_SUM_STEPS = 255 + 128  # an input minus its zero, and the zero that is folded into the bias
LIMITS: dict[int, tuple[float | None, float | None]] = {
    schema.ActivationFunctionType.NONE: (None, None),
    schema.ActivationFunctionType.RELU: (0, None),
    schema.ActivationFunctionType.RELU6: (0, 6),
    schema.ActivationFunctionType.RELU_N1_TO_1: (-1, 1),
}
_STATIC = "static int8 throughout, calibrated on samples"


def refusal(operator: str, layer: str, reason: str, instead: str) -> UnsupportedError:
    return UnsupportedError(operator=operator, layer=layer, reason=reason, instead=instead)


def layer_name(operator: Operator) -> str:
    """The file's name of its output, of which a converter makes chains: "a;b;c" is named after its last."""
    return operator.outputs[0].name.split(";")[-1]


def value_of(tensor: Tensor, operator: str) -> Value:
    """A computed int8 tensor of batch 1; the batch is left out of its shape."""
    name = tensor.name.split(";")[-1]
    if tensor.dtype is not np.int8 or len(tensor.scales) != 1:
        raise refusal(operator, name, "it isn't int8 with one scale", _STATIC)
    if not 1 <= len(tensor.shape) <= _MOST_AXES or tensor.shape[0] != 1:
        raise refusal(operator, name, f"its shape is {tensor.shape}", "batch 1 and at most three axes more")
    return Value(tensor.number, name, tensor.shape[1:], tensor.scale, tensor.zero)


@dataclass(frozen=True)
class Source:
    """An operator and the values computed so far."""

    operator: Operator
    name: str
    values: dict[int, Value]

    def refuse(self, reason: str, instead: str) -> UnsupportedError:
        return refusal(self.operator.name, self.name, reason, instead)

    def value(self, place: int) -> Value:
        """An input that is computed."""
        tensor = self.operator.tensor(place)
        if tensor.number not in self.values:
            raise self.refuse(f"its input {place} isn't a computed int8 tensor", _STATIC)
        return self.values[tensor.number]

    def constant(self, place: int) -> Tensor:
        """An input whose content is in the file."""
        tensor = self.operator.tensor(place)
        if tensor.data is None:
            raise self.refuse(
                f"its input {place} isn't known beforehand", "weights and sizes that are in the file"
            )
        return tensor

    def data(self, place: int) -> NDArray[Any]:
        data = self.constant(place).data
        assert data is not None  # noqa: S101 - `constant` says so
        return data

    def output(self, out: Value, activation: int | None = None) -> Output:
        """Its zero, and the range that an activation leaves (CalculateActivationRangeQuantized)."""
        kind = self.operator.options.fusedActivationFunction if activation is None else activation
        if kind not in LIMITS:
            raise self.refuse("its activation", "ReLU, ReLU6 or none")
        return bounded(out, *LIMITS[kind])

    def base(self, out: Value, *inputs: Value) -> dict[str, Any]:
        """The fields that every layer has."""
        numbers = tuple(value.number for value in inputs)
        return {"operator": self.operator.name, "name": self.name, "inputs": numbers, "output": out.number}


def bounded(out: Value, low: float | None, high: float | None) -> Output:
    """Real bounds as steps."""
    return Output(
        out.zero,
        LOWEST if low is None else max(LOWEST, out.zero + step_of(low, out.scale)),
        HIGHEST if high is None else min(HIGHEST, out.zero + step_of(high, out.scale)),
    )


def _window(source: Source, size: tuple[int, ...], sides: tuple[int, ...], dilation: Pair = (1, 1)) -> Window:
    options = source.operator.options
    steps: Pair = (options.strideH, options.strideW)
    window = Window((size[0], size[1]), steps, dilation)
    if options.padding != schema.Padding.SAME:
        return window
    # ComputePaddingHeightWidth: as few as give ceil(side / step) places, the odd one behind.
    total = [
        max((-(-side // step) - 1) * step + reach - side, 0)
        for side, step, reach in zip(sides, steps, window.reach, strict=True)
    ]
    before: Pair = (total[0] // 2, total[1] // 2)
    return Window(window.size, steps, dilation, before, (total[0] - before[0], total[1] - before[1]))


def _weights(source: Source) -> Tensor:
    weights = source.constant(1)
    if weights.dtype is not np.int8 or any(weights.zero_points):
        raise source.refuse("its weights aren't int8 with zero point 0", _STATIC)
    return weights


def _bias(source: Source, units: int, weights: NDArray[Any]) -> Integers:
    """Zeros where there is none. `weights`: [units][…]."""
    tensor = source.operator.optional(2)
    if tensor is not None and (tensor.data is None or tensor.dtype is not np.int32):
        raise source.refuse("its bias isn't int32 in the file", _STATIC)
    bias = np.zeros(units, np.int64) if tensor is None else source.data(2).astype(np.int64).reshape(units)
    reach = np.abs(weights.reshape(units, -1).astype(np.int64)).sum(axis=1) * _SUM_STEPS + np.abs(bias)
    if reach.max(initial=0) >= _SUM_LIMIT:
        raise source.refuse("its sums can leave 32 bits", "fewer inputs to each sum")
    return bias


def _factors(source: Source, out: Value, units: int) -> NDArray[np.float64]:
    """What sums are multiplied by: one for each channel, or one."""
    scales = np.array(source.operator.tensor(1).scales, np.float64)
    if len(scales) not in {1, units}:
        raise source.refuse(f"its weights have {len(scales)} scales", _STATIC)
    return source.value(0).scale * scales / out.scale


def _twice(real: NDArray[np.float64]) -> Twice:
    return twice(*(factor_of(float(each)) for each in real))


def _convolution(source: Source, out: Value) -> Layer:
    read, weights = source.value(0), _weights(source)
    units, height, width, depth = weights.shape
    if depth != read.shape[-1]:
        raise source.refuse("it has groups", "a depthwise and a 1 × 1 convolution")
    options = source.operator.options
    dilation: Pair = (options.dilationHFactor, options.dilationWFactor)
    return Convolution(
        **source.base(out, read),
        weights=source.data(1),
        bias=_bias(source, units, source.data(1)),
        subtract=read.zero,
        padding=read.zero,
        scaling=_twice(_factors(source, out, units)),
        out=source.output(out),
        window=_window(source, (height, width), read.shape[:2], dilation),
    )


def _depthwise(source: Source, out: Value) -> Layer:
    read, weights = source.value(0), _weights(source)
    _, height, width, units = weights.shape
    options = source.operator.options
    dilation: Pair = (options.dilationHFactor, options.dilationWFactor)
    return Depthwise(
        **source.base(out, read),
        weights=source.data(1)[0],
        bias=_bias(source, units, np.moveaxis(source.data(1), 3, 0)),
        subtract=read.zero,
        padding=read.zero,
        scaling=_twice(_factors(source, out, units)),
        out=source.output(out),
        window=_window(source, (height, width), read.shape[:2], dilation),
    )


def _dense(source: Source, out: Value) -> Layer:
    read, weights = source.value(0), _weights(source)
    units = weights.shape[0]
    return Dense(
        **source.base(out, read),
        weights=source.data(1),
        bias=_bias(source, units, source.data(1)),
        subtract=read.zero,
        padding=read.zero,
        scaling=Real(_factors(source, out, units)),
        out=source.output(out),
    )


def _pair(source: Source) -> tuple[list[Value], NDArray[np.int8] | None, tuple[Tensor, Tensor]]:
    """The computed operands, the constant one if any, and both tensors in that order."""
    first, second = source.operator.tensor(0), source.operator.tensor(1)
    if second.data is None and first.data is None:
        return [source.value(0), source.value(1)], None, (first, second)
    computed, constant = (0, 1) if first.data is None else (1, 0)
    held = source.constant(constant)
    if held.dtype is not np.int8 or len(held.scales) != 1:
        raise source.refuse("its constant isn't int8", _STATIC)
    shape = held.shape[1:] if len(held.shape) == len(source.operator.outputs[0].shape) else held.shape
    data = source.data(constant).reshape(shape)
    return [source.value(computed)], data, (source.operator.tensor(computed), held)


def _add(source: Source, out: Value) -> Layer:
    computed, constant, (first, second) = _pair(source)
    twice_largest = 2 * max(first.scale, second.scale)
    return Add(
        **source.base(out, *computed),
        constant=constant,
        zeros=(first.zero, second.zero),
        factors=(
            twice(factor_of(first.scale / twice_largest)),
            twice(factor_of(second.scale / twice_largest)),
        ),
        scaling=twice(factor_of(twice_largest / ((1 << ADD_SHIFT) * out.scale))),
        out=source.output(out),
    )


def _multiply(source: Source, out: Value) -> Layer:
    computed, constant, (first, second) = _pair(source)
    # mul.cc reckons this one in floats.
    real = np.float32(first.scale) * np.float32(second.scale) / np.float32(out.scale)
    return Multiply(
        **source.base(out, *computed),
        constant=constant,
        zeros=(first.zero, second.zero),
        scaling=twice(factor_of(float(real))),
        out=source.output(out),
    )


def _same_scale(source: Source, read: Value, out: Value) -> None:
    if (read.scale, read.zero) != (out.scale, out.zero):
        raise source.refuse(
            "its output has another scale than its input", "a file made by LiteRT's converter"
        )


def _max_pool(source: Source, out: Value) -> Layer:
    read, options = source.value(0), source.operator.options
    _same_scale(source, read, out)
    window = _window(source, (options.filterHeight, options.filterWidth), read.shape[:2])
    return MaxPool(**source.base(out, read), window=window, out=source.output(out))


def _average_pool(source: Source, out: Value) -> Layer:
    read, options = source.value(0), source.operator.options
    _same_scale(source, read, out)
    window = _window(source, (options.filterHeight, options.filterWidth), read.shape[:2])
    return AveragePool(**source.base(out, read), window=window, out=source.output(out))


def _mean(source: Source, out: Value) -> Layer:
    read = source.value(0)
    axes = tuple(sorted({int(axis) % (len(read.shape) + 1) - 1 for axis in source.data(1).ravel()}))
    if not axes or axes[0] < 0 or axes[-1] > len(read.shape) - 2:
        raise source.refuse(f"it is over the axes {axes}", "means over rows and columns, for each channel")
    count = int(np.prod([read.shape[axis] for axis in axes]))
    return Mean(
        **source.base(out, read),
        axes=axes,
        subtract=read.zero,
        scaling=twice(mean_factor(read.scale / out.scale, count)),
        out=Output(out.zero),
    )


def _rescale(source: Source, out: Value) -> Layer:
    """QUANTIZE from int8 to int8."""
    read = source.value(0)
    scaling = twice(factor_of(read.scale / out.scale))
    return Rescale(**source.base(out, read), subtract=read.zero, scaling=scaling, out=Output(out.zero))


def _relu(low: float, high: float | None) -> "Builder":
    def build(source: Source, out: Value) -> Layer:
        read = source.value(0)
        # activations.cc divides floats.
        scaling = twice(factor_of(float(np.float32(read.scale) / np.float32(out.scale))))
        return Rescale(
            **source.base(out, read), subtract=read.zero, scaling=scaling, out=bounded(out, low, high)
        )

    return build


def _concat(source: Source, out: Value) -> Layer:
    reads = [source.value(place) for place in range(len(source.operator.inputs))]
    for read in reads:
        _same_scale(source, read, out)
    axis = source.operator.options.axis % (len(out.shape) + 1) - 1
    if axis < 0 or source.operator.options.fusedActivationFunction:
        raise source.refuse(
            "it joins batches, or has an activation", "joining along rows, columns or channels"
        )
    return Concat(**source.base(out, *reads), axis=axis)


def _pad(source: Source, out: Value) -> Layer:
    read = source.value(0)
    _same_scale(source, read, out)
    widths = tuple((int(before), int(after)) for before, after in source.data(1))
    if widths[0] != (0, 0):
        raise source.refuse("it pads the batch", "padding of rows and columns")
    value = int(source.data(2).ravel()[0]) if source.operator.optional(2) is not None else out.zero
    return Pad(**source.base(out, read), widths=widths[1:], value=value)


def _reshape(source: Source, out: Value) -> Layer:
    read = source.value(0)
    _same_scale(source, read, out)
    return Reshape(**source.base(out, read))


Builder = Callable[[Source, Value], Layer]
BUILDERS: dict[str, Builder] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "ADD": _add,
    "MUL": _multiply,
    "MAX_POOL_2D": _max_pool,
    "AVERAGE_POOL_2D": _average_pool,
    "MEAN": _mean,
    "QUANTIZE": _rescale,
    "RELU": _relu(0, None),
    "RELU6": _relu(0, 6),
    "CONCATENATION": _concat,
    "PAD": _pad,
    "PADV2": _pad,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
}
