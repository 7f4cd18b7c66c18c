"""The form in which a model is brought, on the page and in the API. What its values may be is for `bringing` to say."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django import forms
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.bundles.bringing import NAME_CHARACTERS, SAMPLE_RATES, Offer, bring_model
from jobs.bundles.models import TrainedModel
from jobs.datasets.models import Version
from jobs.engine.spec import PixelRange
from portal.kit.errors import FieldError, UserError
from portal.members.models import Member

DIGITS = 9  # of the longest number in a form
PIXELS = [
    (PixelRange.BYTES, gettext_lazy("0 to 255: the model scales them itself")),
    (PixelRange.UNIT, gettext_lazy("0 to 1")),
    (PixelRange.SIGNED, gettext_lazy("−1 to 1")),
]


def take_model(*, owner: Member, file: object, offer: Offer, idempotency_key: str = "") -> TrainedModel:
    """A model from a file that came with a form. UserError when there was none."""
    if not isinstance(file, TemporaryUploadedFile):
        detail = _("Choose the file to upload, and send it in the form field “file”.")
        raise UserError("invalid", detail, errors=[FieldError("file", detail)])
    return bring_model(
        owner=owner,
        file=Path(file.temporary_file_path()),
        size=file.size or 0,
        filename=file.name or "",
        offer=offer,
        idempotency_key=idempotency_key,
    )


def labels_in(text: str) -> Any:
    """The JSON in a form's field; None when it was left empty. UserError when it is none."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        detail = _("Labels are a JSON list of texts, in the order of the model's outputs.")
        raise UserError("invalid", detail, errors=[FieldError("labels", detail)]) from None


def number_in(text: str, field: str) -> int | None:
    """The whole number in a form's `field`; None when it was left empty. UserError when it is none."""
    plain = text.strip()
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit() and len(plain) <= DIGITS):
        detail = _("“%(field)s” is a whole number.") % {"field": field}
        raise UserError("invalid", detail, errors=[FieldError(field, detail)])
    return int(plain)


class BringForm(forms.Form):
    """What the page asks for: labels are lines here."""

    file = forms.FileField(label=gettext_lazy("File"), allow_empty_file=True)
    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=NAME_CHARACTERS,
        help_text=gettext_lazy("Left empty: the file's."),
    )
    dataset = forms.ChoiceField(
        label=gettext_lazy("Dataset"),
        required=False,
        help_text=gettext_lazy(
            "Data of the kind that the model was made for: it is measured by the test samples, and int8 is calibrated "
            "with the others. Without one, bundles are fp32 only and nobody knows how good they are."
        ),
    )
    labels = forms.CharField(
        label=gettext_lazy("Labels"),
        required=False,
        widget=forms.Textarea({"rows": 5}),
        help_text=gettext_lazy(
            "One a line, in the order of the model's outputs. Keras's own loaders take folders in alphabetical order. "
            "Left empty: the dataset's classes; without a dataset, the model foretells a number."
        ),
    )
    pixels = forms.ChoiceField(
        label=gettext_lazy("The model wants pixels as"),
        required=False,
        choices=PIXELS,
        initial=PixelRange.BYTES,
        help_text=gettext_lazy("For tables and sounds it does not matter."),
    )
    sample_rate = forms.IntegerField(
        label=gettext_lazy("Sample rate of its sounds"),
        required=False,
        min_value=SAMPLE_RATES[0],
        max_value=SAMPLE_RATES[1],
        help_text=gettext_lazy(
            "In Hz, such as 16000: for models whose input is a row of sound samples, mono, −1 to 1. They come without "
            "a dataset. Left empty for all others."
        ),
    )

    def __init__(self, versions: Sequence[Version], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.versions = versions
        chosen = [(version.dataset_id, f"{version.dataset.name} · v{version.number}") for version in versions]
        self.fields["dataset"].choices = [("", _("none")), *chosen]  # type: ignore[attr-defined]

    def suggest(self, dataset: str) -> None:
        """Fill in that dataset, and its classes as Keras's own loaders order them."""
        version = next((one for one in self.versions if one.dataset_id == dataset), None)
        if version is not None:
            classes = version.report.get("classes")
            labels = "\n".join(sorted(classes)) if isinstance(classes, dict) else ""
            self.initial = {**self.initial, "dataset": dataset, "labels": labels}

    def offer(self) -> Offer:
        """What was filled in."""
        given = self.cleaned_data
        lines = [line.strip() for line in given["labels"].splitlines() if line.strip()]
        return Offer(
            labels=lines if lines or not given["dataset"] else None,
            dataset=given["dataset"],
            pixels=given["pixels"],
            sample_rate=given["sample_rate"],
            name=given["name"],
        )

    def show(self, error: UserError) -> None:
        """Put the error beside the fields it is about, else above the form."""
        for one in error.errors:
            self.add_error(one.field if one.field in self.fields else None, one.detail)
        if not error.errors:
            self.add_error(None, error.detail)
