"""The template tags and filters of `portal.core.templatetags.ui`."""

from datetime import UTC, datetime, timedelta

import pytest
from django import forms
from django.template import Context, Template

from portal.core.templatetags import ui

HOSTILE = '<script>alert("x")</script>'


def render(source: str, **context: object) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (99_950_000, "100 MB"),
        (21.5e9, "21.5 GB"),
        (None, ui.NOTHING),
    ],
)
def test_bytes(count: float | None, text: str) -> None:
    assert ui.bytes_(count) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (1.0, "100.0 %"),
        (0.9999, "99.9 %"),
        (0.9744, "97.4 %"),
        (0.29, "29.0 %"),
        (None, ui.NOTHING),
        (float("nan"), ui.NOTHING),
    ],
)
def test_percent_never_rounds_up(fraction: float | None, text: str) -> None:
    assert ui.percent(fraction) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1797, "1,797"), (0.012345, "0.0123"), (12.345, "12.3"), (0, "0"), ("", ui.NOTHING), (None, ui.NOTHING)],
)
def test_number(value: object, text: str) -> None:
    assert render("{{ value|number }}", value=value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (700, "12 min"),
        (7200, "2 h"),
        (timedelta(hours=1, minutes=35), "1 h 35 min"),
    ],
)
def test_seconds(value: float | timedelta, text: str) -> None:
    assert ui.seconds(value) == text


def test_a_status_is_said_by_icon_and_word() -> None:
    shown = render("{% status_badge 'running' %}")
    assert "Running" in shown
    assert "#millstone" in shown


def test_an_unknown_status_is_escaped() -> None:
    assert "<script" not in render("{% status_badge status %}", status=HOSTILE)


def test_a_moment_is_machine_readable() -> None:
    shown = render("{% ago at %}", at=datetime(2026, 11, 20, 12, tzinfo=UTC))
    assert 'datetime="2026-11-20T12:00:00+00:00"' in shown
    assert render("{% ago at %}", at=None).strip() == ui.NOTHING


class Form(forms.Form):
    name = forms.CharField(help_text="What it is called.")
    note = forms.CharField(required=False)
    kind = forms.ChoiceField(widget=forms.RadioSelect, choices=[("a", HOSTILE)])
    seed = forms.IntegerField(required=False)


Form.base_fields["seed"].advanced = True  # type: ignore[attr-defined]


def test_a_field_ties_label_help_and_errors_together() -> None:
    shown = render("{% field form.name %}", form=Form({}))
    assert '<label for="id_name">' in shown
    assert 'aria-describedby="id_name_helptext id_name_error"' in shown
    assert 'id="id_name_helptext"' in shown
    assert 'id="id_name_error"' in shown
    assert 'aria-invalid="true"' in shown
    assert "This field is required." in shown


def test_optional_fields_say_so() -> None:
    assert "optional" in render("{% field form.note %}", form=Form())
    assert "optional" not in render("{% field form.name %}", form=Form())


def test_hostile_choices_are_escaped() -> None:
    assert "<script" not in render("{% field form.kind %}", form=Form())


def test_advanced_fields_are_apart() -> None:
    assert [bound.name for bound in ui.basic(Form())] == ["name", "note", "kind"]
    assert [bound.name for bound in ui.advanced(Form())] == ["seed"]


def test_classes_keep_the_number_of_their_sorted_label() -> None:
    rows = ui.class_rows({"b": 1, "a": 3})
    assert [(row["key"], row["label"], row["of_largest"]) for row in rows] == [
        ("0", "a", 100.0),
        ("1", "b", 33.33),
    ]
    assert rows[0]["of_all"] == 75.0


def test_splits_fill_the_bar() -> None:
    parts = ui.split_parts({"train": 80, "validation": 10, "test": 10})
    assert [(part["start"], part["width"]) for part in parts] == [(0, 80), (80, 10), (90, 10)]
    assert ui.split_parts(None)[0]["width"] == 0


def test_the_matrix_heats_by_share_of_the_row() -> None:
    rows = ui.matrix_rows([[9, 1], [0, 0]], ["a", "b"])
    assert [cell["css"] for cell in rows[0]["cells"]] == ["heat heat-9", "heat heat-wrong heat-1"]
    assert [cell["css"] for cell in rows[1]["cells"]] == ["zero", "zero"]


def test_a_meter_over_its_limit_still_says_both() -> None:
    shown = render("{% meter 'Storage' used limit 'bytes' %}", used=3e9, limit=2e9)
    assert "3.0 GB of 2.0 GB" in shown


def test_backticks_become_code_and_nothing_else_becomes_markup() -> None:
    shown = render("{{ note|code }}", note="Type `uname -m` & `<b>`: it prints <i>.")
    assert shown == "Type <code>uname -m</code> &amp; <code>&lt;b&gt;</code>: it prints &lt;i&gt;."
