"""A build job: from a trained model to the folder that a member takes home, all but its signature."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardware.targets.profiles import Kind, Target, Variant
from jobs.engine.data import Arrays, load
from jobs.engine.ends import End, Reason
from jobs.engine.events import Control, Emit, Reporter
from jobs.engine.export import dataless, measure, memory, receipt, selftest
from jobs.engine.export.convert import keras_file
from jobs.engine.export.fpga import progress as on_fpga
from jobs.engine.export.kinds import Added, Build, judge_for, packaging_for
from jobs.engine.export.manifest import DETAILS, describe, finish, sha256
from jobs.engine.export.readme import readme
from jobs.engine.export.report_page import page
from jobs.engine.export.task import BuildTask, read_report
from jobs.engine.export.variants import FILES, Exports, RefusedError, export

PHASES = {"loading": (0.0, 0.1), "exporting": (0.1, 0.5), "evaluating": (0.5, 0.9), "packing": (0.9, 1.0)}
TOOLS_LOG = "tools.log"
"""What the tools of a build said, beside the bundle."""
_PHASES_OF = {Kind.FPGA: on_fpga.PHASES}
DEVICE_FILES = ("run.py", "inputs.py", "verify.py", "checks.py", "live.py", "trouble.py")
BUNDLE_FOLDER = "bundle"


def run(task: Mapping[str, Any], emit: Emit, control: Control) -> None:
    """Build `out/bundle`; the done event's summary is the bundle's metrics, or its reason is "refused".

    Raises what `jobs.engine.ends.end_of` names (BadDataError, InterruptedByRequestError, a full disk, ...).
    """
    given = BuildTask.model_validate(task)
    reporter = Reporter(emit, control, phases=phases_of(given.target))
    reporter.started()
    try:
        summary = built(given, reporter)
    except (RefusedError, measure.UnrunnableError) as error:
        shutil.rmtree(given.out / BUNDLE_FOLDER, ignore_errors=True)
        reporter.done(End(Reason.REFUSED, str(error)))
        return
    reporter.done(End(Reason.DONE, _sentence(summary, given.target)), summary)


def phases_of(target: Target) -> Mapping[str, tuple[float, float]]:
    """The shares of the whole that the phases of a build are taken to need."""
    return _PHASES_OF.get(target.kind, PHASES)


def built(given: BuildTask, reporter: Reporter) -> dict[str, Any]:
    """Make `out/bundle`; its metrics. RefusedError when the model can't run on the target; else as `run` raises."""
    try:
        summary = _build(given, reporter)
        reporter.artefact("bundle", given.out / BUNDLE_FOLDER)
        return summary
    finally:
        _keep_evidence(given.out, reporter)


def _keep_evidence(out: Path, reporter: Reporter) -> None:
    """All that the tools said, in one file; and the vector that a proof broke at."""
    work = out / on_fpga.WORK_FOLDER
    for vector in work.glob("mismatch-*.npz"):
        reporter.artefact("mismatch.npz", vector)
    logs = sorted(work.rglob("*.log"))
    if not logs:
        return
    with (out / TOOLS_LOG).open("wb") as whole:
        for log in logs:
            whole.write(f"== {log.relative_to(out)} ==\n".encode() + log.read_bytes() + b"\n")
    reporter.artefact(TOOLS_LOG, out / TOOLS_LOG)


def _build(given: BuildTask, reporter: Reporter) -> dict[str, Any]:
    def tick(phase: str, part: float) -> None:
        reporter.leave_if_asked()
        reporter.progress(phase, part)

    threads = given.threads or os.cpu_count() or 1
    given.out.mkdir(parents=True, exist_ok=True)
    add = packaging_for(given.target)
    report = read_report(given.report)
    model = keras_file(given.model)
    arrays = _load(given, report, tuple(model.input_shape[1:]), lambda part: tick("loading", part))
    exports = export(
        model,
        arrays,
        given.target,
        scratch=given.out,
        threads=threads,
        tick=tick,
        why_not_there=judge_for(given.target),
    )
    folder = _emptied(given.out / BUNDLE_FOLDER)
    build = Build(given, report, model, arrays, exports, folder, threads, tick, reporter.log)
    added = add(build)
    _write(build, added)
    return {**_summary(exports, arrays), **_memory(build), **added.summary}


def _load(given: BuildTask, report: dict[str, Any], shape: tuple[int, ...], tick: Any) -> Arrays:
    if given.data is None:
        return dataless.arrays_of(report, shape)
    if len(shape) == 1:
        return load(given.data, given.cache, given.data_key, on_progress=tick)
    height, width, channels = shape
    return load(
        given.data, given.cache, given.data_key, size=(height, width), channels=channels, on_progress=tick
    )


def _emptied(folder: Path) -> Path:
    """The folder, made anew: a build that was interrupted may have left half of one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _write(build: Build, added: Added) -> None:
    """What every bundle holds, beside what its kind of target `added`."""
    given, arrays, folder = build.task, build.arrays, build.folder
    exports = added.exports or build.exports
    for variant, made in exports.made.items():
        (folder / FILES[variant]).write_bytes(made.content)
    for name in (*DEVICE_FILES, *(("sounds.py",) if arrays.kind == "sounds" else ())):
        (folder / name).write_bytes((Path(__file__).parent / "device" / name).read_bytes())
    (folder / "labels.json").write_text(json.dumps(list(arrays.labels), indent=1) + "\n", encoding="utf-8")
    manifest = describe(
        task_name=str(build.report["task"]),
        exports=exports,
        arrays=arrays,
        target=given.target,
        provenance=given.provenance,
        model_sha256=sha256(given.model),
        selftest=selftest.write(folder / "selftest.npz", added.vectors or build.vectors),
    )
    manifest.update(receipt.entries(given))
    manifest.update(added.manifest)
    (folder / "report.html").write_text(page(manifest, build.report, exports, arrays), encoding="utf-8")
    (folder / "README.md").write_text(readme(manifest, given.target, arrays, added.readme), encoding="utf-8")
    finish(folder, manifest)


def _summary(exports: Exports, arrays: Arrays) -> dict[str, Any]:
    """The bundle's metrics: `accuracy` is the default file's, `float_accuracy` the fp32 one's."""
    default = exports.made[exports.default]
    exact = exports.made.get(Variant.FP32)
    metrics = {name: value for name, value in default.metrics.items() if name not in DETAILS}
    in_float = {f"float_{name}": exact.metrics[name] for name in metrics} if exact else {}
    return {
        **metrics,
        **in_float,
        "variant": str(exports.default),
        "variants": [str(variant) for variant in exports.made],
        "samples": len(arrays.test.y),
        "model_bytes": len(default.content),
        "arena_bytes": default.graph.arena_bytes,
        "ram_bytes": default.need.ram_bytes,
        "ram_estimated": True,
        "operators": list(default.graph.operators),
        **_compared(exports),
        "note": exports.note,
    }


def _memory(build: Build) -> dict[str, int]:
    """What running the default file took here, of a bundle for Linux. Not in the manifest, whose bytes are always the
    same: this differs by some kB from run to run.
    """
    if build.target.kind is not Kind.LINUX:
        return {}
    path = build.folder / FILES[build.exports.default]
    found = memory.peak_bytes(path, pictures=build.arrays.kind == "images")
    return {"ram_measured_bytes": found} if found else {}


def _compared(exports: Exports) -> dict[str, Any]:
    """How the int8 file does beside the float model, and what was done for it, whichever of them runs."""
    int8 = exports.made.get(Variant.INT8)
    found = {"compared": int8.compared.as_json()} if int8 and int8.compared else {}
    return {**found, **({"remedy": int8.treated.as_json()} if int8 and int8.treated else {})}


def _sentence(summary: dict[str, Any], target: Target) -> str:
    if not summary["samples"]:
        return f"Built for {target.title}, as fp32: the model came without data, so it could not be measured."
    right = summary.get("accuracy")
    worth = f"R² {summary['r2']:.3f}" if right is None else f"{right:.1%} right"
    return f"Built for {target.title}: {worth} on {summary['samples']} test samples."
