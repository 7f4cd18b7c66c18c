"""What of the ledger falls into a stretch of time: an attempt that ran over the end of a month is in both months, in
each by the time that it ran there. Without a `began_at`, as a steward's correction is, an entry is where it was made.
"""

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db.models import Case, F, Max, Min, Q, QuerySet, Sum, Value, When

from portal.ledger.models import LedgerEntry


def touching(since: datetime, until: datetime | None = None) -> Q:
    """Entries of which something is in the stretch from `since` to before `until` (None: without an end)."""
    ended = Q(created_at__gte=since)
    return ended if until is None else ended & (Q(created_at__lt=until) | Q(began_at__lt=until))


def part(began: datetime | None, ended: datetime, since: datetime, until: datetime | None = None) -> float:
    """Which part, 0 to 1, of the time from `began` to `ended` is in the stretch."""
    if began is None or ended <= began:
        return float(ended >= since and (until is None or ended < until))
    end = ended if until is None else min(ended, until)
    return max(0.0, (end - max(began, since)).total_seconds()) / (ended - began).total_seconds()


def summed(
    entries: QuerySet[LedgerEntry], *by: str, of: Any, since: datetime, until: datetime | None = None
) -> dict[tuple[Any, ...], float]:
    """Sums of `of` (a field, or an expression) over what of these entries is in the stretch, by the fields `by`. One
    query: those over an edge come one by one, the others summed.
    """
    edge = Q(began_at__lt=since) if until is None else Q(began_at__lt=since) | Q(created_at__gte=until)
    rows = (
        entries.filter(touching(since, until))
        .annotate(over=Case(When(edge, then=F("pk")), default=Value("")))
        .values(*by, "over")
        .order_by()
        .annotate(all=Sum(of), began=Min("began_at"), ended=Max("created_at"))
    )
    found: dict[tuple[Any, ...], float] = defaultdict(float)
    for row in rows:
        here = part(row["began"], row["ended"], since, until) if row["over"] else 1.0
        found[tuple(row[name] for name in by)] += row["all"] * here
    return dict(found)
