"""What several rooms' models are made of: ids, leases, and the register of stored bytes."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.kit.ids import new_id


class Identified(models.Model):
    """A row with an opaque, time-ordered id (a lower-case ULID) that may appear in addresses and the API."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        abstract = True


class Leased(models.Model):
    """A row that one process at a time may act for.

    Taking the lease adds 1 to `epoch`; whoever acts names the epoch they hold in every write (a fencing token), so
    that a process which lost its lease without noticing can change nothing. Times are the database's own. The moves
    are in `portal.core.leases`.
    """

    holder = models.CharField(max_length=120, blank=True, default="")
    epoch = models.PositiveBigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class Lease(Leased):
    """A named lease: the scheduler's leader, the sweeper."""

    name = models.CharField(primary_key=True, max_length=60)

    def __str__(self) -> str:
        return self.name


class Blob(models.Model):
    """Bytes in the content-addressed store (`portal.core.storage`), named by their SHA-256.

    Rows that no foreign key points at are condemned by the sweep, and their bytes freed after a grace time.
    """

    sha256 = models.CharField(primary_key=True, max_length=64)
    bytes = models.PositiveBigIntegerField(_("size in bytes"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    condemned_at = models.DateTimeField(null=True, blank=True, db_index=True)

    def __str__(self) -> str:
        return self.sha256[:12]
