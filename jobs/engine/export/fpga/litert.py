"""What LiteRT's own reference kernels make of a file, tensor by tensor: what a circuit is held to."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray


class LiteRT:
    """A file in LiteRT's interpreter with the reference kernels (BUILTIN_REF), every tensor kept."""

    def __init__(self, content: bytes) -> None:
        self.interpreter = Interpreter(
            model_content=content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.output = self.interpreter.get_output_details()[0]

    def run(
        self,
        vectors: NDArray[Any],
        numbers: Sequence[int],
        tick: Callable[[float], None] = lambda _part: None,
    ) -> dict[int, NDArray[Any]]:
        """The tensors of these numbers for every vector: (n, *shape without batch). `tick` gets 0..1."""
        found: dict[int, list[NDArray[Any]]] = {number: [] for number in numbers}
        for place, vector in enumerate(vectors):
            self.interpreter.set_tensor(self.input["index"], vector[None])
            self.interpreter.invoke()
            for number in numbers:
                found[number].append(self.interpreter.get_tensor(number)[0])
            tick((place + 1) / len(vectors))
        return {number: np.stack(rows) for number, rows in found.items()}
