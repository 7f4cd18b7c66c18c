"""Real trainings on small real data."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jobs.bundles import explanations
from jobs.engine.data import load
from tests.engine.conftest import KEY, Start

pytestmark = pytest.mark.train
ROOT = Path(__file__).parents[2]


def report_of(out: Path) -> dict[str, Any]:
    found = json.loads((out / "report.json").read_text())
    assert isinstance(found, dict)
    return found


def test_digits_reach_97_percent_with_default_parameters(digits: Path, start: Start, tmp_path: Path) -> None:
    import keras

    run = start("image-classifier", digits, {})
    assert run.done["reason"] == "done", run.logs
    report = report_of(run.out)
    test = report["metrics"]["test"]
    assert test["accuracy"] >= 0.97
    assert run.done["summary"]["metrics"]["accuracy"] == test["accuracy"]
    assert report["input"] == {"kind": "image", "height": 8, "width": 8, "channels": 1, "range": [0, 255]}
    assert report["labels"] == [str(label) for label in range(10)]
    # The saved model, loaded without our code and asked again, is the one that was measured.
    arrays = load(digits, tmp_path / "cache", KEY, size=(8, 8), channels=1)
    model = keras.models.load_model(run.out / "model.keras", compile=False)
    output = model.predict(np.asarray(arrays.test.x, dtype=np.float32), verbose=0)
    assert float((output.argmax(axis=1) == arrays.test.y).mean()) == test["accuracy"]
    assert np.allclose(output.sum(axis=1), 1, atol=1e-5)
    wrong = [row["name"] for row in report["mistakes"]]
    assert len(wrong) == round((1 - test["accuracy"]) * len(arrays.test.y))
    assert set(wrong) <= set(arrays.names("test"))
    mistakes, maps = report["explanations"]
    assert explanations.plain(explanations.read(report["explanations"])) == report["explanations"]
    assert sum(row["mistakes"] for row in mistakes["classes"]) == len(wrong)
    assert maps["deletion"]["convincing"], maps["deletion"]
    assert maps["deletion"]["score"] > maps["deletion"]["random"] + 0.1
    assert {row["name"] for row in maps["examples"] if not row["right"]} == set(wrong)
    assert {row["label"] for row in maps["examples"] if row["right"]} == set(report["labels"])
    assert Image.open(io.BytesIO(base64.b64decode(maps["examples"][0]["picture"]))).size == (16, 8)


def test_events_tell_how_a_training_goes(few_digits: Path, start: Start) -> None:
    run = start("image-classifier", few_digits, {"epochs": 3, "early_stop": False})
    assert run.events[0] == {"type": "started"}
    fractions = [event["fraction"] for event in run.of("progress")]
    assert fractions == sorted(fractions)
    assert {"training", "evaluating", "explaining", "exporting"} <= {
        event["phase"] for event in run.of("progress")
    }
    metrics = run.of("metric")
    assert [event["epoch"] for event in metrics] == [1, 2, 3]
    assert all(set(event["values"]) == {"loss", "accuracy", "val_loss", "val_accuracy"} for event in metrics)
    assert metrics[-1]["values"]["loss"] < metrics[0]["values"]["loss"]
    assert {event["name"] for event in run.of("artefact")} == {"model.keras", "report.json"}
    assert all(Path(event["path"]).is_file() for event in run.of("artefact"))
    assert report_of(run.out)["input"]["channels"] == 3


def test_classes_of_a_table(iris: Path, start: Start) -> None:
    run = start("table-classifier", iris, {})
    assert run.done["summary"]["metrics"]["accuracy"] >= 0.9
    report = report_of(run.out)
    assert len(report["metrics"]["test"]["confusion_matrix"]) == 3
    mistakes, importance, rules = report["explanations"]
    assert explanations.plain(explanations.read(report["explanations"])) == report["explanations"]
    assert (mistakes["kind"], importance["undisturbed"]) == (
        "confident-mistakes",
        report["metrics"]["test"]["accuracy"],
    )
    assert {row["name"] for row in importance["columns"][:2]} == {"c2", "c3"}, "the petals tell irises apart"
    assert rules["fidelity"] >= 0.9 > rules["without_rules"]


def test_numbers_of_a_table_come_in_their_own_unit(diabetes: Path, start: Start) -> None:
    run = start("table-regressor", diabetes, {})
    test = report_of(run.out)["metrics"]["test"]
    assert test["r2"] >= 0.3
    assert 30 < test["mae"] < 60
    assert {"loss", "val_loss", "val_mae", "val_rmse"} == set(run.of("metric")[0]["values"])
    importance, rules = found = report_of(run.out)["explanations"]
    assert explanations.plain(explanations.read(found)) == found
    assert importance["undisturbed"] == pytest.approx(test["rmse"])
    # Body mass index and the triglycerides' logarithm lead in the linear model of Efron et al. 2004 as well.
    assert {row["name"] for row in importance["columns"][:3]} >= {"c2", "c8"}
    assert (rules["kind"], rules["measure"]) == ("surrogate-rules", "r2")
    assert 0.3 < rules["fidelity"] < 1


def test_early_stop_ends_before_the_last_epoch(iris: Path, start: Start) -> None:
    params = {"epochs": 200, "learning_rate": 0.02}
    assert len(start("table-classifier", iris, params).of("metric")) < 200
    assert (
        len(start("table-classifier", iris, {**params, "epochs": 30, "early_stop": False}).of("metric")) == 30
    )


def test_the_same_seed_gives_the_same_model_and_another_does_not(few_digits: Path, start: Start) -> None:
    def losses(seed: int) -> list[float]:
        run = start("image-classifier", few_digits, {"epochs": 2, "seed": seed})
        return [event["values"]["val_loss"] for event in run.of("metric")]

    assert losses(5) == losses(5)
    assert losses(5) != losses(6)


def test_a_warm_start_begins_where_the_other_model_ended(few_digits: Path, start: Start) -> None:
    first = start("image-classifier", few_digits, {"epochs": 12})
    cold = start("image-classifier", few_digits, {"epochs": 1})
    warm = start("image-classifier", few_digits, {"epochs": 1}, warm_start=first.out / "model.keras")
    assert "layers fitted" in warm.logs
    assert warm.of("metric")[0]["values"]["loss"] < cold.of("metric")[0]["values"]["loss"] * 0.75


def test_a_warm_start_from_what_does_not_fit_is_refused_in_words(
    few_digits: Path, iris: Path, start: Start, tmp_path: Path
) -> None:
    table = start("table-classifier", iris, {"epochs": 1})
    run = start("image-classifier", few_digits, {"epochs": 1}, warm_start=table.out / "model.keras")
    assert (run.done["reason"], "Nothing of the model" in run.done["message"]) == ("bad_data", True)
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"PK nothing")
    run = start("image-classifier", few_digits, {"epochs": 1}, warm_start=broken)
    assert (run.done["reason"], "cannot be read" in run.done["message"]) == ("bad_data", True)


def test_a_task_runs_from_the_shell(iris: Path, tmp_path: Path) -> None:
    task = {
        "kind": "train",
        "recipe": "table-classifier",
        "params": {"epochs": 2},
        "data": str(iris),
        "data_key": KEY,
        "cache": str(tmp_path / "cache"),
        "out": str(tmp_path / "out"),
        "threads": 1,
    }
    (tmp_path / "task.json").write_text(json.dumps(task))
    argv = [sys.executable, "-m", "jobs.engine", "--task", str(tmp_path / "task.json")]
    found = subprocess.run(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    events = [json.loads(line) for line in found.stdout.splitlines()]
    assert (events[0]["type"], events[-1]["type"], events[-1]["reason"]) == ("started", "done", "done")
