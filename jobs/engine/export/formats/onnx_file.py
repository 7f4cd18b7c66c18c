"""ONNX: one file, which ONNX Runtime runs over the test split. `run.py` answers with the same.

tf2onnx converts it (Keras's own door to it), of opset 17 and IR version 8: ONNX Runtime has read these since 1.12.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.targets.profiles import Variant
from jobs.engine.export import dataless
from jobs.engine.export.convert import ConversionError, guarded
from jobs.engine.export.formats import answers, reading
from jobs.engine.export.formats.onnx_names import renamed
from jobs.engine.export.graph import Graph
from jobs.engine.export.kinds import Added, Build
from jobs.engine.export.selftest import Vectors, limit_of
from jobs.engine.export.variants import FILES, Exported, Exports, RefusedError, worth

OPSET = 17
INPUT = "input"
MODEL_PY = "onnx_model.py"
DEVICE = Path(__file__).parents[1] / "device"
_CHUNK = 64
_README = """\
## Use the file

`{file}` is ONNX of opset {opset} with one input, `{input}` (float32 [batch, …], as `manifest.json` says under `input`),
and one output, `{output}` (float32 [batch, {outputs}]). `run.py` answers with ONNX Runtime; your own program may:

    python3 -m pip install numpy onnxruntime pillow

{reading}

"""


@dataclass(frozen=True)
class Described:
    """What a file says of itself."""

    opset: int
    ir_version: int
    input: str
    output: str
    operators: tuple[str, ...]


def add(build: Build) -> Added:
    """Convert, run, compare. RefusedError when tf2onnx can't express the model, or the answers differ."""
    try:
        content = converted(build.model, build.task.out)
    except ConversionError as error:
        raise RefusedError(f"tf2onnx cannot express the model as ONNX: {error}") from error
    described = describe(content)
    wanted = answers.of_keras(build)
    found = run(
        content,
        dataless.subjects(build.arrays),
        threads=build.threads,
        tick=lambda part: build.tick("packing", 0.5 + part / 2),
    )
    about = {
        "file": FILES[Variant.ONNX],
        **answers.measured(build, found),
        "max_difference": answers.checked(build, wanted, found),
        "model_bytes": len(content),
        **asdict(described),
    }
    (build.folder / MODEL_PY).write_bytes((DEVICE / MODEL_PY).read_bytes())
    # LiteRT's planner knows nothing of it: `variants` above says of memory nothing at all.
    graph = Graph(described.operators, (), 0, "", None)
    made = Exported(Variant.ONNX, content, graph, found, worth(found, build.arrays))
    return Added(
        manifest={
            "variants": {str(Variant.ONNX): about},
            "left_out": {},
            "targets": [],
            "runtime": _runtime(build),
        },
        summary=_summary(about),
        readme=_README.format(**{**about, "outputs": found.shape[1], "reading": _reading(build, about)}),
        exports=Exports({Variant.ONNX: made}, {}, Variant.ONNX),
        vectors=_vectors(build, content, found),
    )


def _vectors(build: Build, content: bytes, found: NDArray[np.float32]) -> Vectors:
    """The inputs that LiteRT's vectors have, with this file's answers to each alone."""
    chosen = run(content, build.vectors.inputs, threads=1, chunk=1)
    limit = limit_of("fp32", found, None)
    return replace(build.vectors, outputs={str(Variant.ONNX): chosen}, tolerance={str(Variant.ONNX): limit})


def _summary(about: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: value for name, value in about.items() if isinstance(value, int | float)},
        "variant": str(Variant.ONNX),
        "variants": [str(Variant.ONNX)],
        "arena_bytes": None,
        "ram_bytes": None,
        "note": "",
    }


def _reading(build: Build, about: dict[str, Any]) -> str:
    load = f'session = onnxruntime.InferenceSession("{about["file"]}")'
    return reading.example(build, "onnxruntime", load, f'session.run(None, {{"{about["input"]}": x}})[0]')


def _runtime(build: Build) -> dict[str, Any]:
    runtime = build.target.runtime
    return {
        "python": runtime.min_python,
        "packages": list(runtime.packages),
        "pictures": list(runtime.pictures),
        "minimum": "ONNX Runtime 1.12",
        "note": runtime.note,
    }


def converted(model: Any, scratch: Path) -> bytes:
    """The file, of any batch. ConversionError says what tf2onnx can't do."""
    import keras

    signature = [keras.InputSpec(shape=(None, *model.input_shape[1:]), dtype="float32", name=INPUT)]
    with tempfile.TemporaryDirectory(prefix=".export-", dir=scratch) as folder:
        path = Path(folder) / FILES[Variant.ONNX]

        def convert() -> bytes:
            model.export(path, format="onnx", verbose=False, input_signature=signature, opset_version=OPSET)
            return renamed(path.read_bytes())

        return guarded(convert)


def describe(content: bytes) -> Described:
    """Read a file; what ONNX's own checker finds wrong with it is raised as RefusedError."""
    import onnx

    model = onnx.load_model_from_string(content)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise RefusedError(f"tf2onnx made no valid ONNX: {str(error).splitlines()[0][:300]}") from error
    return Described(
        opset=next(each.version for each in model.opset_import if each.domain in {"", "ai.onnx"}),
        ir_version=model.ir_version,
        input=model.graph.input[0].name,
        output=model.graph.output[0].name,
        operators=tuple(sorted({node.op_type for node in model.graph.node})),
    )


def run(
    content: bytes,
    x: NDArray[Any],
    *,
    threads: int,
    chunk: int = _CHUNK,
    tick: Callable[[float], None] = lambda _part: None,
) -> NDArray[np.float32]:
    """Outputs (n, outputs) of the file for all of `x`, by ONNX Runtime, `chunk` at once. `tick` gets 0..1."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Runs side by side, each on one thread, give the same bits however many there are.
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def answer(start: int) -> NDArray[np.float32]:
        batch = np.asarray(x[start : start + chunk], dtype=np.float32)
        return np.asarray(session.run(None, {name: batch})[0], dtype=np.float32)

    found = []
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for number, part in enumerate(pool.map(answer, range(0, len(x), chunk))):
            tick(number * chunk / len(x))
            found.append(part)
    return np.concatenate(found)
