"""Bundles for FPGA boards: a circuit that was proved to compute what the int8 file computes, and what talks to it.

LiteRT's reference kernels run the file over the whole test split: what these answer is what the board answers, and what
is proved, vector by vector, on up to `VECTORS` of the samples.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.fpga import bundle
from hardware.fpga.boards import BOARDS
from hardware.fpga.engine import WORD
from hardware.fpga.errors import MismatchError, UnsupportedError
from hardware.fpga.floats import ends_of
from hardware.fpga.flow import FlowError
from hardware.fpga.frontend import read_graph
from hardware.fpga.ir import Int8s
from hardware.fpga.prepare import lend
from hardware.fpga.program import compiled
from hardware.fpga.proof import Proved, prove
from hardware.fpga.report import NOT_TRIED
from hardware.fpga.wire import ends
from hardware.targets.profiles import Variant
from jobs.engine.ends import UnprovedError
from jobs.engine.export import dataless, measure
from jobs.engine.export.fpga.litert import LiteRT
from jobs.engine.export.fpga.progress import SAMPLED, WORK_FOLDER, Telling
from jobs.engine.export.fpga.readme import readme
from jobs.engine.export.kinds import Added, Build
from jobs.engine.export.manifest import DETAILS
from jobs.engine.export.variants import RefusedError, beside, worth

VECTORS = 1000
"""Samples that the circuit is proved with, at most; spread over the test split."""

SELFTEST = 32
_CACHE_FOLDER = "fpga"
_ROUTING = frozenset({"place and route", "timing"})  # where a circuit is found to be too much for its chip


@dataclass(frozen=True)
class Samples:
    """What LiteRT's reference kernels make of test samples: the int8 core's `inputs` and `outputs` (n, …), and the
    `answers` of the file, float32 (n, …).
    """

    inputs: Int8s
    outputs: Int8s
    answers: NDArray[np.float32]


def add(build: Build) -> Added:
    """Prove a circuit, and write it with what goes with it.

    RefusedError when the board can't run the model, UnprovedError when what was built computes something else.
    """
    content = _content(build)
    said = _ends(build, content)
    outputs = measure.run_file(
        content,
        build.arrays.test.x,
        threads=build.threads,
        tick=lambda part: build.tick("reference", part * SAMPLED / 2),
        reference=True,
    )
    samples = _samples(build, content, said)
    proved = _proved(build, content, samples)
    _write(build, proved, said, samples)
    about = _about(build, proved, outputs)
    return Added(
        manifest={"fpga": about},
        summary=_summary(build, proved, about),
        readme=readme(about, build.target, pictures=build.arrays.kind == "images"),
    )


def _content(build: Build) -> bytes:
    made = build.exports.made.get(Variant.INT8)
    if made is None or not dataless.is_measured(build.arrays):
        reason = build.exports.left_out.get(Variant.INT8, dataless.no_int8(build.arrays))
        raise RefusedError(f"{build.target.title} takes int8. {reason}")
    return made.content


def _ends(build: Build, content: bytes) -> dict[str, Any]:
    """What the host does; RefusedError, before anything takes minutes, when the engine can't do the rest."""
    try:
        compiled(read_graph(content), BOARDS[build.target.name].engine)
        return ends_of(content)
    except (UnsupportedError, ValueError) as error:
        raise RefusedError(str(error)) from error


def _samples(build: Build, content: bytes, said: dict[str, Any]) -> Samples:
    """Of the test split, evenly spread; the host's part of them is compared here."""
    test, graph, litert = build.arrays.test, read_graph(content), LiteRT(content)
    chosen = np.unique(np.linspace(0, len(test.y) - 1, min(VECTORS, len(test.y))).astype(int))
    x = np.asarray(test.x[chosen], dtype=np.float32)
    answer = int(litert.output["index"])
    found = litert.run(
        x, (graph.input, graph.output, answer), lambda part: build.tick("reference", (1 + part) * SAMPLED / 2)
    )
    samples = Samples(found[graph.input], found[graph.output], found[answer])
    if not np.array_equal(ends.entered(said, x), samples.inputs):
        raise UnprovedError(
            "The host does not make of the inputs what LiteRT makes of them: nothing was built."
        )
    if not np.array_equal(ends.left(said, samples.outputs), samples.answers, equal_nan=True):
        raise UnprovedError(
            "The host does not make of the outputs what LiteRT makes of them: nothing was built."
        )
    return samples


def _proved(build: Build, content: bytes, samples: Samples) -> Proved:
    contained = bool(build.task.options.get("contained"))
    if contained and not build.target.holds_model:
        raise RefusedError(
            f"No bitstream for {build.target.title} can hold the model: leave “contained” out."
        )
    telling = Telling(build.tick, build.log)
    cache = build.task.cache / _CACHE_FOLDER
    if build.task.prepared is not None:
        lend(build.task.prepared, cache)
    # What YoWASP compiles of its tools, once for this folder: a sandbox's home is new for each job.
    os.environ.setdefault("YOWASP_CACHE_DIR", str(cache / "tools"))
    try:
        return prove(
            content,
            board=BOARDS[build.target.name],
            vectors=samples.inputs,
            expected=samples.outputs,
            folder=build.task.out / WORK_FOLDER,
            cache=cache,
            contained=contained,
            progress=telling.stage,
            cancelled=telling.look,
        )
    except UnsupportedError as error:
        raise RefusedError(str(error)) from error
    except FlowError as error:
        if error.stage in _ROUTING:
            raise RefusedError(str(error)) from error
        raise UnprovedError(str(error)) from error
    except MismatchError as error:
        raise UnprovedError(str(error)) from error
    except LookupError as error:
        if isinstance(error, KeyError | IndexError):
            raise
        raise UnprovedError(str(error)) from error  # a tool that is not installed


def _write(build: Build, proved: Proved, said: dict[str, Any], samples: Samples) -> None:
    count = len(samples.inputs)
    chosen = np.unique(np.linspace(0, count - 1, min(SELFTEST, count)).astype(int))
    found = bundle.files(
        proved,
        title=build.task.provenance.name,
        ends=said,
        inputs=samples.inputs[chosen],
        outputs=samples.outputs[chosen],
    )
    for number, (name, content) in enumerate(sorted(found.items()), start=1):
        (build.folder / name).write_bytes(content)
        build.tick("packing", number / len(found))


def _about(build: Build, proved: Proved, outputs: NDArray[np.float32]) -> dict[str, Any]:
    """The manifest's `fpga`: what the board's answers are worth, and all that was proved."""
    exact = build.exports.exact
    compared = beside(outputs, exact, build.arrays)
    in_float = {} if exact is None else worth(exact, build.arrays)
    return {
        "file": "image.bin",
        **_without_details(worth(outputs, build.arrays)),
        **_without_details({f"float_{name}": value for name, value in in_float.items()}),
        "samples": len(outputs),
        **({"compared": compared.as_json()} if compared else {}),
        "model_bytes": sum(len(content) for _, content in proved.image.segments),
        **bundle.described(proved),
        "proof": proof(proved),
    }


def _without_details(metrics: dict[str, Any]) -> dict[str, Any]:
    """Those that are for a manifest."""
    return {name: value for name, value in metrics.items() if name.removeprefix("float_") not in DETAILS}


def proof(proved: Proved) -> str:
    """What was compared, and what was not tried, in sentences."""
    vectors = {stage.name: stage.vectors for stage in proved.stages}
    margin = proved.built.report.fmax_hz / proved.built.report.wanted_hz - 1
    return (
        f"On {min(vectors['reference'], vectors['rtl'])} test samples LiteRT's reference kernels, the integer "
        f"reference and the circuit's Verilog in simulation gave the same bytes, on {vectors['netlist']} of them the "
        f"synthesised netlist too. The routed clock is met with {margin:.0%} to spare. {NOT_TRIED}"
    )


def _summary(build: Build, proved: Proved, about: dict[str, Any]) -> dict[str, Any]:
    """The bundle's metrics are those of the board's answers; how long each stage took stands here alone, as a bundle's
    bytes are always the same.
    """
    kept = {name: value for name, value in about.items() if isinstance(value, int | float | bool)}
    report = proved.built.report
    return {
        **kept,
        "arena_bytes": proved.image.needs["activation_words"] * WORD,
        "ram_bytes": proved.image.needs["activation_words"] * WORD,
        "ram_estimated": False,
        **({"compared": about["compared"]} if "compared" in about else {}),
        "lanes": proved.engine.lanes,
        "latency_ms": proved.seconds * 1000,
        "fmax_hz": report.fmax_hz,
        "cells": report.cells,
        "multipliers": report.multipliers,
        "block_rams": report.block_rams,
        "stages": {stage.name: round(stage.seconds, 2) for stage in proved.stages},
        "flow_cached": report.cached,
        "proof": about["proof"],
        "note": build.exports.note,
    }
