"""The forms of the dataset pages. What their values may be is for the services to say, in the API's own
words.
"""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from jobs.datasets.models import Task, Visibility
from jobs.datasets.services import DESCRIPTION_CHARACTERS, NAME_CHARACTERS
from jobs.datasets.versions import COLUMN_CHARACTERS
from portal.kit.errors import UserError
from portal.members.models import Member

_LABEL_HELP = _("The column that is to be foretold. Left empty: the last one.")


class UploadForm(forms.Form):
    """What all uploads ask for."""

    file = forms.FileField(label=_("File"), allow_empty_file=True)
    label_column = forms.CharField(
        label=_("Label column"),
        required=False,
        max_length=COLUMN_CHARACTERS,
        help_text=_LABEL_HELP,
        widget=forms.TextInput(attrs={"list": "label-columns", "autocomplete": "off"}),
    )

    def show(self, error: UserError) -> None:
        """Put the error beside the fields it is about, else above the form."""
        for one in error.errors:
            self.add_error(one.field if one.field in self.fields else None, one.detail)
        if not error.errors:
            self.add_error(None, error.detail)


class NewVersionForm(UploadForm):
    """Another file for a dataset."""

    def __init__(self, task: str, label_column: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if task == Task.IMAGE_CLASSIFICATION:
            del self.fields["label_column"]
        else:
            self.fields["label_column"].initial = label_column


class NewDatasetForm(UploadForm):
    """A new dataset and its first file."""

    name = forms.CharField(label=_("Name"), max_length=NAME_CHARACTERS)
    task = forms.ChoiceField(
        label=_("What a model is to do with it"), choices=Task.choices, widget=forms.RadioSelect
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=DESCRIPTION_CHARACTERS,
        widget=forms.Textarea({"rows": 3}),
    )
    visibility = forms.ChoiceField(
        label=_("Who may use it"), choices=Visibility.choices, initial=Visibility.PRIVATE, required=False
    )
    team = forms.ChoiceField(label=_("Team"), required=False)

    def __init__(self, member: Member, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = list(member.teams.order_by("name").values_list("name", flat=True))
        if names:
            self.fields["team"].choices = [("", ""), *((name, name) for name in names)]  # type: ignore[attr-defined]
        else:
            del self.fields["team"]
            self.fields["visibility"].choices = [  # type: ignore[attr-defined]
                choice for choice in Visibility.choices if choice[0] != Visibility.TEAM
            ]
