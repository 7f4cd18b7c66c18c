"""Shares, quotas and adjustments as stewards type them."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.ledger import services
from portal.ledger.adjustments import MOST_HOURS
from portal.ledger.models import GB, LedgerEntry, Quota, TeamShare
from portal.ledger.queries import KINDS
from portal.members.models import Member

if TYPE_CHECKING:  # Django's own class takes no type argument
    QuotaModelForm = forms.ModelForm[Quota]
    TeamShareModelForm = forms.ModelForm[TeamShare]
    EntryModelForm = forms.ModelForm[LedgerEntry]
else:
    QuotaModelForm = TeamShareModelForm = EntryModelForm = forms.ModelForm


NUMBERS = ["share", "concurrent_jobs", "cpu_hours", "gpu_hours", "tpu_hours", "fpga_hours"]


def in_gb(quota: Quota) -> Decimal:
    """Its storage to three places, without noughts at the end."""
    return Decimal(f"{Decimal(quota.storage_bytes) / GB:.3f}".rstrip("0").rstrip("."))


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
        self.initial["storage_gb"] = in_gb(self.instance)

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


class Row(forms.Form):
    """What a row of the table showed comes back with it: so it is known what was typed, and what others changed."""

    shown = forms.CharField(widget=forms.HiddenInput, required=False)
    is_known = False

    def told(self, names: Sequence[str]) -> dict[str, float] | None:
        """What the row showed, by these names; None where that is not known."""
        found = _read(self.data.get(self.add_prefix("shown"), ""), names)
        self.is_known = found is not None
        return found

    def clean_shown(self) -> None:
        if not self.is_known:
            raise forms.ValidationError(_("It is not known what this row showed. Load the page again."))


def _written(values: Iterable[float]) -> str:
    return " ".join(str(value) for value in values)


def _read(text: str, names: Sequence[str]) -> dict[str, float] | None:
    """What `_written` wrote, by these names; None for anything else."""
    try:
        values = [int(word) if word.isdigit() else float(word) for word in text.split()]
    except ValueError:
        return None
    return dict(zip(names, values, strict=True)) if len(values) == len(names) else None


class QuotaRow(QuotaForm, Row):
    """A member's row in the table of all."""

    def __init__(self, data: Any, *, quota: Quota) -> None:
        super().__init__(data, prefix=quota.member_id, instance=quota)
        told = self.told(services.QUOTA_FIELDS)
        self.seen = quota if told is None else Quota(member=quota.member, **told)
        self.initial.update({name: getattr(self.seen, name) for name in NUMBERS})
        self.initial["storage_gb"] = in_gb(self.seen)
        self.initial["shown"] = _written(getattr(self.seen, name) for name in services.QUOTA_FIELDS)

    def quota(self) -> Quota:
        self.instance.storage_bytes = self.seen.storage_bytes
        return super().quota()

    def keep(self, actor: Member) -> None:
        """UserError `changed_meanwhile` where the row is another now than the page showed."""
        services.set_quota(quota=self.quota(), seen=self.seen, actor=actor)


class TeamShareRow(TeamShareModelForm, Row):
    """A team's row in the same table."""

    class Meta:
        model = TeamShare
        fields = ["share"]

    def __init__(self, data: Any, *, share: TeamShare) -> None:
        super().__init__(data, prefix=share.team_id, instance=share)
        told = self.told(["share"])
        self.seen = share.share if told is None else told["share"]
        self.initial.update({"share": self.seen, "shown": _written([self.seen])})

    def keep(self, actor: Member) -> None:
        """UserError `changed_meanwhile` where the row is another now than the page showed."""
        team, share = self.instance.team, self.cleaned_data["share"]
        services.set_team_share(team=team, share=share, seen=self.seen, actor=actor)


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
