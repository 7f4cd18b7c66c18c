"""A frozen TensorFlow graph as a functional Keras model: weights become layers, the rest Keras's own operations."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.engine.brought.refused import NotTakenError, quoted

MAX_OPERATIONS = 20_000
MAX_CONSTANTS = 500_000
"""Numbers that stand in the model's description rather than among its weights."""


@dataclass(frozen=True)
class Graph:
    """A concrete function without variables, its input's shape (batch first, None where open) and dtype."""

    function: Any
    shape: tuple[int | None, ...]
    dtype: str


def translated(graph: Graph) -> Any:
    """The Keras model. NotTakenError names the first operation that has no counterpart."""
    import keras

    work = Translation(graph)
    operations = graph.function.graph.get_operations()
    if len(operations) > MAX_OPERATIONS:
        raise NotTakenError(f"The SavedModel's graph has more than {MAX_OPERATIONS:,} operations.")
    for operation in operations:
        work.take(operation)
    return keras.Model(work.input, work.value(graph.function.outputs[0]))


class Translation:
    """What each tensor of the graph has become: a symbolic tensor of Keras's, or a numpy array for what is constant."""

    def __init__(self, graph: Graph) -> None:
        import keras

        self.graph = graph
        self.input = keras.Input(graph.shape[1:], dtype=graph.dtype, name="input")
        self.constants = 0
        self._values: dict[str, Any] = {graph.function.inputs[0].name: self.input}

    def value(self, tensor: Any) -> Any:
        return self._values[tensor.name]

    def is_constant(self, tensor: Any) -> bool:
        return isinstance(self._values.get(tensor.name), np.ndarray)

    def put(self, tensor: Any, value: Any) -> None:
        self._values[tensor.name] = value

    def take(self, operation: Any) -> None:
        """Translate one operation whose inputs were translated."""
        from jobs.engine.brought.operations import HANDLERS  # here: it needs Keras at import

        if operation.type == "NoOp" or all(tensor.name in self._values for tensor in operation.outputs):
            return
        handler = HANDLERS.get(operation.type)
        if handler is None:
            raise NotTakenError(
                f"The SavedModel's graph has the operation {quoted(operation.type)}, which cannot be turned into a "
                "layer of Keras's. Bring the model as a .keras or .h5 file instead."
            )
        self._put_all(operation, handler(self, operation))

    def _put_all(self, operation: Any, made: Any) -> None:
        values = made if isinstance(made, list) else [made]
        for tensor, value in zip(operation.outputs, values, strict=False):
            self._values[tensor.name] = self._settled(value)

    def _settled(self, value: Any) -> Any:
        """What was computed of constants alone is a constant."""
        import keras

        return value if keras.backend.is_keras_tensor(value) else np.asarray(value)

    def arguments(self, operation: Any) -> list[Any]:
        """The operation's inputs; constants among symbolic ones are counted, for they will stand in the description."""
        values = [self.value(tensor) for tensor in operation.inputs]
        if any(not isinstance(value, np.ndarray) for value in values):
            self.constants += sum(value.size for value in values if isinstance(value, np.ndarray))
        if self.constants > MAX_CONSTANTS:
            raise NotTakenError(
                "The SavedModel's graph has more large constants than a model's description may hold. Bring the model "
                "as a .keras or .h5 file instead."
            )
        return values


def attribute(operation: Any, name: str) -> Any:
    """An attribute with its bytes as text."""
    found = operation.get_attr(name)
    return found.decode() if isinstance(found, bytes) else found
