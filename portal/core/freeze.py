"""While a backup copies the store, nothing in it is freed: a lease, which the sweep asks for before it deletes.

A backup that is killed holds it for a few minutes more, or until the next one on the same machine finds it gone.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error as DatabaseTrouble
from django.db import connections
from django.db.models.functions import Now

from portal.core import leases
from portal.core.models import Lease
from portal.kit import identity
from portal.kit.errors import UserError

NAME = "backup"
TTL_S = 600.0
RENEW_S = 30.0


def is_frozen() -> bool:
    """Whether a backup is copying the store now."""
    return Lease.objects.filter(name=NAME, lease_expires_at__gt=Now()).exists()


@contextmanager
def frozen() -> Iterator[None]:
    """Free nothing until the end of the block. UserError when another backup runs; StaleLease at the end when the
    lease was lost meanwhile, so that what was copied may have gaps.
    """
    rows = leases.named(NAME)
    leases.give_back_for_the_dead(rows)
    epoch = leases.take(rows, holder=identity.me(), ttl_s=TTL_S)
    if epoch is None:
        raise UserError("backup_running", "Another backup is running. Wait until it is done.", status=409)
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(epoch, over), name="freeze", daemon=True)
    keeper.start()
    try:
        yield
        leases.renew(rows, epoch=epoch, ttl_s=TTL_S)
    finally:
        over.set()
        keeper.join()
        leases.give_back(rows, epoch=epoch)


def _keep(epoch: int, over: threading.Event) -> None:
    """Renew the lease for as long as the backup takes. The database may be away for some minutes."""
    try:
        while not over.wait(RENEW_S):
            try:
                leases.renew(Lease.objects.filter(name=NAME), epoch=epoch, ttl_s=TTL_S)
            except DatabaseTrouble:
                continue
            except leases.StaleLease:
                return
    finally:
        connections.close_all()
