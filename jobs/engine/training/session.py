"""From a network and its data to a trained model with its report: what all recipes have in common."""

import hashlib
import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from jobs.engine import libraries
from jobs.engine.data import Arrays, Split
from jobs.engine.ends import BadDataError, NanLossError
from jobs.engine.events import Reporter
from jobs.engine.explain.explain import Trained, explanations
from jobs.engine.networks import Network
from jobs.engine.pixels import SplitName
from jobs.engine.recipes.params import TrainParams
from jobs.engine.recipes.registry import RECIPES
from jobs.engine.task import TrainTask
from jobs.engine.training import checkpoints
from jobs.engine.training.augment import Augment
from jobs.engine.training.batches import Batches
from jobs.engine.training.loop import Loop, predict
from jobs.engine.training.results import Summary, measure, summary, write
from jobs.engine.training.state import State
from jobs.engine.training.steps import Floats, Steps, make_steps
from jobs.engine.training.warm_start import warm_start

LEAST_PATIENCE = 6


@dataclass(frozen=True)
class Learner:
    """A network that is ready to take steps."""

    network: Network
    steps: Steps


@dataclass(frozen=True)
class Problem:
    """What is to be learned. `input` goes into the report: how a picture or row becomes the model's input.

    For regression `mean` and `scale` are those of the training targets, by which the loss is scaled. `fit` is what was
    found out about its targets, for the report.
    """

    arrays: Arrays
    input: dict[str, Any]
    augment: Augment | None = None
    mean: float = 0.0
    scale: float = 1.0
    fit: dict[str, Any] | None = None

    def training_split(self) -> Split:
        """The training samples, with a regression's targets scaled."""
        x, y = self.arrays.train
        return (
            Split(x, y) if self.arrays.labels else Split(x, ((y - self.mean) / self.scale).astype(np.float32))
        )


def make_learner(network: Network, *, classes: int) -> Learner:
    """The network with the steps of this backend; `classes` 0 learns a number."""
    return Learner(network, make_steps(network, classes))


def check_splits(counts: dict[SplitName, int], labels: int | None) -> None:
    """BadDataError when nothing could be learned or measured; `labels` None for regression."""
    if labels is not None and labels < 2:  # noqa: PLR2004 - one class leaves nothing to tell apart
        raise BadDataError("The data has fewer than two classes; there is nothing to tell apart.")
    empty = [name for name, count in counts.items() if not count]
    if empty:
        raise BadDataError(f"The data has no samples for {' and '.join(empty)}; add more samples.")


def train(
    task: TrainTask, params: TrainParams, learner: Learner, problem: Problem, reporter: Reporter
) -> Summary:
    """Train, evaluate with the best weights, and write model.keras and report.json; the done event's summary."""
    training = _Training(task, params, learner, problem, reporter)
    training.begin()
    try:
        training.loop.run()
    except NanLossError as error:
        raise NanLossError(
            f"The loss became NaN in epoch {training.loop.state.epoch + 1}. "
            f"Try a smaller learning rate than {params.learning_rate:g}."
        ) from error
    training.loop.restore_best()
    return training.finish()


class _Training:
    """One training's parts, wired together."""

    def __init__(
        self, task: TrainTask, params: TrainParams, learner: Learner, problem: Problem, reporter: Reporter
    ) -> None:
        self.task, self.params, self.reporter = task, params, reporter
        self.learner, self.problem = learner, problem
        self.fingerprint = fingerprint(task, params)
        split = problem.training_split()
        self.loop = Loop(
            model=learner.network.full,
            steps=learner.steps,
            batches=Batches(split, min(params.batch_size, len(split.y)), params.seed, problem.augment),
            validation=problem.arrays.validation,
            reporter=reporter,
            state=State(),
            save=self.save,
            epochs=params.epochs,
            most=params.learning_rate,
            patience=max(LEAST_PATIENCE, params.epochs // 4) if params.early_stop else None,
            checkpoint_s=task.checkpoint_s,
            scale=problem.scale,
        )

    def begin(self) -> None:
        """Go on from a checkpoint where there is one that fits, else from another model where one is named."""
        counts = self.problem.arrays.counts()
        self.reporter.log(
            f"Learning from {counts['train']:,} samples, choosing by {counts['validation']:,}, "
            f"{counts['test']:,} put aside for the test. "
            f"The network has {self.learner.network.full.count_params():,} parameters."
        )
        if self.task.resume is not None and self._resume(self.task.resume):
            return
        if self.task.warm_start is not None:
            self.reporter.log(warm_start(self.learner.network.full, self.task.warm_start))

    def _resume(self, path: Path) -> bool:
        found = checkpoints.read(path)
        model, optimizer = self.learner.network.raw.variables, self.learner.steps.variables()
        fits = (
            found is not None
            and found.fingerprint == self.fingerprint
            and checkpoints.fits(found.model, model)
            and checkpoints.fits(found.optimizer, optimizer)
        )
        if found is None or not fits:
            # Better the time lost than a job that can never end.
            self.reporter.log("The checkpoint does not belong to this training or is damaged; starting anew.")
            return False
        for value, variable in zip(found.model + found.optimizer, [*model, *optimizer], strict=True):
            variable.assign(value)
        self.loop.state, self.loop.best = found.state, found.best
        self.reporter.log(f"Going on from step {found.state.step}.")
        return True

    def save(self) -> None:
        """Write a checkpoint of this moment and say so."""
        began, step = time.monotonic(), self.loop.state.step
        path = self.task.out / f"checkpoint-{step}.npz"
        found = checkpoints.Checkpoint(
            self.fingerprint,
            self.loop.state,
            model=[np.asarray(variable) for variable in self.learner.network.raw.variables],
            optimizer=[np.asarray(variable) for variable in self.learner.steps.variables()],
            best=self.loop.best,
        )
        checkpoints.write(path, found)
        checkpoints.keep_latest(self.task.out)
        self.reporter.checkpoint(step, path, time.monotonic() - began)

    def finish(self) -> Summary:
        """Measure on the untouched test split, write the results, and sum them up."""
        arrays = self.problem.arrays
        measured, output = measure(arrays, self.learner.steps, self.reporter)
        report = {
            "format": 1,
            "recipe": self.task.recipe,
            "task": RECIPES[self.task.recipe].task,
            "labels": list(arrays.labels),
            "input": self.problem.input,
            "samples": arrays.counts(),
            **measured,
            "explanations": self.explain(output),
            "history": self.loop.state.history,
            "best_epoch": self.loop.state.best_epoch + 1,
            "params": self.params.model_dump(mode="json"),
            "parameters": int(self.learner.network.full.count_params()),
            "backend": keras.backend.backend(),
            **({"fit": self.problem.fit} if self.problem.fit else {}),
            "libraries": libraries.versions(),
            "code_version": libraries.code_version(),
        }
        write(self.task.out, self.learner.network.full, report, self.reporter)
        test = {name: value for name, value in report["metrics"]["test"].items() if isinstance(value, float)}
        figures = " · ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in test.items())
        kept = f"epoch {report['best_epoch']}" if report["best_epoch"] else "what it had learned so far"
        self.reporter.log(f"Kept {kept}. On the test split: {figures}")
        return summary(report)

    def explain(self, output: Floats) -> list[dict[str, Any]]:
        """Why the network answers as it does; `output` is that for the test split."""
        steps, batches = self.learner.steps, self.loop.batches
        trained = Trained(
            self.learner.network.full, partial(predict, steps), output, batches.size, self.params.seed
        )
        return explanations(trained, self.problem.arrays, self.reporter)


def fingerprint(task: TrainTask, params: TrainParams) -> str:
    """Names a training: the same data, recipe and parameters."""
    value = [task.recipe, task.data_key, params.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
