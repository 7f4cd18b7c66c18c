"""Leases by the database's clock: one holder at a time, fenced by an epoch.

One mechanism for the scheduler's leader, attempts and validations. See `portal.core.models.Leased`.
"""

from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Max, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Now

from portal.core.models import Lease, Leased
from portal.kit import identity

L = TypeVar("L", bound=Leased)


class StaleLease(Exception):  # noqa: N818 - the field's word for it
    """The lease was lost: someone else holds it now, or it was ended. Stop, and write nothing more."""


def in_future(seconds: float) -> "ExpressionWrapper[Any]":
    """The database's time `seconds` from now."""
    return ExpressionWrapper(Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField())


def free() -> Q:
    """Rows that nobody holds: never taken, given back, or run out."""
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())


def take(rows: QuerySet[L], *, holder: str, ttl_s: float) -> int | None:
    """Take the one row of `rows` if it is free; its new epoch, or None if someone else holds it."""
    with transaction.atomic():
        if (
            rows.filter(free()).update(holder=holder, epoch=F("epoch") + 1, lease_expires_at=in_future(ttl_s))
            != 1
        ):
            return None
        return int(rows.values_list("epoch", flat=True).get())


def renew(rows: QuerySet[L], *, epoch: int, ttl_s: float, **changes: Any) -> None:
    """Extend the lease of the one row of `rows`, writing `changes` with it. Raises StaleLease if it was lost."""
    if rows.filter(epoch=epoch).update(lease_expires_at=in_future(ttl_s), **changes) != 1:
        raise StaleLease


def give_back(rows: QuerySet[L], *, epoch: int) -> bool:
    """End the lease early, so that the next holder need not wait for it to run out."""
    return rows.filter(epoch=epoch).update(lease_expires_at=None, holder="") == 1


def give_back_for_the_dead(rows: QuerySet[L]) -> int:
    """End the leases among `rows` that a process of this machine held which is gone; how many.

    Others run out by themselves: this only spares the wait. Holders are told by `portal.kit.identity.me`.
    """
    held = rows.filter(lease_expires_at__gt=Now(), holder__startswith=identity.machine())
    dead = [row for row in held.only("pk", "holder", "epoch") if identity.is_gone(row.holder)]
    return sum(give_back(rows.filter(pk=row.pk), epoch=row.epoch) for row in dead)


def named(name: str) -> QuerySet[Lease]:
    """The named lease as rows for `take`, `renew` and `give_back`; made on first use."""
    Lease.objects.get_or_create(name=name)
    return Lease.objects.filter(name=name)


def clock() -> datetime:
    """The time by the clock that leases go by: the database's. One query, of no row."""
    now: datetime = Lease.objects.filter(name="").aggregate(now=Coalesce(Max(Now()), Now()))["now"]
    return now
