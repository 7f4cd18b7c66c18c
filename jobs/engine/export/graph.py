"""What a .tflite file says about itself: operators, its activations' memory, the runtime it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from hardware.targets.litert.file import operator_name, text

_ALIGNMENT = 64  # bytes between two tensors of LiteRT's arena
_MINIMUM_RUNTIME = b"min_runtime_version"
_SIZES = {
    schema.TensorType.FLOAT32: 4,
    schema.TensorType.FLOAT16: 2,
    schema.TensorType.INT32: 4,
    schema.TensorType.UINT8: 1,
    schema.TensorType.INT64: 8,
    schema.TensorType.BOOL: 1,
    schema.TensorType.INT16: 2,
    schema.TensorType.INT8: 1,
    schema.TensorType.FLOAT64: 8,
    schema.TensorType.UINT32: 4,
}


@dataclass(frozen=True)
class Graph:
    """One model file, looked at.

    `arena_bytes` is the most that is alive at once of inputs, outputs and activations, each rounded up to
    64 bytes: what LiteRT's planner needs at least. `output_step` is what one step of an int8 output is worth (of one of
    16 bits: what a step of 8 bits would be), None for a float one.
    """

    operators: tuple[str, ...]
    custom: tuple[str, ...]
    arena_bytes: int
    minimum_runtime: str
    output_step: float | None


def inspect(content: bytes) -> Graph:
    """Read a model file of one subgraph."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    names = [operator_name(code) for code in model.operatorCodes]
    used = {names[operator.opcodeIndex] for operator in graph.operators}
    custom = {text(code.customCode) for code in model.operatorCodes if code.customCode}
    return Graph(
        operators=tuple(sorted(used)),
        custom=tuple(sorted(custom)),
        arena_bytes=_arena(model, graph),
        minimum_runtime=_minimum_runtime(model),
        output_step=_output_step(graph, names),
    )


def _arena(model: Any, graph: Any) -> int:
    """Peak of the living tensors over the operators in order; each lives from its first to its last use."""
    born, dies = _lifetimes(graph)
    change = np.zeros(len(graph.operators) + 1, dtype=np.int64)
    for number, tensor in enumerate(graph.tensors):
        if number in born and not _is_constant(model, tensor):
            size = _bytes(tensor)
            change[born[number]] += size
            change[dies[number] + 1] -= size
    return int(np.cumsum(change).max(initial=0))


def _lifetimes(graph: Any) -> tuple[dict[int, int], dict[int, int]]:
    last = len(graph.operators) - 1
    born = dict.fromkeys(_numbers(graph.inputs), 0)
    dies: dict[int, int] = {}
    for step, operator in enumerate(graph.operators):
        for number in [
            *_numbers(operator.inputs),
            *_numbers(operator.outputs),
            *_numbers(operator.intermediates),
        ]:
            born.setdefault(number, step)
            dies[number] = step
    for number in [*_numbers(graph.inputs), *_numbers(graph.outputs)]:
        born.setdefault(number, 0)
        dies[number] = last
    return born, dies


def _numbers(values: Sequence[int] | None) -> list[int]:
    return [int(value) for value in values if value >= 0] if values is not None else []


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _bytes(tensor: Any) -> int:
    shape = tensor.shape if tensor.shape is not None else []
    exact = int(np.prod([max(1, int(side)) for side in shape], initial=1)) * _SIZES.get(tensor.type, 8)
    return -(-exact // _ALIGNMENT) * _ALIGNMENT


def _minimum_runtime(model: Any) -> str:
    for entry in model.metadata or []:
        if entry.name == _MINIMUM_RUNTIME:
            return bytes(model.buffers[entry.buffer].data).split(b"\0")[0].decode("ascii", "replace")
    return ""


def _output_step(graph: Any, names: list[str]) -> float | None:
    """The scale of the int8 tensor that the last DEQUANTIZE turns into the output."""
    outputs = set(_numbers(graph.outputs))
    for operator in graph.operators:
        if names[operator.opcodeIndex] == "DEQUANTIZE" and outputs & set(_numbers(operator.outputs)):
            last = graph.tensors[int(operator.inputs[0])]
            scale, wide = last.quantization.scale, last.type == schema.TensorType.INT16
            return float(scale[0]) * (256 if wide else 1) if scale is not None and len(scale) else None
    return None
