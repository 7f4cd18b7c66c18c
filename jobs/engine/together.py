"""Training and then the bundle of what was trained, as one task: where the tools for FPGA boards are.

The model is kept whatever becomes of the build: that a bitstream could not be made does not undo hours of training.
"""

import shutil
import traceback
from collections.abc import Mapping
from typing import Any

from jobs.engine import main
from jobs.engine.ends import CRASHED, End, InterruptedByRequestError, Reason, end_of
from jobs.engine.events import PHASES, Control, Emit, Reporter
from jobs.engine.export import build
from jobs.engine.export.task import BuildTask
from jobs.engine.export.variants import RefusedError

TRAINING = 0.5
"""The share of the whole that training is taken to need."""


def run(task: Mapping[str, Any], emit: Emit, control: Control) -> None:
    """`task["train"]` is a train task, `task["build"]` a build task of the model that it leaves; what the node adds to
    the task is for both. The done event's summary is the training's, and under `build` the build's: its own summary as
    `metrics`, or why there is no bundle as `refused`.

    Raises what training raises, and InterruptedByRequestError from either.
    """
    shared = {name: value for name, value in task.items() if name not in {"kind", "train", "build"}}
    given = BuildTask.model_validate({**shared, **task["build"]})
    reporter = Reporter(emit, control, phases=_within(PHASES, 0.0, TRAINING))
    reporter.started()
    summary = main.train({**shared, **task["train"]}, reporter)
    told = Reporter(emit, control, phases=_within(build.phases_of(given.target), TRAINING, 1.0))
    reporter.done(End(Reason.DONE, main.TRAINED), {**summary, "build": _built(given, told)})


def _built(given: BuildTask, reporter: Reporter) -> dict[str, Any]:
    try:
        return {"metrics": build.built(given, reporter)}
    except InterruptedByRequestError:
        raise
    except RefusedError as error:
        reason = str(error)
    # The one place where anything may arrive: the model is there, and is not to be lost with the build.
    except Exception as error:  # noqa: BLE001
        reporter.log(traceback.format_exc())
        end = end_of(error)
        reason = end.message if end else CRASHED
    shutil.rmtree(given.out / build.BUNDLE_FOLDER, ignore_errors=True)
    return {"refused": reason}


def _within(
    phases: Mapping[str, tuple[float, float]], start: float, end: float
) -> dict[str, tuple[float, float]]:
    """The same phases as shares of a part of the whole."""
    return {name: (start + (end - start) * a, start + (end - start) * b) for name, (a, b) in phases.items()}
