"""A .tflite file without what no runtime reads: names of constants, notes of the conversion, the same vector twice.

A channel's zero points are all zero, and TensorFlow writes them anew for the weights and biases of each layer. A
FlatBuffer may refer to one vector from many places.
"""

from typing import Any

import flatbuffers  # LiteRT's own files are of it
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

# Of the bytes of a buffer in the file (`force_align` in LiteRT's schema.fbs): kernels read weights in place.
ALIGNMENT = 16
_IDENTIFIER = b"TFL3"
_NOTES = b"CONVERSION_METADATA"


def slim(content: bytes) -> bytes:
    """The same model in fewer bytes: every operator, weight, scale and signature as it was.

    The tensors that are computed keep the name of the last layer that was folded into them.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for graph in model.subgraphs:
        ends = {int(number) for number in [*graph.inputs, *graph.outputs]}
        for number, tensor in enumerate(graph.tensors):
            if number not in ends:
                tensor.name = _short(model, tensor)
    for note in [note for note in model.metadata or [] if note.name == _NOTES]:
        model.metadata.remove(note)
        model.buffers[note.buffer].data = None
    builder = _Builder(len(content))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def _short(model: Any, tensor: Any) -> bytes | None:
    data = model.buffers[tensor.buffer].data
    constant = data is not None and len(data) > 0
    return None if constant or tensor.name is None else bytes(tensor.name).split(b";")[-1]


class _Builder(flatbuffers.Builder):  # type: ignore[misc] # an untyped library's
    """Aligns buffers as the schema asks, which Python's does not by itself, and writes other vectors once."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802 - its name
        """Where the vector is, from the end."""
        if x.dtype == np.uint8:
            self.Prep(ALIGNMENT, x.nbytes)
            return int(super().CreateNumpyVector(x))
        key = (x.dtype.str, x.tobytes())
        if key not in self.written:
            self.written[key] = int(super().CreateNumpyVector(x))
        return self.written[key]
