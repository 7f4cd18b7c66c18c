"""Quotas (on each member's page) and the ledger in the stewards' admin."""

from django import forms
from django.contrib import admin
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from portal.ledger.forms import QuotaForm
from portal.ledger.models import Donation, LedgerEntry, Quota
from portal.members.admin import MemberAdmin
from portal.members.stewarding import StewardAdmin


class QuotaInlineForm(QuotaForm):
    """The same with the admin's looks."""

    storage_gib = forms.DecimalField(
        label=QuotaForm.base_fields["storage_gib"].label,
        min_value=0,
        max_digits=12,
        decimal_places=3,
        initial=20,
        widget=UnfoldAdminDecimalFieldWidget,
    )

    def save(self, commit: bool = True) -> Quota:
        self.quota()
        return super().save(commit=commit)


class QuotaInline(StackedInline):  # type: ignore[misc]
    """Without a row, the defaults hold; deleting the row brings them back."""

    model = Quota
    form = QuotaInlineForm
    extra = 0
    fields = [
        ("storage_gib", "concurrent_jobs", "share"),
        ("cpu_hours", "gpu_hours", "tpu_hours", "fpga_hours"),
    ]


MemberAdmin.inlines = [*MemberAdmin.inlines, QuotaInline]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(StewardAdmin):
    list_display = [
        "created_at", "member", "kind", "node", "device_seconds", "weight", "energy_kwh", "refunded", "attempt",
    ]  # fmt: skip
    list_filter = ["kind", "refunded", "created_at"]
    list_select_related = ["member"]
    search_fields = ["member__username", "attempt"]
    date_hierarchy = "created_at"
    ordering = ["-id"]


@admin.register(Donation)
class DonationAdmin(StewardAdmin):
    list_display = ["day", "node", "member", "node_seconds", "weight"]
    list_filter = ["node", "day"]
    list_select_related = ["member"]
    search_fields = ["member__username", "node"]
    ordering = ["-day", "node"]
