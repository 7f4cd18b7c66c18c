"""An evaluation on a board: a bundle's test split, run by the board at a serial port."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from hardware.fpga.evaluate import PATIENCE_S, Evaluated, EvaluationError, evaluate, model_in
from hardware.fpga.frontend import read_graph
from hardware.fpga.ir import Int8s
from hardware.fpga.reference import run as computed
from hardware.fpga.tools import CancelledError
from hardware.fpga.wire import ends
from hardware.targets.profiles import Variant
from jobs.engine.data import Arrays, load
from jobs.engine.ends import End, InterruptedByRequestError, Reason
from jobs.engine.events import Control, Emit, Reporter
from jobs.engine.export.manifest import DETAILS, MANIFEST_FILE
from jobs.engine.export.variants import FILES, worth

PHASES = {"loading": (0.0, 0.1), "evaluating": (0.1, 1.0)}
BUNDLE_FOLDER = "bundle"
PICTURE = 3
_TOGETHER = 64  # inputs of the integer reference at once


class EvaluateTask(BaseModel):
    """One evaluation; paths are those that this process sees, `port` too. `bundle` is the zip;
    `patience` how many seconds an answer is waited for.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    bundle: Path
    data: Path
    data_key: str
    cache: Path
    out: Path
    port: str
    patience: float = PATIENCE_S


def run(task: Mapping[str, Any], emit: Emit, control: Control) -> None:
    """The done event's summary is what the board's answers are worth, how many of them differ from the integer
    reference (`mismatches`), and how long they took; its reason is "refused" when the board gives none.

    Raises what `jobs.engine.ends.end_of` names.
    """
    given = EvaluateTask.model_validate(task)
    reporter = Reporter(emit, control, phases=PHASES)
    reporter.started()
    try:
        summary = _evaluated(given, reporter)
    except EvaluationError as error:
        reporter.done(End(Reason.REFUSED, str(error)))
        return
    except CancelledError as error:
        raise InterruptedByRequestError from error
    reporter.metric(
        0, 0, {name: summary[name] for name in ("accuracy", "r2", "mismatches") if name in summary}
    )
    reporter.done(End(Reason.DONE, _sentence(summary)), summary)


def _evaluated(given: EvaluateTask, reporter: Reporter) -> dict[str, Any]:
    folder = _unpacked(given.bundle, given.out / BUNDLE_FOLDER)
    shape = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))["input"]["shape"][1:]
    arrays = _arrays(given, shape, reporter)
    model, x = model_in(folder), np.asarray(arrays.test.x, dtype=np.float32)
    found = evaluate(
        given.port,
        model,
        x,
        patience=given.patience,
        progress=lambda part: reporter.progress("evaluating", part),
        cancelled=lambda: reporter.must_leave,
    )
    expected = _expected((folder / FILES[Variant.INT8]).read_bytes(), ends.entered(model.said["ends"], x))
    return _summary(found, arrays, expected)


def _unpacked(archive: Path, folder: Path) -> Path:
    """The files of a bundle's one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            (folder / Path(entry.filename).name).write_bytes(packed.read(entry))
    return folder


def _arrays(given: EvaluateTask, shape: list[int], reporter: Reporter) -> Arrays:
    def told(part: float) -> None:
        reporter.leave_if_asked()
        reporter.progress("loading", part)

    if len(shape) != PICTURE:
        return load(given.data, given.cache, given.data_key, on_progress=told)
    height, width, channels = shape
    return load(
        given.data, given.cache, given.data_key, size=(height, width), channels=channels, on_progress=told
    )


def _expected(content: bytes, inputs: Int8s) -> Int8s:
    """What the engine has to answer, by the integer reference."""
    graph = read_graph(content)
    parts = [
        computed(graph, inputs[at : at + _TOGETHER])[graph.output] for at in range(0, len(inputs), _TOGETHER)
    ]
    return np.concatenate(parts)


def _summary(found: Evaluated, arrays: Arrays, expected: Int8s) -> dict[str, Any]:
    metrics = worth(np.asarray(found.outputs, dtype=np.float32), arrays)
    same = (found.steps.reshape(len(expected), -1) == expected.reshape(len(expected), -1)).all(axis=1)
    cycles = float(np.mean(found.cycles))
    return {
        **{name: value for name, value in metrics.items() if name not in DETAILS},
        "samples": len(expected),
        "mismatches": int((~same).sum()),
        "cycles": cycles,
        "engine_ms": round(1000 * cycles / found.identity.clock_hz, 4),
        "answer_ms": round(1000 * found.seconds / len(expected), 3),
        "load_seconds": found.load_seconds,
        "board": found.identity.board,
    }


def _sentence(summary: Mapping[str, Any]) -> str:
    right = summary.get("accuracy")
    value = f"R² {summary['r2']:.3f}" if right is None else f"{right:.1%} right"
    return (
        f"The board answered {summary['samples']} test samples: {value}. {summary['mismatches']} answers differ from "
        "those that were proved."
    )
