"""Small .tflite files of any operators, written with LiteRT's own schema: no converter, some milliseconds each."""

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

TYPES = {
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}
ACTIVATIONS = {
    "none": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
    "relu_n1_to_1": schema.ActivationFunctionType.RELU_N1_TO_1,
}
PADDINGS = {"same": schema.Padding.SAME, "valid": schema.Padding.VALID}


class Draft:
    """A file in the making. Shapes are given without the batch for what is computed, whole for constants."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]  # the empty one, of what is computed
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []

    def value(self, shape: tuple[int, ...], scale: float, zero: int) -> int:
        """A computed int8 tensor."""
        return self._tensor((1, *shape), np.dtype(np.int8), [scale], [zero], None, 0)

    def floats(self, shape: tuple[int, ...]) -> int:
        return self._tensor((1, *shape), np.dtype(np.float32), None, None, None, 0)

    def booleans(self, shape: tuple[int, ...]) -> int:
        return self._tensor((1, *shape), np.dtype(np.bool_), None, None, None, 0)

    def constant(
        self, data: NDArray[Any], scales: list[float] | None = None, zero: int = 0, axis: int = 0
    ) -> int:
        zeros = None if scales is None else [zero] * len(scales)
        return self._tensor(data.shape, data.dtype, scales, zeros, data, axis)

    def _tensor(
        self,
        shape: tuple[int, ...],
        dtype: Any,
        scales: list[float] | None,
        zeros: list[int] | None,
        data: NDArray[Any] | None,
        axis: int,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = f"t{len(self.graph.tensors)}"
        tensor.shape, tensor.type = list(shape), TYPES[np.dtype(dtype)]
        if scales is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = scales, zeros
            tensor.quantization.quantizedDimension = axis
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, name: str, inputs: list[int], output: int, kind: str = "", **options: Any) -> int:
        """`kind` is the schema's name of its options ("" for none). Gives `output` back."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), _VERSIONS.get(name, 1)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes)
        operator.inputs, operator.outputs = inputs, [output]
        if kind:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(schema, f"{kind}T")()
            for field, value in options.items():
                assert hasattr(operator.builtinOptions, field)
                setattr(operator.builtinOptions, field, value)
        self.model.operatorCodes.append(code)
        self.graph.operators.append(operator)
        return output

    def content(self, source: int, output: int) -> bytes:
        self.graph.inputs, self.graph.outputs = [source], [output]
        self.model.subgraphs = [self.graph]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


# The versions in which the kernels take int8.
_VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "ADD": 2,
    "MUL": 2,
    "MAX_POOL_2D": 2,
    "AVERAGE_POOL_2D": 2,
    "MEAN": 2,
    "SOFTMAX": 2,
    "CONCATENATION": 2,
    "PAD": 2,
    "PADV2": 2,
    "QUANTIZE": 2,
    "DEQUANTIZE": 2,
    "RELU": 2,
    "RELU6": 2,
}
