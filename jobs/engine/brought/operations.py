"""TensorFlow's operations as Keras's: one handler for each, called with the translation and the operation."""

import string
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import layers, ops

from jobs.engine.brought.graph import Translation, attribute
from jobs.engine.brought.refused import NotTakenError, quoted

Handler = Callable[[Translation, Any], Any]
CHANNELS_LAST = "NHWC"


def _all(function: Callable[..., Any]) -> Handler:
    """An operation that is a function of its inputs alone."""
    return lambda work, operation: function(*work.arguments(operation))


def _first(work: Translation, operation: Any) -> Any:
    return work.value(operation.inputs[0])


def _constant(work: Translation, tensor: Any) -> Any:
    """What must be known now: axes, shapes, weights."""
    if not work.is_constant(tensor):
        raise NotTakenError(
            f"The SavedModel's graph works out the input {quoted(tensor.name)} of an operation while it runs. Bring "
            "the model as a .keras or .h5 file instead."
        )
    return work.value(tensor)


def _reduction(function: Callable[..., Any]) -> Handler:
    def handle(work: Translation, operation: Any) -> Any:
        axes = tuple(int(axis) for axis in np.atleast_1d(_constant(work, operation.inputs[1])))
        return function(_first(work, operation), axis=axes, keepdims=bool(attribute(operation, "keep_dims")))

    return handle


def _const(_work: Translation, operation: Any) -> Any:
    import tensorflow as tf

    return np.asarray(tf.make_ndarray(operation.get_attr("value")))


def _shape(work: Translation, operation: Any) -> Any:
    """The open batch is -1, as Reshape understands it. What is worked out of it wrongly is found by comparing."""
    found = _first(work, operation).shape
    return np.array([-1 if side is None else side for side in found], dtype=np.int32)


def _reshape(work: Translation, operation: Any) -> Any:
    target = [int(side) for side in _constant(work, operation.inputs[1])]
    x = _first(work, operation)
    if (
        not isinstance(x, np.ndarray)
        and target
        and target[0] in {-1, work.graph.shape[0]}
        and -1 not in target[1:]
    ):
        return layers.Reshape(tuple(target[1:]))(x)
    return ops.reshape(x, target)


def _squeeze(work: Translation, operation: Any) -> Any:
    return ops.squeeze(_first(work, operation), axis=tuple(operation.get_attr("squeeze_dims")) or None)


def _strided_slice(work: Translation, operation: Any) -> Any:
    x = _first(work, operation)
    begin, end, step = ([int(n) for n in _constant(work, tensor)] for tensor in operation.inputs[1:])
    masks = {
        name: int(attribute(operation, f"{name}_mask"))
        for name in ("begin", "end", "shrink_axis", "ellipsis", "new_axis")
    }
    if masks["ellipsis"] or masks["new_axis"]:
        raise NotTakenError("The SavedModel's graph slices in a way that has no layer of Keras's.")
    places: list[Any] = []
    for at in range(len(begin)):
        bit = 1 << at
        if masks["shrink_axis"] & bit:
            places.append(begin[at])
        else:
            first = None if masks["begin"] & bit else begin[at]
            places.append(slice(first, None if masks["end"] & bit else end[at], step[at]))
    return x[tuple(places)]


def _with_bias(work: Translation, operation: Any) -> tuple[Any, Any]:
    """The bias that is added to the operation's output and to nothing else, and the addition; None, None without."""
    users = operation.outputs[0].consumers()
    if (
        len(users) == 1
        and users[0].type in {"BiasAdd", "AddV2", "Add"}
        and users[0].inputs[0] is operation.outputs[0]
    ):
        tensor = users[0].inputs[1]
        bias = _const(work, tensor.op) if tensor.op.type == "Const" else _known(work, tensor)
        if bias is not None and bias.ndim == 1 and bias.shape[0] == operation.outputs[0].shape[-1]:
            return bias, users[0]
    return None, None


def _known(work: Translation, tensor: Any) -> Any:
    while tensor.op.type in {"Identity", "ReadVariableOp"} and not work.is_constant(tensor):
        tensor = tensor.op.inputs[0]
    if tensor.op.type == "Const":
        return _const(work, tensor.op)
    return work.value(tensor) if work.is_constant(tensor) else None


def _weighted(work: Translation, operation: Any, make: Callable[[bool], Any], kernel: Any, x: Any) -> Any:
    """A layer with this kernel, and with the bias that follows it."""
    bias, addition = _with_bias(work, operation)
    layer = make(bias is not None)
    y = layer(x)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    if addition is not None:
        work.put(addition.outputs[0], y)
    return y


def _matmul(work: Translation, operation: Any) -> Any:
    a, b = (work.value(tensor) for tensor in operation.inputs)
    names = ("transpose_a", "transpose_b") if operation.type == "MatMul" else ("adj_x", "adj_y")
    turned = [bool(attribute(operation, name)) for name in names]
    if isinstance(b, np.ndarray) and b.ndim == 2 and not isinstance(a, np.ndarray) and not turned[0]:  # noqa: PLR2004
        kernel = b.T if turned[1] else b
        return _weighted(
            work, operation, lambda bias: layers.Dense(kernel.shape[1], use_bias=bias), kernel, a
        )
    a, b = work.arguments(operation)
    a, b = (
        ops.swapaxes(value, -1, -2) if flip else value for value, flip in zip((a, b), turned, strict=True)
    )
    return ops.matmul(a, b)


def _check_format(operation: Any) -> None:
    if attribute(operation, "data_format") != CHANNELS_LAST:
        raise NotTakenError(
            "The SavedModel keeps channels first; boards need them last: (height, width, channels)."
        )


def _convolution_arguments(operation: Any) -> dict[str, Any]:
    _check_format(operation)
    strides, dilations = operation.get_attr("strides")[1:3], operation.get_attr("dilations")[1:3]
    return {"strides": tuple(strides), "dilation_rate": tuple(dilations)}


def _padded(operation: Any, x: Any) -> tuple[Any, str]:
    """The input, and how the layer pads it."""
    padding = attribute(operation, "padding")
    if padding != "EXPLICIT":
        return x, padding.lower()
    top, bottom, left, right = operation.get_attr("explicit_paddings")[2:6]
    return layers.ZeroPadding2D(((top, bottom), (left, right)))(x), "valid"


def _conv2d(work: Translation, operation: Any) -> Any:
    x, kernel = _first(work, operation), _constant(work, operation.inputs[1])
    how = _convolution_arguments(operation)
    groups = x.shape[-1] // kernel.shape[2]
    x, padding = _padded(operation, x)

    def make(bias: bool) -> Any:
        return layers.Conv2D(
            kernel.shape[3], kernel.shape[:2], padding=padding, groups=groups, use_bias=bias, **how
        )

    return _weighted(work, operation, make, kernel, x)


def _depthwise(work: Translation, operation: Any) -> Any:
    x, kernel = _first(work, operation), _constant(work, operation.inputs[1])
    how = _convolution_arguments(operation)
    x, padding = _padded(operation, x)

    def make(bias: bool) -> Any:
        return layers.DepthwiseConv2D(
            kernel.shape[:2], depth_multiplier=kernel.shape[3], padding=padding, use_bias=bias, **how
        )

    return _weighted(work, operation, make, kernel, x)


def _transposed(work: Translation, operation: Any) -> Any:
    kernel, x = _constant(work, operation.inputs[1]), work.value(operation.inputs[2])
    how = _convolution_arguments(operation)
    padding = attribute(operation, "padding").lower()

    def make(bias: bool) -> Any:
        return layers.Conv2DTranspose(
            kernel.shape[2], kernel.shape[:2], padding=padding, use_bias=bias, **how
        )

    return _weighted(work, operation, make, kernel, x)


def _pooling(layer: Callable[..., Any]) -> Handler:
    def handle(work: Translation, operation: Any) -> Any:
        _check_format(operation)
        size, strides = operation.get_attr("ksize")[1:3], operation.get_attr("strides")[1:3]
        padding = attribute(operation, "padding").lower()
        return layer(tuple(size), strides=tuple(strides), padding=padding)(_first(work, operation))

    return handle


def _batch_norm(work: Translation, operation: Any) -> Any:
    _check_format(operation)
    if operation.get_attr("is_training"):
        raise NotTakenError(
            "The SavedModel's signature runs the model as in training. Export it by model.export()."
        )
    weights = [_constant(work, tensor) for tensor in operation.inputs[1:5]]
    layer = layers.BatchNormalization(epsilon=float(operation.get_attr("epsilon")))
    y = layer(_first(work, operation))
    layer.set_weights(weights)
    return [y, *weights[:2]]


def _concatenate(work: Translation, operation: Any) -> Any:
    *parts, axis = work.arguments(operation)
    return ops.concatenate(parts, axis=int(axis))


def _pack(work: Translation, operation: Any) -> Any:
    return ops.stack(work.arguments(operation), axis=int(operation.get_attr("axis")))


def _pad(work: Translation, operation: Any) -> Any:
    widths = [tuple(int(n) for n in pair) for pair in _constant(work, operation.inputs[1])]
    x = _first(work, operation)
    if operation.type == "MirrorPad":
        return ops.pad(x, widths, mode=attribute(operation, "mode").lower())
    value = float(_constant(work, operation.inputs[2])) if operation.type == "PadV2" else 0.0
    return ops.pad(x, widths, mode="constant", constant_values=value)


def _cast(work: Translation, operation: Any) -> Any:
    return ops.cast(_first(work, operation), operation.get_attr("DstT").name)


def _gather(work: Translation, operation: Any) -> Any:
    x, places, axis = work.arguments(operation)
    return ops.take(x, places, axis=int(axis))


def _einsum(work: Translation, operation: Any) -> Any:
    """Keras works out shapes for small letters only."""
    equation = attribute(operation, "equation")
    letters = sorted({letter for letter in equation if letter.isalpha()})
    small = dict(zip(letters, string.ascii_lowercase, strict=False))
    return ops.einsum("".join(small.get(letter, letter) for letter in equation), *work.arguments(operation))


def _resize(method: str) -> Handler:
    def handle(work: Translation, operation: Any) -> Any:
        height, width = (int(side) for side in _constant(work, operation.inputs[1]))
        x = _first(work, operation)
        if attribute(operation, "align_corners") or height % x.shape[1] or width % x.shape[2]:
            raise NotTakenError("The SavedModel resizes its maps in a way that has no layer of Keras's.")
        factors = (height // x.shape[1], width // x.shape[2])
        return layers.UpSampling2D(factors, interpolation=method)(x)

    return handle


def _axis_of(work: Translation, operation: Any) -> int:
    return int(_constant(work, operation.inputs[1]))


HANDLERS: dict[str, Handler] = {
    "Const": _const,
    **dict.fromkeys(("Identity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics"), _first),
    "IdentityN": lambda work, operation: [work.value(tensor) for tensor in operation.inputs],
    "Shape": _shape,
    "Relu": _all(ops.relu),
    "Relu6": _all(ops.relu6),
    "Elu": _all(ops.elu),
    "Selu": _all(ops.selu),
    "LeakyRelu": lambda w, o: ops.leaky_relu(_first(w, o), negative_slope=float(o.get_attr("alpha"))),
    "Sigmoid": _all(ops.sigmoid),
    "Tanh": _all(ops.tanh),
    "Softmax": _all(ops.softmax),
    "LogSoftmax": _all(ops.log_softmax),
    "Softplus": _all(ops.softplus),
    "Softsign": _all(ops.softsign),
    "Exp": _all(ops.exp),
    "Log": _all(ops.log),
    "Sqrt": _all(ops.sqrt),
    "Rsqrt": _all(ops.rsqrt),
    "Square": _all(ops.square),
    "Neg": _all(ops.negative),
    "Abs": _all(ops.absolute),
    "Erf": _all(ops.erf),
    "Erfc": _all(lambda x: 1.0 - ops.erf(x)),
    "Floor": _all(ops.floor),
    "Sign": _all(ops.sign),
    "Reciprocal": _all(lambda x: 1.0 / x),
    **dict.fromkeys(("Add", "AddV2", "BiasAdd"), _all(ops.add)),
    "AddN": _all(lambda first, *others: sum(others, first)),
    "Sub": _all(ops.subtract),
    "Mul": _all(ops.multiply),
    **dict.fromkeys(("RealDiv", "Div"), _all(ops.divide)),
    "Maximum": _all(ops.maximum),
    "Minimum": _all(ops.minimum),
    "Pow": _all(ops.power),
    "SquaredDifference": _all(lambda a, b: ops.square(a - b)),
    "Equal": _all(ops.equal),
    "NotEqual": _all(ops.not_equal),
    "Greater": _all(ops.greater),
    "GreaterEqual": _all(ops.greater_equal),
    "Less": _all(ops.less),
    "LessEqual": _all(ops.less_equal),
    "LogicalAnd": _all(ops.logical_and),
    "LogicalOr": _all(ops.logical_or),
    "LogicalNot": _all(ops.logical_not),
    **dict.fromkeys(("Select", "SelectV2"), _all(ops.where)),
    "ClipByValue": _all(lambda x, low, high: ops.clip(x, float(low), float(high))),
    "Mean": _reduction(ops.mean),
    "Sum": _reduction(ops.sum),
    "Max": _reduction(ops.max),
    "Min": _reduction(ops.min),
    "Prod": _reduction(ops.prod),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2"), _matmul),
    "Conv2D": _conv2d,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed,
    "MaxPool": _pooling(layers.MaxPooling2D),
    "AvgPool": _pooling(layers.AveragePooling2D),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _batch_norm),
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "ExpandDims": lambda w, o: ops.expand_dims(_first(w, o), _axis_of(w, o)),
    "Transpose": lambda w, o: ops.transpose(_first(w, o), [int(n) for n in _constant(w, o.inputs[1])]),
    "StridedSlice": _strided_slice,
    "ConcatV2": _concatenate,
    "Pack": _pack,
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), _pad),
    "Cast": _cast,
    "GatherV2": _gather,
    "Tile": lambda w, o: ops.tile(_first(w, o), [int(n) for n in _constant(w, o.inputs[1])]),
    "Einsum": _einsum,
    "ResizeNearestNeighbor": _resize("nearest"),
    "ResizeBilinear": _resize("bilinear"),
}
