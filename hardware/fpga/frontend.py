"""From a static-int8 .tflite file, the very one that a Linux board runs, to a graph."""

from dataclasses import dataclass

import numpy as np

from hardware.fpga.builders import BUILDERS, Source, layer_name, refusal, value_of
from hardware.fpga.ir import Graph, Host, Layer, Reshape, Softmax, Value
from hardware.targets.litert.file import Net, Operator, Tensor, read
from hardware.targets.litert.fixed import softmax_factor

LARGEST_SIDE = 512
_SOFTMAX = (1 / 256, -128)  # the scale and zero point that LiteRT's kernel writes
_ONE_CORE = "static int8 in one piece; what is done to floats belongs before or behind it"


@dataclass(frozen=True)
class Split:
    """A file's operators: those on floats `before` its int8 core, the one that quantises (None where the file takes
    int8), the core's, from `source` to `last`, the one that dequantises, and those on floats `after` it.
    """

    before: tuple[Operator, ...]
    entering: Operator | None
    source: Tensor
    core: tuple[Operator, ...]
    last: Tensor
    leaving: Operator | None
    after: tuple[Operator, ...]


def read_graph(content: bytes) -> Graph:
    """UnsupportedError says which operator the engine can't compute, ValueError that this is no file of one subgraph
    with one input and one output.

    Float operators ahead of the one tensor that is quantised, and behind the one that is dequantised, are left to the
    host, and named in `Graph.host`.
    """
    parts = split(read(content))
    inside = list(parts.core)
    softmax = _softmax(inside.pop()) if inside and inside[-1].name == "SOFTMAX" else None
    values: dict[int, Value] = {parts.source.number: value_of(parts.source, "INPUT")}
    layers = [_layer(operator, values) for operator in inside]
    output = parts.last.number if softmax is None else softmax.inputs[0]
    if output not in values:
        raise refusal("OUTPUT", parts.last.name, "no layer on int8 computes it", _ONE_CORE)
    if softmax is not None:
        values[softmax.output] = value_of(parts.last, "SOFTMAX")
    _check_sides(values, layers, parts.source.number)
    host = Host(
        before=tuple(operator.name for operator in parts.before),
        quantises=parts.entering is not None,
        softmax=softmax,
        dequantises=parts.leaving is not None,
        after=tuple(operator.name for operator in parts.after),
    )
    return Graph(values, tuple(layers), parts.source.number, output, host)


def split(net: Net) -> Split:
    """UnsupportedError where the int8 operators are not in one piece."""
    before, entering, rest = _split_input(net)
    source = net.input if entering is None else entering.outputs[0]
    core, leaving, after = _split_output(rest)
    last = net.output if leaving is None else leaving.tensor(0)
    return Split(before, entering, source, core, last, leaving, after)


def _split_input(net: Net) -> tuple[tuple[Operator, ...], Operator | None, list[Operator]]:
    """The float operators before the one that quantises, that one, and the operators behind it."""
    if net.input.dtype is np.int8:
        return (), None, list(net.operators)
    entries = [
        number
        for number, operator in enumerate(net.operators)
        if operator.name == "QUANTIZE" and operator.tensor(0).dtype is np.float32
    ]
    if len(entries) != 1 or net.input.dtype is not np.float32:
        raise refusal("QUANTIZE", "input", f"{len(entries)} tensors are quantised from floats", _ONE_CORE)
    entering = net.operators[entries[0]]
    ahead = _needed(net, entering.tensor(0).number)
    rest = [op for number, op in enumerate(net.operators) if number not in {*ahead, *entries}]
    return tuple(net.operators[number] for number in sorted(ahead)), entering, rest


def _needed(net: Net, tensor: int) -> set[int]:
    """The operators that a tensor is computed by."""
    found: set[int] = set()
    wanted = {tensor}
    for number in range(len(net.operators) - 1, -1, -1):
        operator = net.operators[number]
        if wanted & {out.number for out in operator.outputs}:
            found.add(number)
            wanted |= {each.number for each in operator.inputs if each is not None}
    return found


def _split_output(
    rest: list[Operator],
) -> tuple[tuple[Operator, ...], Operator | None, tuple[Operator, ...]]:
    """The operators on int8, the one that dequantises, and the float operators behind it."""
    leaving = [op for op in rest if op.name == "DEQUANTIZE" and op.tensor(0).dtype is np.int8]
    if not leaving:
        return tuple(rest), None, ()
    if len(leaving) > 1:
        raise refusal("DEQUANTIZE", layer_name(leaving[0]), "more than one tensor leaves int8", _ONE_CORE)
    inside, after, floats = [], [], {leaving[0].outputs[0].number}
    for operator in rest:
        if any(each is not None and each.number in floats for each in operator.inputs):
            floats |= {out.number for out in operator.outputs}
            after.append(operator)
        elif operator is not leaving[0]:
            inside.append(operator)
    return tuple(inside), leaving[0], tuple(after)


def _softmax(operator: Operator) -> Softmax:
    source, out = operator.tensor(0), operator.outputs[0]
    name = layer_name(operator)
    if source.dtype is not np.int8 or (out.scale, out.zero) != _SOFTMAX:
        raise refusal(
            "SOFTMAX", name, "its output isn't int8 of scale 1/256 and zero point −128", "static int8"
        )
    factor, lowest = softmax_factor(source.scale, operator.options.beta)
    return Softmax(
        operator=operator.name,
        name=name,
        inputs=(source.number,),
        output=out.number,
        multiplier=factor.multiplier,
        shift=factor.shift,
        lowest=lowest,
    )


def _layer(operator: Operator, values: dict[int, Value]) -> Layer:
    builder = BUILDERS.get(operator.name)
    name = layer_name(operator)
    if builder is None:
        raise refusal(operator.name, name, "the engine has no such operator", _instead(operator.name))
    out = value_of(operator.outputs[0], operator.name)
    layer = builder(Source(operator, name, values), out)
    values[out.number] = out
    return layer


def _instead(operator: str) -> str:
    known = {
        "SOFTMAX": "softmax as the last layer alone, where the host computes it",
        "LOGISTIC": "softmax over two classes as the last layer, or ReLU inside",
        "TANH": "ReLU or ReLU6",
        "HARD_SWISH": "ReLU6",
        "LEAKY_RELU": "ReLU",
        "PRELU": "ReLU",
        "SUB": "add, with the sign in the weights",
        "TRANSPOSE_CONV": "convolutions without upsampling",
        "RESIZE_BILINEAR": "pictures of the size that the net is trained on",
    }
    return known.get(
        operator, "convolutions, dense layers, pooling, adding, multiplying, joining and ReLU, in static int8"
    )


def _check_sides(values: dict[int, Value], layers: list[Layer], source: int) -> None:
    names = {layer.output: layer for layer in layers if not isinstance(layer, Reshape)}
    for number, value in values.items():
        if (number == source or number in names) and max(value.shape, default=1) > LARGEST_SIDE:
            operator = names[number].operator if number in names else "INPUT"
            reason = f"{' × '.join(map(str, value.shape))} is larger than {LARGEST_SIDE} on a side"
            raise refusal(operator, value.name, reason, "smaller pictures, or fewer channels or units")
