"""What the page says of a bundle's files: how they do beside the float model, and what they need."""

from typing import Any

import pytest
from django.template.loader import render_to_string

from jobs.bundles.models import Bundle, TrainedModel
from tests.bundles.test_pages import ready

pytestmark = pytest.mark.django_db
WORSE = {
    "with": "fp32", "metric": "accuracy", "test": "exact McNemar", "samples": 1200, "lost": 40, "gained": 5,
    "drop": 0.0292, "low": 0.0187, "high": 0.0403, "p": 1e-7, "real": True,
}  # fmt: skip
NEEDS = {
    "model_bytes": 76_800, "arena_bytes": 4096, "ram_bytes": 100_663_296, "ram_estimated": True,
    "operators": ["CONV_2D", "<b>ADD</b>"], "note": "",
}  # fmt: skip


def shown(model: TrainedModel, **metrics: Any) -> str:
    bundle: Bundle = ready(model)
    bundle.metrics = {**NEEDS, **metrics}
    return render_to_string("bundles/_bundle.html", {"bundle": bundle})


def test_a_real_drop_is_red_and_says_so(model: TrainedModel) -> None:
    page = shown(model, compared=WORSE, note="What was done about it.")
    assert "note-bad" in page
    assert "A real drop: 2.9 % of the test samples" in page
    assert "Of 1,200 test samples the compressed model gets 40 wrong" in page
    assert "exact McNemar test, p &lt; 0.001" in page
    assert "What was done about it." in page


def test_a_drop_with_its_remedy_shows_both(model: TrainedModel) -> None:
    now = {**WORSE, "lost": 2, "gained": 2, "drop": 0.0, "p": 1.0, "real": False}
    page = shown(
        model, compared=now, remedy={"applied": "wide", "before": WORSE}, note="What was done about it."
    )
    assert page.count("note-bad") == 1
    assert "gets 40 wrong" in page
    assert page.index("What was done about it.") < page.index("With that:") < page.index("gets 2 wrong")


def test_a_remedy_that_did_not_suffice_stays_red(model: TrainedModel) -> None:
    page = shown(model, compared={**WORSE, "lost": 30}, remedy={"applied": "wide", "before": WORSE})
    assert page.count("note-bad") == 2
    nothing = shown(model, compared=WORSE, remedy={"applied": "", "before": WORSE}, note="Nothing helped.")
    assert nothing.count("note-bad") == 1
    assert "Nothing helped." in nothing


def test_a_drop_by_chance_is_said_without_red(model: TrainedModel) -> None:
    page = shown(model, compared={**WORSE, "lost": 9, "gained": 5, "p": 0.424, "real": False})
    assert "note-bad" not in page
    assert "does not stand out from chance" in page
    assert "p = 0.42)" in page


def test_a_number_that_is_worse(model: TrainedModel) -> None:
    numbers = {key: value for key, value in WORSE.items() if key not in {"lost", "gained"}}
    page = shown(model, compared={**numbers, "metric": "r2", "drop": 0.00123, "p": 0.012})
    assert "A real drop: 0.0012 of R²" in page
    assert "paired t-test of squared errors, p = 0.012" in page


def test_a_model_without_data_is_compared_with_nothing(model: TrainedModel) -> None:
    page = shown(model)
    assert "McNemar" not in page
    assert "note-bad" not in page


def test_what_it_needs(model: TrainedModel) -> None:
    page = shown(model)
    assert "CONV_2D, &lt;b&gt;ADD&lt;/b&gt;" in page
    assert "peak memory, estimated" in page
    measured = shown(model, ram_measured_bytes=57_000_000)
    assert "peak memory, measured" in measured
    board = shown(model, flash_bytes=300_000, arena_measured_bytes=3000, ram_estimated=False)
    assert "300 kB" in board
    assert "memory to reserve" in board


def test_a_bundle_to_go_on_with_elsewhere_needs_nothing_of_a_board(model: TrainedModel) -> None:
    page = shown(model, arena_bytes=None, ram_bytes=None, variant="keras")
    assert "What it needs" not in page
    assert "CONV_2D" not in page
