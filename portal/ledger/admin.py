"""Quotas (on each member's page) and the ledger in the stewards' admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from portal.ledger import adjustments, services
from portal.ledger.forms import NUMBERS, AdjustmentForm, QuotaForm, TeamShareModelForm
from portal.ledger.models import GB, Donation, LedgerEntry, Quota, TeamShare
from portal.ledger.queries import KINDS
from portal.members.access import signed_in
from portal.members.admin import MemberAdmin, TeamAdmin
from portal.members.models import Member
from portal.members.stewarding import ShownForm, StewardAdmin, column, moment


class QuotaInlineForm(ShownForm, QuotaForm):
    """The same with the admin's looks."""

    storage_gb = forms.DecimalField(
        label=QuotaForm.base_fields["storage_gb"].label,
        min_value=0,
        max_digits=12,
        decimal_places=3,
        initial=20,
        widget=UnfoldAdminDecimalFieldWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bytes = self.instance.storage_bytes

    def save(self, commit: bool = True) -> Quota:
        self.quota()
        return super().save(commit=commit)

    def seen(self) -> Quota | None:
        """What the page showed; None where it does not say."""
        shown = {name: self.was_shown(name) for name in [*NUMBERS, "storage_gb"]}
        if None in shown.values():
            return None
        gigabytes = shown.pop("storage_gb")
        is_same = gigabytes == self.initial["storage_gb"]
        return Quota(
            member=self.instance.member,
            storage_bytes=self._bytes if is_same else int(gigabytes * GB),
            **shown,
        )


class TeamShareInlineForm(ShownForm, TeamShareModelForm):
    class Meta:
        model = TeamShare
        fields = ["share"]


class AdminAdjustmentForm(AdjustmentForm):
    """The same with the admin's looks."""

    member = forms.ModelChoiceField(
        label=AdjustmentForm.base_fields["member"].label,
        queryset=Member.objects.order_by("username"),
        widget=UnfoldAdminSelectWidget,
    )
    kind = forms.ChoiceField(
        label=AdjustmentForm.base_fields["kind"].label,
        choices=[(kind, kind.upper()) for kind in KINDS],
        widget=UnfoldAdminSelectWidget,
    )
    hours = forms.FloatField(
        label=AdjustmentForm.base_fields["hours"].label,
        help_text=AdjustmentForm.base_fields["hours"].help_text,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    reason = forms.CharField(
        label=AdjustmentForm.base_fields["reason"].label,
        max_length=200,
        help_text=AdjustmentForm.base_fields["reason"].help_text,
        widget=UnfoldAdminTextInputWidget,
    )


class QuotaInline(StackedInline):  # type: ignore[misc]
    """Without a row, the defaults hold; deleting the row brings them back."""

    model = Quota
    form = QuotaInlineForm
    extra = 0
    fields = [
        ("storage_gb", "concurrent_jobs", "share"),
        ("cpu_hours", "gpu_hours", "tpu_hours", "fpga_hours"),
    ]

    @staticmethod
    def keep(form: QuotaInlineForm, actor: Member) -> None:
        services.set_quota(quota=form.instance, seen=form.seen(), actor=actor)

    @staticmethod
    def drop(row: Quota, actor: Member) -> None:
        services.reset_quota(member=row.member, actor=actor)


class TeamShareInline(StackedInline):  # type: ignore[misc]
    """Without a row, a team has no share, and its members have their own."""

    model = TeamShare
    form = TeamShareInlineForm
    extra = 1  # there is at most one, and who makes a team is to see that it may have a share

    @staticmethod
    def keep(form: TeamShareInlineForm, actor: Member) -> None:
        row = form.instance
        services.set_team_share(team=row.team, share=row.share, seen=form.was_shown("share"), actor=actor)

    @staticmethod
    def drop(row: TeamShare, actor: Member) -> None:
        services.set_team_share(team=row.team, share=0.0, actor=actor)


MemberAdmin.inlines = [*MemberAdmin.inlines, QuotaInline]
TeamAdmin.inlines = [*TeamAdmin.inlines, TeamShareInline]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(StewardAdmin):
    """Entries stand. To add one is to adjust what a member is charged; an action gives back what they were."""

    may_add = True
    actions = ["give_back"]
    list_display = [
        "show_created", "member", "kind", "node", "show_hours", "weight", "show_energy", "refunded", "attempt",
        "reason",
    ]  # fmt: skip
    list_filter = ["kind", "refunded", "created_at"]
    list_select_related = ["member"]
    search_fields = ["member__username", "attempt", "reason"]
    date_hierarchy = "created_at"
    ordering = ["-id"]

    @column(_("created"), order="created_at")
    def show_created(self, entry: LedgerEntry) -> str:
        return moment(entry.created_at)

    @column(_("device-hours"), order="device_seconds")
    def show_hours(self, entry: LedgerEntry) -> str:
        return f"{entry.hours:.4f}"

    @column(_("energy in Wh"), order="energy_kwh")
    def show_energy(self, entry: LedgerEntry) -> str:
        return "" if entry.energy_kwh is None else f"{entry.energy_kwh * 1000:.3g}"

    def get_form(
        self, request: HttpRequest, obj: LedgerEntry | None = None, change: bool = False, **more: Any
    ) -> Any:
        return super().get_form(request, obj, change, **more) if change else AdminAdjustmentForm

    def get_fields(self, request: HttpRequest, obj: LedgerEntry | None = None) -> Any:
        return super().get_fields(request, obj) if obj else AdminAdjustmentForm.field_order

    def save_model(self, request: HttpRequest, obj: LedgerEntry, form: Any, change: bool) -> None:  # noqa: ARG002
        made = adjustments.adjust(
            member=obj.member,
            kind=obj.kind,
            hours=form.cleaned_data["hours"],
            reason=obj.reason,
            actor=signed_in(request),
        )
        obj.pk, obj.device_seconds = made.pk, made.device_seconds

    @admin.action(description=_("Give back what these charged"))
    def give_back(self, request: HttpRequest, queryset: QuerySet[LedgerEntry]) -> None:
        actor, reason = signed_in(request), gettext("A steward gave it back.")
        self.for_each(
            request, queryset, lambda entry: adjustments.give_back(entry, reason=reason, actor=actor)
        )


@admin.register(Donation)
class DonationAdmin(StewardAdmin):
    list_display = ["day", "node", "member", "node_seconds", "weight"]
    list_filter = ["node", "day"]
    list_select_related = ["member"]
    search_fields = ["member__username", "node"]
    ordering = ["-day", "node"]
