"""Training and the build of what was trained, as one task of the engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.targets.registry import TARGETS
from jobs.engine.events import Control, Event, Wish
from jobs.engine.main import TRAINED, run
from tests.engine.conftest import KEY, Run

pytestmark = pytest.mark.train
PI, ULX3S = "raspberry-pi-4", "ulx3s-12f"
Both = Callable[..., Run]


@pytest.fixture
def both(few_digits: Path, tmp_path: Path) -> Both:
    """Run such a task in this process; `left` is the model that the build looks for."""

    def begin(
        target: str, *, control: Control | None = None, width: int = 4, left: str = "model.keras"
    ) -> Run:
        out = tmp_path / "out"
        shared = {"data": str(few_digits), "data_key": KEY, "cache": str(tmp_path / "cache"), "out": str(out)}
        train = {
            "kind": "train",
            "recipe": "image-classifier",
            "params": {"epochs": 1, "width": width},
            **shared,
        }
        build = {
            "kind": "build",
            "target": TARGETS[target].as_json(),
            "model": str(out / left),
            "report": str(out / "report.json"),
            **shared,
        }
        events: list[Event] = []
        task = {"kind": "train-and-build", "train": train, "build": build}
        run(task, events.append, control or Wish())
        return Run(events, out)

    return begin


def test_it_leaves_what_both_leave_and_goes_forward_all_the_time(both: Both) -> None:
    found = both(PI)
    assert found.done["reason"] == "done", found.logs
    assert found.done["message"] == TRAINED
    summary = found.done["summary"]
    assert summary["build"]["metrics"]["samples"] > 0
    assert summary["metrics"]["accuracy"] == pytest.approx(
        summary["build"]["metrics"]["float_accuracy"], abs=0.05
    )
    named = {event["name"] for event in found.of("artefact")}
    assert named == {"model.keras", "report.json", "bundle"}
    assert (found.out / "bundle" / "manifest.json").is_file()
    fractions = [event["fraction"] for event in found.of("progress")]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.5, "the build's part, of which not every step is told"
    assert len(found.of("started")) == 1


def test_a_build_that_is_refused_leaves_the_model(both: Both) -> None:
    """The engine of the board has no room for so wide a net, and nobody had looked before it was trained."""
    found = both(ULX3S, width=64)
    assert found.done["reason"] == "done", found.logs
    assert "this engine has" in found.done["summary"]["build"]["refused"]
    assert "metrics" not in found.done["summary"]["build"]
    assert {event["name"] for event in found.of("artefact")} >= {"model.keras", "report.json"}
    assert not (found.out / "bundle").exists()


def test_a_build_that_breaks_leaves_the_model_and_says_where(both: Both) -> None:
    found = both(PI, left="nowhere.keras")
    assert found.done["reason"] == "done"
    assert "failed unexpectedly" in found.done["summary"]["build"]["refused"]
    assert "Traceback" in found.logs


class OnceTrained:
    """Asks to leave as soon as the training's report is there."""

    def __init__(self, out: Path) -> None:
        self._report = out / "report.json"

    @property
    def command(self) -> str:
        return "checkpoint" if self._report.exists() else ""


def test_who_has_to_leave_while_it_builds_leaves(both: Both, tmp_path: Path) -> None:
    """It goes on from the training's last checkpoint, and is not taken for done."""
    found = both(PI, control=OnceTrained(tmp_path / "out"))
    assert found.done["reason"] == "interrupted"
    assert {event["name"] for event in found.of("artefact")} >= {"model.keras", "report.json"}
