"""The part of the job form that is drawn from a recipe's parameters."""

from django import forms
from django.http import QueryDict

from jobs.engine.recipes.registry import RECIPES
from jobs.queue.forms import ParamsForm


def test_a_choice_is_a_select_with_words() -> None:
    form = ParamsForm(RECIPES["image-classifier"])
    network = form.fields["network"]
    assert isinstance(network, forms.ChoiceField)
    assert network.choices == [
        ("residual", "Residual"),
        ("separable", "Separable"),
        ("plain", "Plain"),
    ]
    assert (network.label, network.initial) == ("Network", "residual")
    assert "<select" in str(form["network"])


def test_what_is_chosen_becomes_a_parameter() -> None:
    form = ParamsForm(RECIPES["image-classifier"], QueryDict("params-network=separable&params-shape=kept"))
    assert form.is_valid()
    assert form.params() | {"network": "separable", "shape": "kept"} == form.params()
    assert not ParamsForm(RECIPES["image-classifier"], QueryDict("params-network=else")).is_valid()
