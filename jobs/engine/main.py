"""What runs in the training process: one task, from its first event to its done event.

A recipe's `trainer` is `function(task: TrainTask, params, reporter: Reporter) -> summary`. It says what it does through
the reporter, looks at `must_leave` and `must_stop`, and raises what `ends.end_of` names.
"""

import importlib
import sys
import traceback
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from jobs.engine.ends import CRASHED, BadDataError, End, GpuUse, Reason, end_of
from jobs.engine.events import Control, Emit, Reporter
from jobs.engine.recipes.registry import RECIPES
from jobs.engine.spec import validate_params
from jobs.engine.task import TrainTask

RUNS = {
    "build": "jobs.engine.export.build:run",
    "evaluate": "jobs.engine.on_board:run",
    "import": "jobs.engine.brought.run:run",
    "train-and-build": "jobs.engine.together:run",
}
TRAINED = "Trained, and measured on samples that it had never seen."


def run(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """Run a task of kind "train", or of one in `RUNS`. Always ends with exactly one done event, and never raises.

    Called in a fresh process in which TensorFlow may be imported, but has run nothing.
    """
    reporter = Reporter(emit, control)
    try:
        if (kind := task.get("kind")) in RUNS:
            _resolve(RUNS[kind])(task, emit, control)
            return
        reporter.started()
        reporter.done(End(Reason.DONE, TRAINED), train(task, reporter))
    # The one place where anything may arrive: whatever has no name is a crash, whose traceback is in the log.
    except Exception as error:  # noqa: BLE001
        end = end_of(error, _gpu_use())
        if end is None or end.reason is Reason.OUT_OF_MEMORY:
            reporter.log(traceback.format_exc())
        reporter.done(end or End(Reason.CRASHED, CRASHED))


def train(task: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Train what the task names; the summary. Raises what `ends.end_of` names, and whatever the trainer breaks at."""
    wanted = TrainTask.model_validate(task)
    if wanted.recipe not in RECIPES:
        raise BadDataError(f"This node knows no recipe {wanted.recipe!r}.")
    try:
        params = validate_params(wanted.recipe, wanted.params)
    except ValidationError as error:
        raise BadDataError(f"The parameters do not fit the recipe: {error.errors()[0]['msg']}.") from error
    wanted.out.mkdir(parents=True, exist_ok=True)
    # Imported here, as are the trainers: what only describes recipes must not load TensorFlow.
    import keras

    from jobs.engine.training import devices

    devices.prepare(wanted)
    keras.utils.set_random_seed(params.seed)
    trainer: Callable[..., dict[str, Any]] = _resolve(RECIPES[wanted.recipe].trainer)
    summary = trainer(wanted, params, reporter)
    used = devices.gpu_use()
    return summary | ({"gpu_peak_bytes": used.peak_bytes} if used else {})


def _gpu_use() -> GpuUse | None:
    """As the backend tells, if it was loaded at all."""
    if "keras" not in sys.modules:
        return None
    from jobs.engine.training import devices

    return devices.gpu_use()


def _resolve(name: str) -> Callable[..., Any]:
    module, function = name.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
