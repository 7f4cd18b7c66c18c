"""An import job: from the file that a member brought to a model like those that are trained here.

What it leaves is what a training leaves (`model.keras`, `report.json`), so that bundles are built of it alike.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine import evaluate, libraries
from jobs.engine.brought.data import Measure, measure_of
from jobs.engine.brought.interface import check_labels, interface_of
from jobs.engine.brought.normal import NO_NUMBERS, Normal, normalised
from jobs.engine.brought.read import TITLES, read
from jobs.engine.brought.refused import SAVE_ANEW, NotTakenError, first_line, ran_out_of_memory
from jobs.engine.brought.task import ImportTask
from jobs.engine.data import Arrays
from jobs.engine.ends import End, Reason
from jobs.engine.events import Control, Emit, Reporter
from jobs.engine.pixels import SplitName

PHASES = {
    "loading": (0.0, 0.5),
    "evaluating": (0.5, 0.8),
    "explaining": (0.8, 0.95),
    "exporting": (0.95, 1.0),
}
MODEL_FILE, REPORT_FILE = "model.keras", "report.json"
HEADLINES = ("accuracy", "macro_f1", "mae", "rmse", "r2")
OFF_BY = 1e-4  # of the largest answer
BATCH_VALUES = 4_000_000
MAX_BATCH = 256
GRADIENTS_COST = 4  # how much more memory they are allowed for than answers, which keep no activations
TOO_LARGE = (
    "Opening the model took more memory than a job may have here. No board could run it: bring a smaller one (less "
    "width, or a smaller input)."
)


def run(task: Mapping[str, Any], emit: Emit, control: Control) -> None:
    """Leave `out/model.keras` and `out/report.json`, or end as "refused" with a sentence.

    Raises what `jobs.engine.ends.end_of` names (BadDataError, InterruptedByRequestError, a full disk, ...).
    """
    given = ImportTask.model_validate(task)
    reporter = Reporter(emit, control, phases=PHASES)
    reporter.started()
    try:
        summary = _import(given, reporter)
    except NotTakenError as error:
        reporter.done(End(Reason.REFUSED, str(error)))
        return
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        reporter.done(End(Reason.REFUSED, TOO_LARGE))
        return
    reporter.done(End(Reason.DONE, _sentence(summary)), summary)


def _import(given: ImportTask, reporter: Reporter) -> dict[str, Any]:
    given.out.mkdir(parents=True, exist_ok=True)
    reporter.progress("loading", 0.0)
    _use_threads(given.threads or os.cpu_count() or 1)
    model, kind = read(given.file, given.out)
    interface = interface_of(model, given.sample_rate)
    reporter.leave_if_asked()
    measure = measure_of(given, interface, lambda part: _tick(reporter, "loading", 0.5 + part / 2))
    check_labels(interface, measure.labels)
    probes = measure.probes()
    normal = _made_to_fit(model, given, measure, probes)
    for note in (f"Read as {TITLES[kind]}.", *normal.notes):
        reporter.log(note)
    report = _report(given, normal, measure, reporter)
    _write(given.out, normal.model, report, reporter, probes)
    return _summary(report)


def _made_to_fit(model: Any, given: ImportTask, measure: Measure, probes: NDArray[np.float32]) -> Normal:
    """The normal model. What goes wrong when it is run for the first time is said to its member."""
    try:
        return normalised(
            model, measure.interface, measure.labels, measure.order, pixels=given.pixels, probes=probes
        )
    except NotTakenError:
        raise
    except Exception as error:
        if ran_out_of_memory(error):
            raise MemoryError from error
        raise NotTakenError(f"The model cannot be run: {first_line(error)} {SAVE_ANEW}") from error


def _use_threads(count: int) -> None:
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(count)
    except RuntimeError:  # something ran in this process already, as in tests
        return


def _tick(reporter: Reporter, phase: str, part: float) -> None:
    reporter.leave_if_asked()
    reporter.progress(phase, part)


def _report(given: ImportTask, normal: Normal, measure: Measure, reporter: Reporter) -> dict[str, Any]:
    """The report in the form that training writes. Without data there are no metrics in it."""
    metrics: dict[str, Any] = {"test": {}, "validation": {}}
    mistakes: list[dict[str, Any]] = []
    explained: list[dict[str, Any]] = []
    notes = list(normal.notes)
    if measure.arrays is not None:
        metrics["validation"], _, _ = _measured(normal.model, measure, "validation", reporter, 0.0)
        metrics["test"], mistakes, output = _measured(normal.model, measure, "test", reporter, 0.5)
        explained = _explained(normal.model, measure.arrays, output, reporter)
        notes += measure.hints(given.pixels, lambda x: outputs(normal.model, x, lambda _part: None))
    else:
        notes.append(
            "It came without a dataset: nobody has measured it here, and it is exported as fp32 only."
        )
    return {
        "format": 1,
        "recipe": "",
        "origin": "brought",
        "task": measure.task,
        "labels": list(measure.kept_labels),
        "input": measure.input(),
        "samples": measure.counts(),
        "metrics": metrics,
        "mistakes": mistakes,
        "explanations": explained,
        "history": [],
        "best_epoch": 0,
        "params": {},
        "parameters": int(normal.model.count_params()),
        "backend": "tensorflow",
        "libraries": libraries.versions(),
        "code_version": libraries.code_version(),
        "notes": notes,
    }


def _measured(
    model: Any, measure: Measure, split: SplitName, reporter: Reporter, done: float
) -> tuple[dict[str, Any], list[dict[str, Any]], NDArray[np.float32]]:
    """Metrics, mistakes and the model's answers for a split."""
    arrays = measure.arrays
    assert arrays is not None  # noqa: S101 - for mypy
    x, y = arrays.split(split)
    found = outputs(model, x, lambda part: _tick(reporter, "evaluating", done + part / 2))
    if not np.isfinite(found).all():
        raise NotTakenError(
            f"{NO_NUMBERS} In a table, it may be rows with gaps: a missing number comes as NaN."
        )
    names = arrays.names(split)
    if not arrays.labels:
        return dict(evaluate.regression(found, y)), evaluate.misses(found, y, names), found
    mistakes = evaluate.mistakes(found, y, arrays.labels, names)
    return evaluate.classification(found, y, arrays.labels), mistakes, found


def _explained(
    model: Any, arrays: Arrays, output: NDArray[np.float32], reporter: Reporter
) -> list[dict[str, Any]]:
    """Why the model answers as it does, as for one that was trained here."""
    # Imported here: explaining needs Keras, which is loaded once the file has been looked at.
    from jobs.engine.explain.explain import Trained, explanations

    def predict(x: NDArray[Any]) -> NDArray[np.float32]:
        return outputs(model, x, lambda _part: None)

    batch = max(1, _batch(arrays.test.x) // GRADIENTS_COST)
    trained = Trained(model, predict, output, batch, seed=0)
    return explanations(trained, arrays, reporter)


def _batch(x: NDArray[Any]) -> int:
    """How many such inputs are answered at once."""
    return max(1, min(MAX_BATCH, BATCH_VALUES // max(1, int(np.prod(x.shape[1:])))))


def outputs(model: Any, x: NDArray[Any], tick: Callable[[float], None]) -> NDArray[np.float32]:
    """What the model says to `x`, (n, outputs), a batch at a time. `tick` gets 0..1 and may raise to break off."""
    size, found = _batch(x), []
    for start in range(0, len(x), size):
        tick(start / len(x))
        batch = np.asarray(x[start : start + size], dtype=np.float32)
        found.append(np.asarray(model(batch, training=False), dtype=np.float32))
    tick(1.0)
    return np.concatenate(found)


def _write(
    out: Path, model: Any, report: dict[str, Any], reporter: Reporter, probes: NDArray[np.float32]
) -> None:
    """Write model and report into `out`, each aside and then renamed, and say so. NotTakenError when the file that was
    written does not answer as the model did.
    """
    import keras

    reporter.progress("exporting", 0.0)
    aside = out / f".part-{MODEL_FILE}"
    model.save(aside)
    again = keras.models.load_model(aside, compile=False)
    wanted, found = (outputs(each, probes, lambda _part: None) for each in (model, again))
    if not np.allclose(wanted, found, rtol=0, atol=OFF_BY * max(1.0, float(np.abs(wanted).max(initial=0)))):
        raise NotTakenError(f"Saved anew, the model answers differently than before. {SAVE_ANEW}")
    aside.rename(out / MODEL_FILE)
    (out / REPORT_FILE).write_text(json.dumps(report, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    for name in (MODEL_FILE, REPORT_FILE):
        reporter.artefact(name, out / name)


def _summary(report: dict[str, Any]) -> dict[str, Any]:
    test = report["metrics"]["test"]
    return {
        "metrics": {name: test[name] for name in HEADLINES if name in test},
        "samples": report["samples"]["test"],
        "parameters": report["parameters"],
    }


def _sentence(summary: dict[str, Any]) -> str:
    found = summary["metrics"]
    if not found:
        return "Taken. It came without a dataset, so nobody has measured it here."
    worth = f"{found['accuracy']:.1%} right" if "accuracy" in found else f"R² {found['r2']:.3f}"
    return f"Taken: {worth} on {summary['samples']:,} test samples."
