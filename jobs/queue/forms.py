"""The form of a new job. A recipe's part is drawn from its JSON Schema, the one that the API publishes too."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from hardware.nodes.models import AcceleratorKind
from jobs.engine.recipes.recipe import Recipe
from jobs.engine.spec import SubmittedKind
from jobs.queue.capacity import has_place
from jobs.queue.kinds import KINDS

FIRST = frozenset({"epochs", "batch_size", "learning_rate", "early_stop", "image_size"})
"""Parameters shown at once; the others are folded away."""


def _places() -> list[tuple[str, Any]]:
    """The accelerator classes that a training can use; those that it has to ask for, where some node has them."""
    train = KINDS[SubmittedKind.TRAIN]
    able = train.runs_on | {place for place in train.on_request if has_place(place)}
    words = {AcceleratorKind.FPGA: _("FPGA tools: trained, built and proved in one job")}
    return [
        ("any", _("whatever is free first")),
        *(
            (name, words.get(AcceleratorKind(name), word))
            for name, word in AcceleratorKind.choices
            if name in able
        ),
    ]


class JobForm(forms.Form):
    """What a job is trained on, where it runs and what it is for."""

    dataset = forms.CharField(label=_("Dataset"), error_messages={"required": _("Choose a dataset.")})
    recipe = forms.CharField(label=_("Recipe"), error_messages={"required": _("Choose a recipe.")})
    name = forms.CharField(
        label=_("Name"), required=False, max_length=120, help_text=_("So that you find it again.")
    )
    targets = forms.MultipleChoiceField(label=_("Targets"), required=False)
    fit = forms.BooleanField(
        label=_("Make it fit"),
        required=False,
        help_text=_(
            "If a board can't hold the model, the largest that all of them hold is trained instead: narrower, less "
            "deep, or with smaller pictures."
        ),
    )
    accelerator = forms.ChoiceField(
        label=_("Runs on"),
        required=False,
        choices=_places,
        initial="any",
    )
    count = forms.IntegerField(
        label=_("How many at once"),
        required=False,
        min_value=1,
        max_value=64,
        initial=1,
        help_text=_("Alike accelerators on one node. The job starts when so many are free together."),
    )
    memory_mb = forms.IntegerField(
        label=_("Memory limit (MB)"),
        required=False,
        min_value=256,
        help_text=_("The job ends if it takes more."),
    )
    max_minutes = forms.IntegerField(
        label=_("Time limit (minutes)"),
        required=False,
        min_value=1,
        help_text=_("The job ends after so long."),
    )

    def __init__(self, *args: Any, targets: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["targets"].choices = targets  # type: ignore[attr-defined]

    def resources(self) -> dict[str, Any]:
        """The part of the spec that says where the job may run."""
        asked = {name: self.cleaned_data.get(name) for name in ("memory_mb", "max_minutes")}
        plain = {"accelerator": "any", "count": 1}
        return {name: self.cleaned_data.get(name) or value for name, value in plain.items()} | asked


class ParamsForm(forms.Form):
    """A recipe's parameters. Bounds are checked by the recipe's own model, so that there is one definition."""

    prefix = "params"

    def __init__(self, recipe: Recipe, data: QueryDict | None = None) -> None:
        super().__init__(data)
        schema = recipe.params_schema()
        for name, item in schema["properties"].items():
            field = _field(_resolved(item, schema))
            field.advanced = name not in FIRST  # type: ignore[attr-defined]
            self.fields[name] = field

    def params(self) -> dict[str, Any]:
        """What was filled in; empty fields are left to the recipe's defaults."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}


def _resolved(item: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A property with its `$ref` and its "or null" taken apart: `null` says whether it may be left empty."""
    merged = dict(item)
    options = [option for option in item.get("anyOf", []) if option.get("type") != "null"]
    if len(options) == 1:
        merged = {**options[0], **{k: v for k, v in item.items() if k != "anyOf"}, "null": True}
    if reference := merged.get("$ref"):
        merged = {**schema["$defs"][reference.rsplit("/", 1)[-1]], **merged}
    return merged


def _field(item: dict[str, Any]) -> forms.Field:
    kind = item.get("type")
    common: dict[str, Any] = {
        "label": item.get("title", ""),
        "help_text": item.get("description", ""),
        "initial": item.get("default"),
        "required": False,
    }
    if "enum" in item:
        return forms.ChoiceField(
            choices=[(value, str(value).capitalize()) for value in item["enum"]], **common
        )
    if kind == "boolean":
        return forms.BooleanField(**common)
    if kind == "integer":
        return forms.IntegerField(widget=_number(item, step="1"), **common)
    if kind == "number":
        return forms.FloatField(widget=_number(item, step="any"), **common)
    return forms.CharField(**common)


def _number(item: dict[str, Any], *, step: str) -> forms.NumberInput:
    bounds = {"min": item.get("minimum"), "max": item.get("maximum"), "step": step}
    return forms.NumberInput({name: value for name, value in bounds.items() if value is not None})
