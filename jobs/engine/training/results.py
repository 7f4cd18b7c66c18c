"""What a training leaves behind: its measurements, the model and the report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.engine import evaluate
from jobs.engine.data import Arrays
from jobs.engine.events import Reporter
from jobs.engine.pixels import SplitName
from jobs.engine.training.loop import predict
from jobs.engine.training.steps import Floats, Steps

Summary = dict[str, Any]
Measured = tuple[dict[str, Any], list[dict[str, Any]], Floats]
HEADLINES = ("accuracy", "macro_f1", "mae", "rmse", "r2")
MODEL_FILE, REPORT_FILE = "model.keras", "report.json"


def measure(arrays: Arrays, steps: Steps, reporter: Reporter) -> tuple[dict[str, Any], Floats]:
    """The report's `metrics` on the validation and the untouched test split, and its `mistakes` on the latter; and the
    model's output for the test split.
    """
    validation, _, _ = _measure(arrays, "validation", steps, _watch(reporter, 0.0))
    test, mistakes, output = _measure(arrays, "test", steps, _watch(reporter, 0.5))
    return {"metrics": {"test": test, "validation": validation}, "mistakes": mistakes}, output


def summary(report: dict[str, Any]) -> Summary:
    """The done event's summary of a report."""
    test = report["metrics"]["test"]
    return {
        "metrics": {name: test[name] for name in HEADLINES if name in test},
        "epochs": len(report["history"]),
        "parameters": report["parameters"],
    }


def write(out: Path, model: Any, report: dict[str, Any], reporter: Reporter) -> None:
    """Write model and report into `out`, each aside and then renamed, and say so."""
    reporter.progress("exporting", 0.0)
    aside = out / f".part-{MODEL_FILE}"
    model.save(aside)
    aside.rename(out / MODEL_FILE)
    aside = out / f".part-{REPORT_FILE}"
    aside.write_text(json.dumps(report, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    aside.rename(out / REPORT_FILE)
    for name in (MODEL_FILE, REPORT_FILE):
        reporter.artefact(name, out / name)


def _measure(arrays: Arrays, split: SplitName, steps: Steps, after: Callable[[float], None]) -> Measured:
    x, y = arrays.split(split)
    output, names = predict(steps, x, after), arrays.names(split)
    if not arrays.labels:
        return dict(evaluate.regression(output, y)), evaluate.misses(output, y, names), output
    return (
        evaluate.classification(output, y, arrays.labels),
        evaluate.mistakes(output, y, arrays.labels, names),
        output,
    )


def _watch(reporter: Reporter, done: float) -> Callable[[float], None]:
    def after(share: float) -> None:
        # The checkpoint at the end of training has been sent: nothing is lost by leaving here.
        reporter.leave_if_asked()
        reporter.progress("evaluating", done + share / 2)

    return after
