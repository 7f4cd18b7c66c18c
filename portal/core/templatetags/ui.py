"""What templates need beyond Django's own: the components under `templates/components`, and numbers in words.

No tag writes a style attribute, which the content security policy forbids: bars are SVG, heat is classes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, TypeGuard

from django import forms, template
from django.templatetags.static import static
from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from portal.kit.amounts import in_bytes

register = template.Library()

NOTHING = "\N{EN DASH}"
HEAT_STEPS = 9
STATUS_ICONS = {
    "queued": "clock",
    "starting": "starting",
    "running": "millstone",
    "building": "millstone",
    "validating": "millstone",
    "checking": "millstone",
    "receiving": "upload",
    "succeeded": "succeeded",
    "ready": "succeeded",
    "active": "succeeded",
    "failed": "failed",
    "rejected": "failed",
    "refused": "failed",
    "cancelled": "cancelled",
    "draining": "clock",
    "maintenance": "steward",
    "offline": "cancelled",
}
TURNING = frozenset({"starting", "running", "building", "validating", "checking"})
STATUS_WORDS = {
    "queued": gettext_lazy("Queued"),
    "starting": gettext_lazy("Starting"),
    "running": gettext_lazy("Running"),
    "building": gettext_lazy("Building"),
    "validating": gettext_lazy("Checking"),
    "checking": gettext_lazy("Checking"),
    "receiving": gettext_lazy("Receiving"),
    "succeeded": gettext_lazy("Succeeded"),
    "ready": gettext_lazy("Ready"),
    "active": gettext_lazy("Active"),
    "failed": gettext_lazy("Failed"),
    "rejected": gettext_lazy("Rejected"),
    "refused": gettext_lazy("Refused"),
    "cancelled": gettext_lazy("Cancelled"),
    "draining": gettext_lazy("Draining"),
    "maintenance": gettext_lazy("Maintenance"),
    "offline": gettext_lazy("Offline"),
}
TASK_WORDS = {
    "image-classification": gettext_lazy("Image classification"),
    "table-classification": gettext_lazy("Table classification"),
    "table-regression": gettext_lazy("Table regression"),
    "audio-classification": gettext_lazy("Audio classification"),
    "signal-classification": gettext_lazy("Signal classification"),
    "anomaly-detection": gettext_lazy("Anomaly detection"),
    "object-detection": gettext_lazy("Object detection"),
}
KIND_WORDS = {
    "train": pgettext_lazy("kind of job", "Training"),
    "tune": pgettext_lazy("kind of job", "Tuning"),
    "script": pgettext_lazy("kind of job", "Script"),
    "build": pgettext_lazy("kind of job", "Bundle"),
    "evaluate": pgettext_lazy("kind of job", "Evaluation"),
    "import": pgettext_lazy("kind of job", "Brought model"),
}
PHASE_WORDS = {
    "loading": gettext_lazy("Reading the data"),
    "training": gettext_lazy("Training"),
    "evaluating": gettext_lazy("Evaluating"),
    "explaining": gettext_lazy("Explaining"),
    "exporting": gettext_lazy("Writing the model"),
    "packing": gettext_lazy("Packing"),
    "reference": gettext_lazy("Comparing in whole numbers"),
    "rtl": gettext_lazy("Simulating the circuit"),
    "place and route": gettext_lazy("Placing and routing"),
    "pack": gettext_lazy("Packing the bitstream"),
    "netlist": gettext_lazy("The netlist"),
    "contained": gettext_lazy("The bitstream that holds the model"),
    "timing": gettext_lazy("Looking at the timing"),
}
PART_WORDS = {
    "attribution-maps": gettext_lazy("What it looked at"),
    "permutation-importance": gettext_lazy("Which columns matter"),
    "surrogate-rules": gettext_lazy("Rules that answer nearly alike"),
}


class ClassRow(TypedDict):
    """A class of a data set, for its bar: `key` is its number as text, `of_largest` and `of_all` percentages."""

    number: int
    key: str
    label: str
    count: int
    of_largest: float
    of_all: float


class Part(TypedDict):
    """A part of a whole, for a stacked bar; `start` and `width` are percentages."""

    name: str
    count: int
    start: float
    width: float


class Cell(TypedDict):
    """A cell of a confusion matrix; `css` is its step of heat."""

    count: int
    css: str
    label: str


class MatrixRow(TypedDict):
    """What truly was `label`, and how often it was taken for which."""

    label: str
    cells: list[Cell]


# -- Icons, badges, times ------------------------------------------------------------------------------------


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """A picture from the sprite. It is decoration: the words stand beside it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        css,
        static("build/sprite.svg"),
        name,
    )


@register.inclusion_tag("components/badge.html")
def status_badge(status: str) -> dict[str, Any]:
    """A status as icon and word, of a job, version, model, bundle or node."""
    status = str(status)
    return {
        "status": status,
        "word": STATUS_WORDS.get(status, status),
        "icon_name": STATUS_ICONS.get(status, "info"),
        "icon_css": "turning" if status in TURNING else "",
    }


@register.filter
def status_word(status: str) -> str:
    return str(STATUS_WORDS.get(str(status), status))


@register.filter
def task_word(task: str) -> str:
    return str(TASK_WORDS.get(str(task), task))


@register.filter
def kind_word(kind: str) -> str:
    return str(KIND_WORDS.get(str(kind), kind))


@register.filter
def part_word(kind: str) -> str:
    """The heading of a part of a model's explanation."""
    return str(PART_WORDS.get(str(kind), kind))


@register.filter
def phase_word(phase: str) -> str:
    return str(PHASE_WORDS.get(str(phase), phase))


@register.inclusion_tag("components/time.html")
def ago(at: datetime | None, *, empty: str = NOTHING) -> dict[str, Any]:
    """A moment as "3 min ago": the whole date without JavaScript and on hover."""
    return {"at": at, "empty": empty}


@register.inclusion_tag("components/time.html")
def since(at: datetime | None) -> dict[str, Any]:
    """How long ago a moment is, counting up."""
    return {"at": at, "since": True, "empty": ""}


# -- Numbers -------------------------------------------------------------------------------------------------


def _measured(value: object) -> TypeGuard[float]:
    """Whether it is a finite number. A template's missing variable is "", and JSON may hold anything."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@register.filter(name="bytes")
def bytes_(count: object) -> str:
    """1234567 -> "1.2 MB". Decimal units, everywhere the same."""
    return in_bytes(count) if _measured(count) else NOTHING


@register.filter
def percent(fraction: object, digits: int = 1) -> str:
    """0.9744 -> "97.4 %". Rounds down, so that 100 % means all of them."""
    if not _measured(fraction):
        return NOTHING
    scale = 10**digits
    return f"{formats.number_format(math.floor(round(fraction * 100 * scale, 6)) / scale, digits)} %"


@register.filter
def number(value: object, digits: int = 3) -> str:
    """A measure in so many significant digits, never more; whole numbers whole."""
    if not _measured(value):
        return NOTHING
    if float(value).is_integer():
        return formats.number_format(int(value), use_l10n=True, force_grouping=True)
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return formats.number_format(round(value, places), places, force_grouping=True)


@register.filter
def code(text: object) -> SafeString:
    """A sentence whose `words in backticks` are set as code."""
    parts = str(text).split("`")
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in enumerate(parts)),
    )


@register.filter
def seconds(value: object) -> str:
    """200 -> "3 min 20 s": a length of time, rounded as a person would."""
    length = value.total_seconds() if isinstance(value, timedelta) else value
    if not _measured(length):
        return NOTHING
    whole = round(length)
    if whole < 60:  # noqa: PLR2004 - a minute
        return _("{seconds} s").format(seconds=whole)
    if whole < 600:  # noqa: PLR2004 - ten minutes
        text = _("{minutes} min {seconds} s") if whole % 60 else _("{minutes} min")
        return text.format(minutes=whole // 60, seconds=whole % 60)
    minutes = round(whole / 60)
    if minutes < 90:  # noqa: PLR2004 - an hour and a half
        return _("{minutes} min").format(minutes=minutes)
    text = _("{hours} h {minutes} min") if minutes % 60 else _("{hours} h")
    return text.format(hours=minutes // 60, minutes=minutes % 60)


@register.filter
def took(start: datetime | None, end: datetime | None) -> str:
    """How long it was from `start` to `end`."""
    return seconds(end - start) if start and end else NOTHING


@register.filter
def get(mapping: Mapping[str, Any] | None, key: str) -> Any:
    """`mapping[key]` where the key is a variable or no identifier; None without it."""
    return mapping.get(key) if mapping else None


# -- Forms ---------------------------------------------------------------------------------------------------


@register.inclusion_tag("components/field.html")
def field(bound: forms.BoundField, *, optional: bool | None = None) -> dict[str, Any]:
    """A form's field with label, help and errors. `optional` overrides whether it is marked as such."""
    widget = bound.field.widget
    single = isinstance(widget, forms.CheckboxInput)
    return {
        "field": bound,
        "single_check": single,
        "choices_as_cards": isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple),
        "optional": not (bound.field.required or single) if optional is None else optional,
    }


@register.filter
def basic(form: forms.BaseForm) -> list[forms.BoundField]:
    """The visible fields that are always shown: those whose form field has no true attribute `advanced`."""
    return [bound for bound in form.visible_fields() if not getattr(bound.field, "advanced", False)]


@register.filter
def advanced(form: forms.BaseForm) -> list[forms.BoundField]:
    """The visible fields that are folded away at first."""
    return [bound for bound in form.visible_fields() if getattr(bound.field, "advanced", False)]


@register.filter
def any_errors(fields: Iterable[forms.BoundField]) -> bool:
    return any(bound.errors for bound in fields)


@register.inclusion_tag("components/meter.html")
def meter(label: str, used: float, limit: float, unit: str = "") -> dict[str, Any]:
    """How much of a quota is used. `unit` "bytes" writes sizes, anything else follows the number."""
    say = bytes_ if unit == "bytes" else number
    return {
        "label": label,
        "used": used,
        "limit": limit,
        "high": limit * 0.9,
        "used_text": say(used),
        "limit_text": say(limit),
        "unit": "" if unit == "bytes" else unit,
    }


# -- Data ----------------------------------------------------------------------------------------------------


@register.filter
def class_rows(classes: Mapping[str, int] | None) -> list[ClassRow]:
    """The classes of a report with their share, in the order of their label numbers (sorted labels)."""
    if not classes:
        return []
    largest, total = max(classes.values()) or 1, sum(classes.values()) or 1
    return [
        {
            "number": position,
            "key": str(position),
            "label": label,
            "count": classes[label],
            "of_largest": round(100 * classes[label] / largest, 2),
            "of_all": round(100 * classes[label] / total, 1),
        }
        for position, label in enumerate(sorted(classes))
    ]


@register.filter
def split_parts(splits: Mapping[str, int] | None) -> list[Part]:
    """Train, validation and test as parts of one bar."""
    words = {"train": _("training"), "validation": _("validation"), "test": _("test")}
    total = sum((splits or {}).values())
    parts: list[Part] = []
    start = 0.0
    for name, word in words.items():
        count = (splits or {}).get(name, 0)
        width = 100 * count / total if total else 0.0
        parts.append({"name": word, "count": count, "start": round(start, 2), "width": round(width, 2)})
        start += width
    return parts


@register.simple_tag
def matrix_rows(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> list[MatrixRow]:
    """A confusion matrix (rows: truth, columns: answer); each cell's heat is its share of its row."""
    return [
        {"label": label, "cells": _matrix_cells(row, labels, position)}
        for position, (label, row) in enumerate(zip(labels, matrix, strict=False))
    ]


def _matrix_cells(row: Sequence[int], labels: Sequence[str], truth: int) -> list[Cell]:
    total = sum(row) or 1
    return [
        {"count": count, "css": _heat(count / total, right=answer == truth), "label": label}
        for answer, (label, count) in enumerate(zip(labels, row, strict=False))
    ]


def _heat(share: float, *, right: bool) -> str:
    if share <= 0:
        return "zero"
    step = min(HEAT_STEPS, 1 + int(share * HEAT_STEPS))
    return f"heat heat-{step}" if right else f"heat heat-wrong heat-{step}"
