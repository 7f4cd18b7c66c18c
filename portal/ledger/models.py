"""Shares, quotas and usage: who may use how much, and who used what."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.core.models import Identified
from portal.members.models import Member

GIB = 1024**3


class Quota(models.Model):
    """What one member may use. Storage and concurrency are hard; device-hours (a month) are soft, but zero
    means "may not use that class at all". Members without a row have the defaults.
    """

    member = models.OneToOneField(Member, on_delete=models.CASCADE, related_name="quota")
    share = models.FloatField(_("share of the machine"), default=1.0)
    storage_bytes = models.PositiveBigIntegerField(_("storage in bytes"), default=20 * GIB)
    concurrent_jobs = models.PositiveIntegerField(_("jobs running at once"), default=4)
    cpu_hours = models.FloatField(_("CPU hours a month"), default=500.0)
    gpu_hours = models.FloatField(_("GPU hours a month"), default=100.0)
    tpu_hours = models.FloatField(_("TPU hours a month"), default=100.0)
    fpga_hours = models.FloatField(_("FPGA hours a month"), default=100.0)

    def __str__(self) -> str:
        return str(self.member)


class LedgerEntry(Identified):
    """Accelerator time used by one attempt. Only the attempt's id is kept: the book outlives the job."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="ledger")
    attempt = models.CharField(max_length=26, unique=True)
    kind = models.CharField(_("accelerator class"), max_length=10)
    device_seconds = models.FloatField(_("device-seconds"))
    refunded = models.BooleanField(_("refunded (the platform's fault)"), default=False)

    class Meta:
        verbose_name_plural = _("ledger entries")
        indexes = [models.Index(fields=["member", "created_at"])]

    def __str__(self) -> str:
        return f"{self.device_seconds:.0f} s {self.kind}"
