"""A .tflite file as operators and tensors: what code for microcontrollers and circuits for FPGAs are made from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

_TYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.BOOL: np.bool_,
}
_BUILTIN_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


@dataclass(frozen=True)
class Tensor:
    """`name` is the file's own, often long, sometimes empty. `scales` and `zero_points` are empty for an unquantised
    tensor; `data` is None for what is computed.
    """

    number: int
    name: str
    shape: tuple[int, ...]
    dtype: Any
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    data: NDArray[Any] | None

    @property
    def scale(self) -> float:
        return self.scales[0]

    @property
    def zero(self) -> int:
        return self.zero_points[0] if self.zero_points else 0

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, initial=1))

    @property
    def bytes(self) -> int:
        """ValueError for a type that nothing here knows."""
        if self.dtype is None:
            raise ValueError("a tensor of another type")
        return self.size * int(np.dtype(self.dtype).itemsize)


@dataclass(frozen=True)
class Operator:
    """`options` is the schema's object for it, None where it has none. An input is None where it is left out."""

    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Any

    def tensor(self, place: int) -> Tensor:
        """An input that must be there; ValueError when it is not."""
        found = self.inputs[place] if place < len(self.inputs) else None
        if found is None:
            raise ValueError(f"{self.name} without its input {place}")
        return found

    def optional(self, place: int) -> Tensor | None:
        return self.inputs[place] if place < len(self.inputs) else None


@dataclass(frozen=True)
class Net:
    """The operators in the order they run; one input, one output."""

    operators: tuple[Operator, ...]
    input: Tensor
    output: Tensor


def text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def operator_name(code: Any) -> str:
    """The schema's name of an operator code; "CUSTOM …" for one that is not LiteRT's own."""
    if code.customCode:
        return f"CUSTOM {text(code.customCode)}"
    # Operators beyond 127 stand in the newer field; the older one then holds a placeholder.
    return str(_BUILTIN_NAMES.get(max(code.builtinCode, code.deprecatedBuiltinCode), "UNKNOWN"))


def read(content: bytes) -> Net:
    """A model file of one subgraph with one input and one output; ValueError for others."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    if len(model.subgraphs) != 1:
        raise ValueError("the model has more than one subgraph")
    graph = model.subgraphs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError("the model has more than one input or output")
    tensors = [_tensor(model, number, tensor) for number, tensor in enumerate(graph.tensors)]
    operators = tuple(
        Operator(
            operator_name(model.operatorCodes[operator.opcodeIndex]),
            tuple(tensors[number] if number >= 0 else None for number in operator.inputs),
            tuple(tensors[number] for number in operator.outputs),
            operator.builtinOptions,
        )
        for operator in graph.operators
    )
    return Net(operators, tensors[graph.inputs[0]], tensors[graph.outputs[0]])


def _tensor(model: Any, number: int, tensor: Any) -> Tensor:
    found = tensor.quantization
    scales = found.scale if found is not None and found.scale is not None else ()
    zeros = found.zeroPoint if found is not None and found.zeroPoint is not None else ()
    shape = tuple(int(side) for side in (tensor.shape if tensor.shape is not None else ()))
    dtype = _TYPES.get(tensor.type)
    return Tensor(
        number,
        text(tensor.name or ""),
        shape,
        dtype,
        tuple(float(scale) for scale in scales),
        tuple(int(zero) for zero in zeros),
        _data(model, tensor, dtype, shape),
    )


def _data(model: Any, tensor: Any, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any] | None:
    raw = model.buffers[tensor.buffer].data
    if raw is None or not len(raw) or dtype is None:
        return None
    return np.frombuffer(np.asarray(raw, dtype=np.uint8).tobytes(), dtype=dtype).reshape(shape)
