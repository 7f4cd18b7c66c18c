"""Running an exported file over a split, one sample at a time as a board does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

_CHUNK = 64
"""Samples between two looks at the clock and at the control pipe."""


class UnrunnableError(Exception):
    """LiteRT converted the model, but cannot run it; the message is its own first sentence."""


class Runner:
    """One interpreter of batch 1. `reference` runs LiteRT's plain kernels: the same bits everywhere."""

    def __init__(self, content: bytes, *, reference: bool = False) -> None:
        resolver = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
        try:
            self._interpreter = Interpreter(
                model_content=content, num_threads=1, experimental_op_resolver_type=resolver
            )
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise UnrunnableError(
                (str(error).strip().splitlines() or ["no reason given"])[0][:300]
            ) from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Outputs (n, outputs) of inputs (n, ...), each run alone."""
        found = [self.raw(np.asarray(sample, dtype=np.float32)) for sample in x]
        return np.asarray(found, dtype=np.float32)

    def raw(self, sample: NDArray[Any]) -> NDArray[Any]:
        """The output of one input, of the types that the file has."""
        self._interpreter.set_tensor(self._input, sample[None])
        self._interpreter.invoke()
        found: NDArray[Any] = self._interpreter.get_tensor(self._output)[0]
        return found


def run_raw(content: bytes, x: NDArray[Any]) -> NDArray[Any]:
    """Outputs (n, outputs) by LiteRT's plain kernels, in and out as the file has them: for one with int8 ends."""
    runner = Runner(content, reference=True)
    return np.asarray([runner.raw(sample) for sample in x])


def run_file(
    content: bytes, x: NDArray[Any], *, threads: int, tick: Callable[[float], None], reference: bool = False
) -> NDArray[np.float32]:
    """Outputs (n, outputs) of the file for all of `x`, in order, on `threads` interpreters side by side.

    `tick` gets 0..1 now and then, on the calling thread, and may raise to break off. Raises UnrunnableError.
    """
    parts = [part for part in np.array_split(np.arange(len(x)), max(1, threads)) if len(part)]
    chunks = max((len(part) for part in parts), default=0)
    runners = [Runner(content, reference=reference) for _ in parts]
    found: list[list[NDArray[np.float32]]] = [[] for _ in parts]
    with ThreadPoolExecutor(max_workers=max(1, len(parts))) as pool:
        for start in range(0, chunks, _CHUNK):
            tick(start / chunks)
            slices = [x[part[start : start + _CHUNK]] if start < len(part) else x[:0] for part in parts]
            for place, outputs in enumerate(
                pool.map(lambda pair: pair[0](pair[1]), zip(runners, slices, strict=True))
            ):
                if len(outputs):
                    found[place].append(outputs)
    tick(1.0)
    return np.concatenate([outputs for part in found for outputs in part])
