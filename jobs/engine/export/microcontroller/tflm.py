"""TensorFlow Lite Micro's own interpreter, on this computer: does it know the operators, in how much memory?

The package `tflite-micro` is built from the same sources as the library on a board, with its reference kernels.
"""

import contextlib
import importlib.metadata
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

# More than any board here has; what does not fit in it is refused before.
_ARENA = 16 * 1024 * 1024
_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")
_COMMIT = re.compile(r"tflite-micro/blob/([0-9a-f]{7,40})/")
_CHUNK = 16


class MicroError(Exception):
    """TensorFlow Lite Micro cannot run the model; the message is its own."""


class Micro:
    """One model file. `input` and `output` are (dtype, scale, zero point); the scale is 0 for floats."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._interpreter = _made(content, _ARENA)
        self.input = _details(self._interpreter.get_input_details(0))
        self.output = _details(self._interpreter.get_output_details(0))

    def raw(self, x: NDArray[Any]) -> NDArray[Any]:
        """Outputs (n, outputs) of inputs (n, ...), both as the model has them, each run alone."""
        found = []
        for sample in x:
            self._interpreter.set_input(np.ascontiguousarray(sample)[None], 0)
            try:
                self._interpreter.invoke()
            except RuntimeError as error:
                raise MicroError(str(error)) from error
            found.append(self._interpreter.get_output(0)[0].copy())
        return np.asarray(found)

    def quantised(self, x: NDArray[Any]) -> NDArray[Any]:
        """Inputs in their own unit as the model has them."""
        dtype, scale, zero = self.input
        if not scale:
            return np.asarray(x, dtype=dtype)
        steps = np.round(np.asarray(x, dtype=np.float32) / np.float32(scale)) + zero
        return np.asarray(np.clip(steps, -128, 127), dtype=dtype)

    def real(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """Raw outputs as numbers."""
        _, scale, zero = self.output
        plain = outputs.astype(np.float32)
        return (plain - np.float32(zero)) * np.float32(scale) if scale else plain

    def run(self, x: NDArray[Any], tick: Callable[[float], None]) -> NDArray[np.float32]:
        """Outputs (n, outputs) as numbers, of all of `x`. `tick` gets 0..1 now and then, and may raise."""
        found = []
        for start in range(0, len(x), _CHUNK):
            tick(start / len(x))
            found.append(self.real(self.raw(self.quantised(np.asarray(x[start : start + _CHUNK])))))
        tick(1.0)
        return np.concatenate(found)

    def arena_bytes(self) -> int:
        """What the interpreter took of its arena, pointers of 64 bits: a board's are half as long."""
        zeros = np.zeros(self._interpreter.get_input_details(0)["shape"], dtype=self.input[0])
        self.raw(zeros)
        with _stderr() as told:
            self._interpreter.print_allocations()
            match = _TOTAL.search(_text(told))
        if match is None:
            raise RuntimeError("tflite-micro prints its allocations in another form than before")
        return int(match[1])

    def runs_in(self, arena: int) -> bool:
        """Whether it starts in so many bytes of arena. At least `arena_bytes`: with much less the library crashes."""
        try:
            _made(self._content, arena)
        except MicroError:
            return False
        return True


def version() -> dict[str, str]:
    """The package's version, and the commit of the sources it was built from."""
    about = importlib.metadata.metadata("tflite-micro")
    commit = _COMMIT.search(str(about.json.get("description", "")))
    return {"tflite_micro": about["Version"], "commit": commit[1] if commit else ""}


def _made(content: bytes, arena: int) -> Any:
    try:
        from tflite_micro import runtime
    except ImportError as error:
        raise MicroError("its interpreter is not on this node (tflite-micro, for x86-64 alone)") from error
    with _stderr() as told:
        try:
            return runtime.Interpreter.from_bytes(content, arena_size=arena)
        except RuntimeError as error:
            raise MicroError(_first_line(_text(told)) or str(error)) from error


def _details(details: dict[str, Any]) -> tuple[Any, float, int]:
    found = details["quantization_parameters"]
    if not len(found["scales"]):
        return np.dtype(details["dtype"]), 0.0, 0
    return np.dtype(details["dtype"]), float(found["scales"][0]), int(found["zero_points"][0])


def _first_line(text: str) -> str:
    return next((line.strip()[:300] for line in text.splitlines() if line.strip()), "")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


@contextlib.contextmanager
def _stderr() -> Iterator[IO[bytes]]:
    """What the library writes to standard error, below Python's."""
    with tempfile.TemporaryFile() as told:
        kept = os.dup(2)
        os.dup2(told.fileno(), 2)
        try:
            yield told
        finally:
            os.dup2(kept, 2)
            os.close(kept)
