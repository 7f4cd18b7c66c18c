"""What a steward may try in the browser: the settings that are asked for most, and any other by its name."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from jobs.queue.replay.services import MOST_DAYS, Wish
from jobs.scheduler.policy import DEFAULT

FIELDS = ("half_life", "fair_power", "age_power")
NUMBER = forms.NumberInput(attrs={"step": "any", "min": "0"})


class ReplayForm(forms.Form):
    """Fields that are left empty stay as they are. `wish` checks nothing: `services.ask` does."""

    days = forms.IntegerField(label=_("Days"), min_value=1, max_value=MOST_DAYS, initial=30)
    half_life = forms.CharField(
        label=_("Use is half forgotten after"),
        required=False,
        max_length=20,
        help_text=_("As 3d or 12h; now 7d."),
    )
    fair_power = forms.CharField(
        label=_("How much shares count"),
        required=False,
        max_length=20,
        help_text=_("fair_power; now %(now)s.") % {"now": DEFAULT.fair_power},
    )
    age_power = forms.CharField(
        label=_("How much waiting counts"),
        required=False,
        max_length=20,
        help_text=_("age_power; now %(now)s.") % {"now": DEFAULT.age_power},
    )
    others = forms.CharField(
        label=_("Others"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One a line, as share.ada=2 or full_every=10min."),
    )
    added = forms.CharField(
        label=_("Added to the machine"),
        required=False,
        max_length=200,
        help_text=_("As gpu=2, or gpu=2@1.5 with a relative speed."),
    )

    def wish(self) -> Wish:
        given: dict[str, Any] = self.cleaned_data
        typed = [f"{name}={given[name].strip()}" for name in FIELDS if given[name].strip()]
        return Wish(
            days=given["days"],
            changes=(*typed, *(line.strip() for line in given["others"].splitlines() if line.strip())),
            added=tuple(given["added"].replace(",", " ").split()),
        )
