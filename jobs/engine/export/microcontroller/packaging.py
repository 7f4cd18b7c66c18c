"""Bundles for microcontrollers: a C++ project for TensorFlow Lite Micro, and plain C where there are kernels for it.

Pictures go in as int8 and scores come out as int8. A table's row goes in as floats, as its columns have unlike ranges;
the dense layers behind are int8 all the same. The model is run over the whole test split by TensorFlow Lite Micro's
own interpreter on this computer, which also says how much memory it takes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hardware.targets.litert.file import Net, read
from hardware.targets.profiles import KIB, Target, Variant
from jobs.engine.export import dataless, measure, selftest
from jobs.engine.export.convert import ConversionError, Converter
from jobs.engine.export.graph import Graph, inspect
from jobs.engine.export.kinds import Added, Build
from jobs.engine.export.manifest import DETAILS
from jobs.engine.export.microcontroller import fit, plain_c, project, run_here, scratch, tflm
from jobs.engine.export.microcontroller.readme import readme
from jobs.engine.export.microcontroller.writer import NoKernelError
from jobs.engine.export.variants import (
    CALIBRATION_SAMPLES,
    LOSS_LIMIT,
    RefusedError,
    beside,
    plain_dense,
    worth,
)

# The cores that `make test-boards` runs plain C on, under QEMU.
EMULATED = ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33")
_CANDIDATES = 512


@dataclass(frozen=True)
class Model:
    """The file for the board, looked at."""

    content: bytes
    graph: Graph
    net: Net
    micro: tflm.Micro
    arena: int
    scratch: int
    reserved: int


def add(build: Build) -> Added:
    """Write the project; RefusedError when the board can't run the model, or nothing measures it."""
    if not dataless.is_measured(build.arrays):
        raise RefusedError(f"{build.target.title} takes int8. {dataless.no_int8(build.arrays)}")
    model = checked(_content(build), build.target)
    outputs = model.micro.run(build.arrays.test.x, lambda part: build.tick("packing", part))
    metrics = _metrics(build, outputs)
    vectors = _vectors(build, model, outputs)
    plain = _plain(build, model, vectors, outputs)
    project.write_model(
        build.folder, model.content, model.micro, build.arrays.labels, vectors, plain="file" in plain
    )
    project.write_tflm(build.folder, model.graph.operators, model.reserved)
    about = _about(build.target, model, metrics, len(outputs), vectors, plain)
    return Added(
        manifest={"microcontroller": about},
        summary=_summary(build, about),
        readme=readme(about, build.target, pictures=build.arrays.kind == "images"),
    )


def checked(content: bytes, target: Target) -> Model:
    """A model file, looked at and started by TensorFlow Lite Micro; RefusedError when the board can't run it."""
    graph = inspect(content)
    unknown = sorted(set(graph.operators) - set(target.operators))
    if unknown:
        raise RefusedError(
            f"TensorFlow Lite Micro, which runs the model on {target.title}, does not have the operators "
            f"{', '.join(unknown)}."
        )
    _fits(target, len(content), graph.arena_bytes)  # before an interpreter is asked for the impossible
    try:
        net = read(content)
        micro = tflm.Micro(content)
        arena = micro.arena_bytes()
        more = scratch.beyond(net, target.kernels)
        reserved = fit.reserved_arena(arena, more)
    except (tflm.MicroError, ValueError) as error:
        raise RefusedError(
            f"TensorFlow Lite Micro, which runs the model on {target.title}, cannot run it: {error}"
        ) from error
    _fits(target, len(content), reserved)
    # Planning takes memory for a while that is not in what it says it took: for many small tensors, a lot.
    while not micro.runs_in(reserved):
        reserved += KIB
        _fits(target, len(content), reserved)
    return Model(content, graph, net, micro, arena, more, reserved)


def why_not(content: bytes, target: Target) -> str:
    """Why a model file can't run there, in words; empty when it can."""
    try:
        checked(content, target)
    except RefusedError as error:
        return str(error)
    return ""


def _fits(target: Target, model_bytes: int, arena_bytes: int) -> None:
    if reason := fit.why_not(target, model_bytes=model_bytes, arena_bytes=arena_bytes):
        raise RefusedError(reason)


def _content(build: Build) -> bytes:
    arrays, exports = build.arrays, build.exports
    if arrays.kind == "table":
        return exports.made[exports.default].content
    int8 = exports.made.get(Variant.INT8)
    if int8 is not None and int8.treated is not None and int8.treated.applied:
        return int8.content  # with floats in and out, as it was seen to help
    shape = tuple(build.model.input_shape[1:])
    try:
        with Converter(
            build.model, shape, build.task.out, plain_dense=plain_dense(build.target)
        ) as converter:
            return converter.int8_throughout(arrays.representative(CALIBRATION_SAMPLES))
    except ConversionError as error:
        raise RefusedError(
            f"The model could not be made int8, which {build.target.title} needs: {error}"
        ) from error


def _metrics(build: Build, outputs: Any) -> dict[str, Any]:
    """What the board's file is worth, by itself and beside the float model."""
    compared = beside(outputs, build.exports.exact, build.arrays)
    return {**worth(outputs, build.arrays), **({"compared": compared.as_json()} if compared else {})}


def _vectors(build: Build, model: Model, outputs: Any) -> project.Vectors:
    """The clearest test samples, of every class in turn, as many as a sixteenth of the flash holds."""
    micro, test = model.micro, build.arrays.test
    count = min(_CANDIDATES, len(test.y))
    x = micro.quantised(np.asarray(test.x[:count]))
    variant = "int8" if "QUANTIZE" in model.graph.operators or micro.output[1] else "fp32"
    limit = selftest.limit_of(variant, outputs, micro.output[1] or model.graph.output_step)
    reference = micro.real(measure.run_raw(model.content, x))
    candidate = selftest.Candidate(outputs[:count], reference, limit)
    room = build.target.flash_bytes // fit.SELFTEST_PART // x[0].nbytes
    chosen = selftest.choose({variant: candidate}, test.y, max(1, min(selftest.VECTORS, room)))
    tolerance = float(selftest.INT8_STEPS) if micro.output[1] else float(limit)
    return project.Vectors(x[chosen], micro.raw(x[chosen]), tolerance)


def _plain(build: Build, model: Model, vectors: project.Vectors, outputs: Any) -> dict[str, Any]:
    """Written if it can be, and if it answers here as `outputs`, TensorFlow Lite Micro's on the test split, say."""
    try:
        plain = plain_c.write(model.content)
        ran = _ran_here(build, model, plain, vectors, outputs)
    except NoKernelError as error:
        return {"left_out": f"No plain C: {error}."}
    project.write_plain(build.folder, plain)
    return {
        "file": project.PLAIN_FILE,
        "headers": list(plain.headers),
        "buffer_bytes": plain.buffer_bytes,
        "samples_here": ran,
    }


def _ran_here(
    build: Build, model: Model, plain: plain_c.PlainC, vectors: project.Vectors, outputs: Any
) -> int:
    """On how many test samples it gave the same answers here, 0 where it was not run; NoKernelError if one differs."""

    def write(folder: Path) -> None:
        project.write_model(folder, model.content, model.micro, build.arrays.labels, vectors)
        project.write_plain(folder, plain)

    if len(model.content) > run_here.MOST_BYTES:
        return 0
    micro, chosen = model.micro, run_here.chosen(model.net, len(outputs))
    x = micro.quantised(np.asarray(build.arrays.test.x[chosen]))
    found = run_here.answers(write, x, outputs.shape[1], micro.output[0], build.task.out)
    if found is None:
        return 0
    off = int((micro.real(found) != outputs[chosen]).any(axis=1).sum())
    if off:
        raise NoKernelError(f"on {off} of {len(chosen)} test samples it did not answer as the model does")
    return len(chosen)


def _about(
    target: Target,
    model: Model,
    metrics: dict[str, Any],
    samples: int,
    vectors: project.Vectors,
    plain: dict[str, Any],
) -> dict[str, Any]:
    """The manifest's `microcontroller`."""
    return {
        "file": project.MODEL_FILE,
        **{name: value for name, value in metrics.items() if name not in DETAILS},
        "samples": samples,
        "model_bytes": len(model.content),
        "flash_bytes": len(model.content) + fit.PROGRAM_BYTES,
        "arena_measured_bytes": model.arena,
        "arena_scratch_bytes": model.scratch,
        "arena_bytes": model.reserved,
        "operators": list(model.graph.operators),
        "operators_supported": True,
        "runtime": {"name": "TensorFlow Lite Micro", **tflm.version()},
        "input": _port(model.micro.input, vectors.inputs),
        "output": _port(model.micro.output, vectors.outputs),
        "plain_c": plain,
        "selftest": {"vectors": len(vectors.inputs), "tolerance": vectors.tolerance},
        "proof": proof(target, plain),
    }


def proof(target: Target, plain: dict[str, Any]) -> str:
    """What was run for a bundle like this, and what was not."""
    checked = "TensorFlow Lite Micro: operators and arena checked, not run"
    if "file" in plain:
        here = f"{_here(plain)} Its kernels run on an emulated {target.core} in Gristmill's tests."
        return f"{here if target.core in EMULATED else _here(plain)} {checked} on this core."
    if target.core in EMULATED:
        return (
            f"{checked} on this core. Gristmill's tests run plain C there, and there is none of this model."
        )
    return f"{checked} on this core."


def _here(plain: dict[str, Any]) -> str:
    """What became of this bundle's own plain C where it was built."""
    if not (samples := plain.get("samples_here")):
        return "Plain C: this bundle's own was not run."
    return f"Plain C: this bundle's own, run where it was built, gave the very answers to {samples} test samples."


def _port(details: tuple[Any, float, int], values: Any) -> dict[str, Any]:
    dtype, scale, zero = details
    found: dict[str, Any] = {"shape": [1, *values.shape[1:]], "dtype": dtype.name}
    return {**found, "scale": scale, "zero_point": zero} if scale else found


def _summary(build: Build, about: dict[str, Any]) -> dict[str, Any]:
    """The bundle's metrics are those of the board's own file."""
    kept = {name for name in about if isinstance(about[name], int | float | bool)}
    found = {name: about[name] for name in sorted(kept)}
    exact = build.exports.made.get(Variant.FP32)
    note = build.exports.note
    key = "accuracy" if "accuracy" in about else "r2"
    if exact is not None and exact.score - about[key] > LOSS_LIMIT:
        name = "accuracy" if key == "accuracy" else "R²"
        note = f"The model for the board loses {exact.score - about[key]:.3f} of {name} against fp32."
    return {
        **found,
        "ram_bytes": about["arena_bytes"],
        "ram_estimated": False,
        "operators": about["operators"],
        **({"compared": about["compared"]} if "compared" in about else {}),
        "note": note,
        "proof": about["proof"],
        "plain_c": "file" in about["plain_c"],
    }
