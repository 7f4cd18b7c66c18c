"""The training loop: steps, metrics, checkpoints, early stop. Knows no recipe and no backend."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from jobs.engine import evaluate
from jobs.engine.data import Split
from jobs.engine.ends import InterruptedByRequestError, NanLossError
from jobs.engine.events import Reporter
from jobs.engine.training.batches import Batches
from jobs.engine.training.checkpoints import Weights
from jobs.engine.training.pace import Pace
from jobs.engine.training.rates import rate
from jobs.engine.training.state import State
from jobs.engine.training.steps import Floats, Steps

LOOK_EVERY = 16
PREDICT_BATCH = 256


@dataclass
class Loop:
    """One training under way.

    `most` is the largest learning rate. `save` writes a checkpoint and says so; `best` holds the weights of the best
    epoch. `scale` turns validation errors of a regression into those of the scaled target that the loss is computed
    on. Ends by returning (finished, stopped early, or stopped on request), by InterruptedByRequestError after a
    checkpoint, or by NanLossError.
    """

    model: keras.Model
    steps: Steps
    batches: Batches
    validation: Split
    reporter: Reporter
    state: State
    save: Callable[[], None]
    epochs: int
    most: float
    patience: int | None
    checkpoint_s: float
    scale: float = 1.0
    best: Weights = field(default_factory=list)
    clock: Callable[[], float] = time.monotonic
    _taken: list[Any] = field(default_factory=list)
    _saved_at: float = 0.0
    _pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        self._pace = Pace(self.clock)

    def run(self) -> None:
        """Train from where the state stands to the end."""
        self._saved_at = self.clock()
        while not self._over():
            if self._epoch():
                self._end_epoch()
            if self.reporter.must_stop:
                break
        self.state.finished = True
        self._checkpoint()

    def restore_best(self) -> None:
        """Put the best epoch's weights into the model; without a finished epoch the last ones stay."""
        if self.best:
            self.model.set_weights(self.best)

    def _over(self) -> bool:
        state = self.state
        tired = self.patience is not None and state.stale >= self.patience
        return state.finished or state.epoch >= self.epochs or tired

    def _epoch(self) -> bool:
        """Take the epoch's remaining steps; whether it was completed. Checks between steps what is wanted."""
        state = self.state
        for batch in self.batches.from_position(state.epoch, state.position):
            self._taken.append(self.steps.train(batch, self._rate()))
            state.step += 1
            state.position += 1
            self._after_step()
            if self.reporter.must_stop:
                break
        self._drain()
        return state.position == self.batches.steps

    def _rate(self) -> float:
        return rate(self.state.step, steps=self.epochs * self.batches.steps, most=self.most)

    def _after_step(self) -> None:
        state, steps = self.state, self.batches.steps
        if len(self._taken) >= LOOK_EVERY:
            self._drain()
        total = self.epochs * steps
        position = {"step": state.step, "steps": total, "epoch": state.epoch + 1, "epochs": self.epochs}
        pace = self._pace.steps_per_s
        speed = {} if pace is None else {"steps_per_s": pace}
        self.reporter.progress("training", state.step / total, **position, **speed)
        if self.reporter.must_leave:
            self._checkpoint()
            raise InterruptedByRequestError
        if self.clock() - self._saved_at >= self.checkpoint_s:
            self._checkpoint()

    def _drain(self) -> None:
        """Wait for the steps taken and count them; a loss that is no number ends the training."""
        outcomes = self.steps.outcomes(self._taken)
        self._taken.clear()
        if outcomes:
            self._pace.count(len(outcomes))
        self.state.count(outcomes)
        if any(not math.isfinite(loss) for loss, _ in outcomes):
            raise NanLossError

    def _end_epoch(self) -> None:
        state, steps = self.state, self.batches.steps
        values = {"loss": state.loss_sum / steps}
        if self.batches.split.y.dtype == np.int64:
            values["accuracy"] = state.right_sum / steps
        values |= self._validate()
        if not math.isfinite(values["val_loss"]):
            raise NanLossError
        # More right answers are better; among equals the smaller loss.
        if state.judge([values.get("val_accuracy", 0.0), -values["val_loss"]], values["val_loss"]):
            self.best = [np.array(weight) for weight in self.model.get_weights()]
        state.history.append({"epoch": float(state.epoch + 1), **values})
        self.reporter.metric(state.step, state.epoch + 1, values)
        figures = " · ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in values.items())
        self.reporter.log(f"Epoch {state.epoch + 1} of {self.epochs} · {figures}")
        state.next_epoch()
        if not self._over() and self.clock() - self._saved_at >= self.checkpoint_s / 2:
            self._checkpoint()

    def _validate(self) -> dict[str, float]:
        output, y = predict(self.steps, self.validation.x), self.validation.y
        if y.dtype == np.int64:
            accuracy = float((output.argmax(axis=1) == y).mean())
            return {"val_loss": evaluate.cross_entropy(output, y), "val_accuracy": accuracy}
        found = evaluate.regression(output, y)
        return {
            "val_loss": (found["rmse"] / self.scale) ** 2,
            "val_mae": found["mae"],
            "val_rmse": found["rmse"],
        }

    def _checkpoint(self) -> None:
        self._drain()
        self.save()
        self._saved_at = self.clock()


def predict(steps: Steps, x: NDArray[Any], after: Callable[[float], None] = lambda _: None) -> Floats:
    """The model's output for all of `x`, in batches; `after` gets the share that is done."""
    found = []
    for start in range(0, len(x), PREDICT_BATCH):
        found.append(steps.predict(np.asarray(x[start : start + PREDICT_BATCH])))
        after(min((start + PREDICT_BATCH) / len(x), 1.0))
    return np.concatenate(found)
