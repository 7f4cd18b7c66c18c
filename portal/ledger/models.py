"""Shares, quotas and usage: who may use how much, and who used what."""

from decimal import Decimal
from typing import Any, NoReturn

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.core.models import Identified
from portal.members.models import Member, Team

GB = 10**9  # sizes are told in decimal units (`portal.kit.amounts`)


class Quota(models.Model):
    """What one member may use. Storage and concurrency are hard; device-hours (a month) are soft, but zero
    means "may not use that class at all". Members without a row have the defaults.
    """

    member = models.OneToOneField(Member, on_delete=models.CASCADE, related_name="quota")
    share = models.FloatField(_("share of the machine"), default=1.0)
    storage_bytes = models.PositiveBigIntegerField(_("storage in bytes"), default=20 * GB)
    concurrent_jobs = models.PositiveIntegerField(_("jobs running at once"), default=4)
    cpu_hours = models.FloatField(_("CPU hours a month"), default=500.0)
    gpu_hours = models.FloatField(_("GPU hours a month"), default=100.0)
    tpu_hours = models.FloatField(_("TPU hours a month"), default=100.0)
    fpga_hours = models.FloatField(_("FPGA hours a month"), default=100.0)

    def __str__(self) -> str:
        return str(self.member)


class TeamShare(models.Model):
    """A share of the machine that a steward gave a team: see `shares.with_teams`."""

    team = models.OneToOneField(Team, on_delete=models.CASCADE, related_name="machine_share")
    share = models.FloatField(
        _("share of the machine, split among its members"), default=0.0, validators=[MinValueValidator(0.0)]
    )

    def __str__(self) -> str:
        return str(self.team)


class Entered(Identified):
    """What is entered, and stands."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Enter it. What is entered stands: RuntimeError for a change."""
        if not self._state.adding:
            raise RuntimeError("The ledger is only added to.")
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """RuntimeError: entries go only with their member."""
        raise RuntimeError("The ledger is only added to.")


class LedgerEntry(Entered):
    """Accelerator time used by one attempt. Only the attempt's id is kept: the book outlives the job. Or what a steward
    puts right (`adjustments`), with a `reason`: negative device-seconds give back. One that `corrects` another undoes
    it, and counts for fairness on its day: a steward's undoes it whole, the platform's own (with nobody who entered it)
    what the attempt lost by giving way.

    It is made when the attempt ends; from `began_at` on its time is in the months in which it ran (`spans`). Monthly
    quotas count `device_seconds`, as members think of hours; fairness and cost count them times `weight`: the
    price of the accelerator's type, and what part of it was taken.
    """

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="ledger")
    attempt = models.CharField(max_length=26, blank=True, default="")
    began_at = models.DateTimeField(_("began"), null=True, blank=True)
    kind = models.CharField(_("accelerator class"), max_length=10)
    device_seconds = models.FloatField(_("device-seconds"))
    weight = models.FloatField(_("price and part of the accelerator"), default=1.0)
    node = models.CharField(_("node"), max_length=120, blank=True, default="")
    energy_kwh = models.FloatField(_("energy in kWh"), null=True, blank=True)
    energy_measured = models.BooleanField(_("measured, not estimated"), default=False)
    refunded = models.BooleanField(_("refunded (the platform's fault)"), default=False)
    corrects = models.OneToOneField(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="correction",
        verbose_name=_("entry that it undoes"),
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True, default="")
    entered_by = models.ForeignKey(
        Member,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("entered by"),
    )

    class Meta:
        verbose_name_plural = _("ledger entries")
        indexes = [models.Index(fields=["member", "created_at"])]
        constraints = [
            models.UniqueConstraint(
                fields=["attempt"],
                condition=Q(corrects=None) & ~Q(attempt=""),
                name="attempt_charged_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.device_seconds:.0f} s {self.kind}"

    @property
    def hours(self) -> float:
        """Device-hours."""
        return self.device_seconds / 3600.0

    @property
    def weighted_hours(self) -> float:
        return self.hours * self.weight


class Donation(Entered):
    """How long a given node took work on one day, UTC, for its donor; `weight` is what its accelerators' prices add up
    to. Only the node's name is kept: the book outlives the node.
    """

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="donations")
    node = models.CharField(_("node"), max_length=120)
    day = models.DateField(_("day"))
    node_seconds = models.FloatField(_("seconds that it took work"))
    weight = models.FloatField(_("price of its accelerators"))

    class Meta:
        ordering = ["-day", "node"]
        constraints = [models.UniqueConstraint(fields=["member", "node", "day"], name="donation_once_a_day")]
        indexes = [models.Index(fields=["day"], name="donation_day")]

    def __str__(self) -> str:
        return f"{self.node} {self.day}"

    @property
    def hours(self) -> float:
        return self.node_seconds / 3600.0

    @property
    def weighted_hours(self) -> float:
        return self.hours * self.weight


class MonthCost(Identified):
    """What the machine cost the community in one month, as a steward entered it; what was changed is in the audit log.
    The currency is the community's own.
    """

    month = models.DateField(_("first day of the month"), unique=True)
    cents = models.PositiveBigIntegerField(_("cost in hundredths"))
    entered_by = models.ForeignKey(
        Member, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("entered by")
    )

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def amount(self) -> Decimal:
        """In whole units, two places."""
        return Decimal(self.cents) / 100
