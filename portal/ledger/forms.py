"""Quotas and adjustments as stewards type them."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.ledger.adjustments import MOST_HOURS
from portal.ledger.models import GB, LedgerEntry, Quota
from portal.ledger.queries import KINDS

if TYPE_CHECKING:  # Django's own class takes no type argument
    QuotaModelForm = forms.ModelForm[Quota]
    EntryModelForm = forms.ModelForm[LedgerEntry]
else:
    QuotaModelForm = EntryModelForm = forms.ModelForm


NUMBERS = ["share", "concurrent_jobs", "cpu_hours", "gpu_hours", "tpu_hours", "fpga_hours"]


def _short(value: Decimal) -> Decimal:
    """To three places, without noughts at the end."""
    return Decimal(f"{value:.3f}".rstrip("0").rstrip("."))


class QuotaForm(QuotaModelForm):
    """Storage is typed in GB; nothing is negative."""

    storage_gb = forms.DecimalField(
        label=_("Storage in GB"), min_value=0, max_digits=12, decimal_places=3, initial=20
    )

    field_order = ["share", "storage_gb"]

    class Meta:
        model = Quota
        fields = NUMBERS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["storage_gb"] = _short(Decimal(self.instance.storage_bytes) / GB)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        for name in NUMBERS:
            if (value := found.get(name)) is not None and not 0 <= value < float("inf"):
                self.add_error(name, _("This can't be less than nothing."))
        return found

    def quota(self) -> Quota:
        """What was typed, not saved. Bytes that the rounded GB would change stay as they are."""
        if "storage_gb" in self.changed_data:
            self.instance.storage_bytes = int(self.cleaned_data["storage_gb"] * GB)
        return self.instance


class AdjustmentForm(EntryModelForm):
    """Hours of a class that a member is charged, or given back, and why."""

    kind = forms.ChoiceField(label=_("Accelerator class"), choices=[(kind, kind.upper()) for kind in KINDS])
    hours = forms.FloatField(
        label=_("Device-hours"), help_text=_("As 2.5 to charge them, -2.5 to give them back.")
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, help_text=_("The member reads it on their statement.")
    )

    class Meta:
        model = LedgerEntry
        fields = ["member", "kind", "reason"]

    field_order = ["member", "kind", "hours", "reason"]

    def clean_hours(self) -> float:
        hours = float(self.cleaned_data["hours"])
        if not 0 < abs(hours) <= MOST_HOURS:
            raise forms.ValidationError(_("Write hours, as 2.5, or -2.5 to give them back."))
        return hours
