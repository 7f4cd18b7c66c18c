"""Maintenance as stewards plan it."""

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from hardware.nodes.models import MaintenanceWindow

if TYPE_CHECKING:  # Django's own class takes no type argument
    WindowModelForm = forms.ModelForm[MaintenanceWindow]
else:
    WindowModelForm = forms.ModelForm


def _moment() -> forms.DateTimeInput:
    return forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})


class WindowForm(WindowModelForm):
    """When a node is worked on, and why. Times are UTC, as on every page."""

    class Meta:
        model = MaintenanceWindow
        fields = ["starts_at", "ends_at", "drain_before_min", "reason"]
        widgets = {"starts_at": _moment(), "ends_at": _moment()}
        labels = {
            "starts_at": _("From (UTC)"),
            "ends_at": _("To (UTC)"),
            "drain_before_min": _("Minutes before, in which nothing new starts"),
            "reason": _("Because"),
        }
