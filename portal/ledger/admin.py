"""Quotas (on each member's page) and the ledger in the stewards' admin."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from portal.ledger.models import GIB, LedgerEntry, Quota
from portal.members.admin import MemberAdmin
from portal.members.stewarding import StewardAdmin

if TYPE_CHECKING:  # Django's own class takes no type argument
    QuotaModelForm = forms.ModelForm[Quota]
else:
    QuotaModelForm = forms.ModelForm


class QuotaForm(QuotaModelForm):
    """Storage is typed in GiB."""

    storage_gib = forms.DecimalField(
        label=_("Storage in GiB"),
        min_value=0,
        max_digits=12,
        decimal_places=3,
        initial=20,
        widget=UnfoldAdminDecimalFieldWidget,
    )

    class Meta:
        model = Quota
        fields = ["share", "concurrent_jobs", "cpu_hours", "gpu_hours", "tpu_hours", "fpga_hours"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["storage_gib"] = round(self.instance.storage_bytes / GIB, 3)

    def save(self, commit: bool = True) -> Quota:
        self.instance.storage_bytes = int(self.cleaned_data["storage_gib"] * GIB)
        return super().save(commit=commit)


class QuotaInline(StackedInline):  # type: ignore[misc]
    """Without a row, the defaults hold; deleting the row brings them back."""

    model = Quota
    form = QuotaForm
    extra = 0
    fields = [
        ("storage_gib", "concurrent_jobs", "share"),
        ("cpu_hours", "gpu_hours", "tpu_hours", "fpga_hours"),
    ]


MemberAdmin.inlines = [*MemberAdmin.inlines, QuotaInline]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(StewardAdmin):
    list_display = ["created_at", "member", "kind", "device_seconds", "refunded", "attempt"]
    list_filter = ["kind", "refunded", "created_at"]
    list_select_related = ["member"]
    search_fields = ["member__username", "attempt"]
    date_hierarchy = "created_at"
    ordering = ["-id"]
