import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import ValidationError

from jobs.engine.recipes.registry import RECIPES, recipe_for_task
from jobs.engine.spec import JobSpec

ROOT = Path(__file__).parents[2]


def places(body: object) -> list[tuple[object, ...]]:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate(body)
    return sorted(error["loc"] for error in caught.value.errors())


def test_params_are_completed_with_the_recipes_defaults() -> None:
    spec = JobSpec.model_validate({"recipe": "table-classifier", "dataset": "d", "params": {"epochs": 3}})
    assert spec.params["epochs"] == 3
    assert {"batch_size", "learning_rate", "early_stop", "seed", "width"} <= set(spec.params)
    assert JobSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_wrong_params_are_named_by_their_place() -> None:
    body = {"recipe": "image-classifier", "dataset": "d", "params": {"epochs": 0, "widht": 3}}
    assert places(body) == [("params", "epochs"), ("params", "widht")]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"recipe": "alchemy"}, ("recipe",)),
        ({"kind": "build"}, ("kind",)),
        ({"resources": {"accelerator": "abacus"}}, ("resources", "accelerator")),
        ({"resources": {"gpus": 1}}, ("resources", "gpus")),
        ({"targets": ["linux-pc", "linux-pc"]}, ("targets",)),
        ({"version": 0}, ("version",)),
        ({"params": {"learning_rate": float("nan")}}, ("params", "learning_rate")),
        ({"surprise": 1}, ("surprise",)),
    ],
)
def test_what_may_not_be_asked_is_refused_at_its_place(
    change: dict[str, object], place: tuple[str, ...]
) -> None:
    assert places({"recipe": "image-classifier", "dataset": "d", **change}) == [place]


def test_every_recipe_has_a_schema_that_a_form_can_be_drawn_from() -> None:
    for recipe in RECIPES.values():
        schema = json.loads(json.dumps(recipe.params_schema()))
        Draft202012Validator.check_schema(schema)
        assert {"epochs", "batch_size", "learning_rate", "early_stop", "seed"} <= set(schema["properties"])
        for field in schema["properties"].values():
            assert field["title"]
            assert field["description"]
            assert "default" in field
        assert Draft202012Validator(schema).is_valid(recipe.params().model_dump(mode="json"))
        assert recipe_for_task(recipe.task) is recipe
        assert "raspberry-pi-4" in recipe.targets


def test_describing_jobs_and_reading_tasks_does_not_load_tensorflow() -> None:
    modules = "jobs.engine.spec, jobs.engine.main, jobs.engine.data"
    code = f"import sys, {modules}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
