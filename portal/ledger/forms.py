"""Quotas as stewards type them."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.ledger.models import GIB, Quota

if TYPE_CHECKING:  # Django's own class takes no type argument
    QuotaModelForm = forms.ModelForm[Quota]
else:
    QuotaModelForm = forms.ModelForm


NUMBERS = ["share", "concurrent_jobs", "cpu_hours", "gpu_hours", "tpu_hours", "fpga_hours"]


def _short(value: Decimal) -> Decimal:
    """To three places, without noughts at the end."""
    return Decimal(f"{value:.3f}".rstrip("0").rstrip("."))


class QuotaForm(QuotaModelForm):
    """Storage is typed in GiB; nothing is negative."""

    storage_gib = forms.DecimalField(
        label=_("Storage in GiB"), min_value=0, max_digits=12, decimal_places=3, initial=20
    )

    field_order = ["share", "storage_gib"]

    class Meta:
        model = Quota
        fields = NUMBERS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["storage_gib"] = _short(Decimal(self.instance.storage_bytes) / GIB)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        for name in NUMBERS:
            if (value := found.get(name)) is not None and not 0 <= value < float("inf"):
                self.add_error(name, _("This can't be less than nothing."))
        return found

    def quota(self) -> Quota:
        """What was typed, not saved. Bytes that the rounded GiB would change stay as they are."""
        if "storage_gib" in self.changed_data:
            self.instance.storage_bytes = int(self.cleaned_data["storage_gib"] * GIB)
        return self.instance
