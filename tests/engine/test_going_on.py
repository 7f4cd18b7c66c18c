"""Interrupted, stopped, resumed: what a training is worth when it does not run through."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.conftest import After, Run, Start

pytestmark = pytest.mark.train
PARAMS: dict[str, Any] = {"epochs": 4, "early_stop": False, "dropout": 0.3, "batch_size": 16}


def weights(run: Run) -> list[Any]:
    import keras

    assert run.done["reason"] == "done", run.logs
    return list(keras.models.load_model(run.out / "model.keras", compile=False).get_weights())


def validation_accuracy(run: Run) -> float:
    report = json.loads((run.out / "report.json").read_text())
    return float(report["metrics"]["validation"]["accuracy"])


def last_checkpoint(run: Run, keep: Path) -> Path:
    """The last checkpoint, copied away as the supervisor does."""
    return Path(shutil.copy(run.of("checkpoint")[-1]["path"], keep))


@pytest.mark.parametrize(
    ("recipe", "data"), [("image-classifier", "few_digits"), ("table-regressor", "diabetes")]
)
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    recipe: str, data: str, start: Start, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(data)
    whole = start(recipe, folder, PARAMS)
    steps_an_epoch = whole.of("metric")[0]["step"]
    resume: dict[str, Path] = {}
    taken = 0
    # In the middle of an epoch, then at the very end of one, then straight after.
    for looks in (steps_an_epoch + 3, steps_an_epoch - 3, 1):
        part = start(recipe, folder, PARAMS, After("checkpoint", 2 * looks - 1), **resume)
        assert part.done["reason"] == "interrupted", part.done
        assert part.events[-2]["type"] == "checkpoint", "the checkpoint comes before the end"
        resume = {"resume": last_checkpoint(part, tmp_path / "kept.npz")}
        assert part.events[-2]["step"] > taken
        taken = part.events[-2]["step"]
    rest = start(recipe, folder, PARAMS, **resume)
    assert f"Going on from step {taken}." in rest.logs
    assert all(np.array_equal(a, b) for a, b in zip(weights(whole), weights(rest), strict=True))
    assert rest.of("metric")[-1]["values"] == whole.of("metric")[-1]["values"]
    assert (rest.out / "report.json").read_text() == (whole.out / "report.json").read_text()


def test_interrupted_while_evaluating_only_evaluates_again(iris: Path, start: Start, tmp_path: Path) -> None:
    class WhenTrained:
        def __init__(self) -> None:
            self.run: list[Any] = []

        @property
        def command(self) -> str:
            return "checkpoint" if any(tmp_path.glob("out1/checkpoint-*.npz")) else ""

    first = start("table-classifier", iris, {"epochs": 3, "early_stop": False}, WhenTrained())
    assert first.done["reason"] == "interrupted"
    second = start(
        "table-classifier",
        iris,
        {"epochs": 3, "early_stop": False},
        resume=last_checkpoint(first, tmp_path / "kept.npz"),
    )
    assert second.done["reason"] == "done"
    assert second.of("metric") == []
    assert second.done["summary"]["epochs"] == 3


def test_stop_keeps_the_best_so_far(few_digits: Path, start: Start) -> None:
    run = start("image-classifier", few_digits, {"epochs": 500}, After("stop", 150))
    assert run.done["reason"] == "done"
    assert 1 <= len(run.of("metric")) < 20
    assert (run.out / "model.keras").is_file()
    best = max(event["values"]["val_accuracy"] for event in run.of("metric"))
    assert validation_accuracy(run) == best


def test_a_resumed_training_remembers_the_best_of_before(
    few_digits: Path, start: Start, tmp_path: Path
) -> None:
    params = {"epochs": 200, "early_stop": False}
    first = start("image-classifier", few_digits, params, After("checkpoint", 144))
    best = max(event["values"]["val_accuracy"] for event in first.of("metric"))
    resume = last_checkpoint(first, tmp_path / "kept.npz")
    second = start("image-classifier", few_digits, params, After("stop", 0), resume=resume)
    assert second.of("metric") == []
    assert validation_accuracy(second) == best


def test_stop_at_once_still_gives_a_model(iris: Path, start: Start) -> None:
    run = start("table-classifier", iris, {}, After("stop", 0))
    assert run.done["reason"] == "done"
    assert run.done["summary"]["epochs"] == 0
    assert (run.out / "model.keras").is_file()


def test_checkpoints_come_by_time_and_only_the_latest_stay(iris: Path, start: Start) -> None:
    run = start("table-classifier", iris, {"epochs": 3, "early_stop": False}, checkpoint_s=0.0)
    steps = [event["step"] for event in run.of("checkpoint")]
    assert len(set(steps)) == run.of("metric")[-1]["step"], "one after every step"
    assert len(list(run.out.glob("checkpoint-*.npz"))) == 2
    quiet = start("table-classifier", iris, {"epochs": 3, "early_stop": False}, checkpoint_s=3600)
    assert len(quiet.of("checkpoint")) == 1, "the one at the end of training"


@pytest.mark.parametrize("damage", ["cut short", "empty", "other parameters"])
def test_a_checkpoint_that_cannot_be_used_costs_time_but_not_the_job(
    iris: Path, start: Start, tmp_path: Path, damage: str
) -> None:
    first = start("table-classifier", iris, {"epochs": 1 if damage == "other parameters" else 2})
    kept = last_checkpoint(first, tmp_path / "kept.npz")
    if damage == "cut short":
        kept.write_bytes(kept.read_bytes()[:-200])
    elif damage == "empty":
        kept.write_bytes(b"")
    run = start("table-classifier", iris, {"epochs": 2}, resume=kept)
    assert run.done["reason"] == "done"
    assert "starting anew" in run.logs
    assert len(run.of("metric")) == 2
