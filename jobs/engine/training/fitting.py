"""Before the first step: will the boards that the model is for hold it? No time is spent on one that can't be built."""

import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import keras

from jobs.engine.events import Reporter
from jobs.engine.networks import Network
from jobs.engine.recipes.params import TrainParams
from jobs.engine.recipes.registry import RECIPES
from jobs.engine.recipes.sizing.boards import SURE
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.recipes.sizing.fitting import fitted, unfit
from jobs.engine.task import TrainTask

MARGINS = (SURE, 3 * SURE)  # tolerances to spare at the first try, and when the model turned out larger

P = TypeVar("P", bound=TrainParams)


def settled(
    task: TrainTask, params: P, data: Data, network: Callable[[P], Network], reporter: Reporter
) -> tuple[P, dict[str, Any] | None]:
    """The parameters to train with, and what the report says of it; as they are for a task without targets.

    Raises UnfitError: by the estimate, and by `network(params)`, which is converted untrained and measured.
    """
    if not task.targets:
        return params, None
    sizing, reasons = RECIPES[task.recipe].sizing, [""]
    asked = params.model_copy(update=task.asked)
    for margin in MARGINS if task.fit else MARGINS[:1]:
        found = fitted(sizing, params, data, task.targets, shrink=task.fit, margin=margin, asked=asked)
        chosen = cast("P", found.params)
        if found.sentence:
            reporter.log(found.sentence)
        reporter.leave_if_asked()
        reasons = _measured(task, chosen, network, reporter)
        if not reasons:
            return chosen, found.as_json()
    raise unfit(sizing, params, data, task.targets, reasons[0], margin=MARGINS[-1])


def _measured(task: TrainTask, params: P, network: Callable[[P], Network], reporter: Reporter) -> list[str]:
    """Why targets can't run the network; nothing where this process can't convert one."""
    if keras.backend.backend() != "tensorflow":
        reporter.log("Whether it fits its targets was estimated only: models are converted under TensorFlow.")
        return []
    # Loads LiteRT: trainings without targets go without.
    from jobs.engine.export.trial import why_not_there

    began = time.monotonic()
    reasons = why_not_there(network(params).full, task.targets)
    keras.utils.set_random_seed(params.seed)  # as if there had been no network before the one that is trained
    if not reasons:
        named = ", ".join(target.title for target in task.targets)
        reporter.log(f"Built untrained, it fits {named}. Looking took {time.monotonic() - began:.1f} s.")
    return reasons
