"""A model's plain C compiled by this computer's compiler and run here, before anybody takes it home."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.targets.litert.file import Net, Operator
from hardware.targets.profiles import MIB
from jobs.engine.export.microcontroller.project import PLAIN_FILE
from jobs.engine.export.microcontroller.writer import NoKernelError
from portal.kit import process

PROGRAM = Path(__file__).parent / "files" / "answers.c"
MOST_SAMPLES, LEAST_SAMPLES = 1000, 16
# Multiply-accumulates in all: a minute or so. A limit by the clock would make unlike bundles.
MOST_WORK = 20 * 10**9
# Of a model: compilers take a hundred times as much memory for the text of its arrays.
MOST_BYTES = 2 * MIB
_FLAGS = ("-std=c99", "-O2")
_COMPILE_S, _RUN_S = 120.0, 900.0
_EMPTY = "#include <math.h>\n#include <stdint.h>\n#include <string.h>\nint main(void) { return 0; }\n"


def chosen(net: Net, samples: int) -> NDArray[np.int64]:
    """Numbers of those of so many samples that it is run on: all, or some that are evenly spread."""
    afford = max(LEAST_SAMPLES, min(MOST_SAMPLES, MOST_WORK // max(1, _work(net))))
    return np.unique(np.linspace(0, samples - 1, min(afford, samples)).astype(np.int64))


def _work(net: Net) -> int:
    """Multiply-accumulates of one answer."""
    return sum(_products(each) for each in net.operators)


def _products(operator: Operator) -> int:
    if operator.name == "FULLY_CONNECTED":
        return operator.tensor(1).size
    if operator.name not in {"CONV_2D", "DEPTHWISE_CONV_2D"}:
        return 0
    _, height, width, depth = operator.tensor(1).shape
    return operator.outputs[0].size * height * width * (depth if operator.name == "CONV_2D" else 1)


def answers(
    write: Callable[[Path], None], x: NDArray[Any], outputs: int, dtype: Any, scratch: Path
) -> NDArray[Any] | None:
    """Outputs (n, outputs) of type `dtype` for inputs (n, …) as the model has them; None where nothing can be
    compiled or run. `write` puts the project into a folder. NoKernelError when its C does not compile, or not answer.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory(prefix=".export-", dir=scratch) as name:
        folder = Path(name)
        write(folder)
        (folder / "inputs").write_bytes(np.ascontiguousarray(x).tobytes())
        (folder / "empty.c").write_text(_EMPTY, encoding="utf-8")
        if not _compiled(compiler, folder, "empty", folder / "empty.c"):
            return None
        if not _compiled(compiler, folder, "program", PROGRAM, folder / PLAIN_FILE):
            raise NoKernelError("what was written does not compile")
        return _run(folder, len(x), outputs, dtype)


def _compiled(compiler: str, folder: Path, name: str, *sources: Path) -> bool:
    argv = [compiler, *_FLAGS, f"-I{folder}", *map(str, sources), "-lm", "-o", str(folder / name)]
    done = _done(argv, _COMPILE_S)
    return done is not None and done.ok


def _run(folder: Path, count: int, outputs: int, dtype: Any) -> NDArray[Any] | None:
    done = _done([str(folder / name) for name in ("program", "inputs", "outputs")], _RUN_S)
    if done is None or done.timed_out:
        return None
    found = np.fromfile(folder / "outputs", dtype=dtype) if done.ok else np.empty(0, dtype)
    if found.size != count * outputs:
        raise NoKernelError("what was written does not run")
    return found.reshape(count, outputs)


def _done(argv: Sequence[str], seconds: float) -> process.Result | None:
    """None where no program may be started, or none in this folder."""
    try:
        return process.run(argv, timeout=seconds)
    except OSError:
        return None
