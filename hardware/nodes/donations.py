"""What given nodes give: the time that they took work, entered in the ledger for their donors, day by day (UTC).

Not the time that they worked: whether there is work is not the donor's doing. But accelerators of a class that no kind
of job can use count for nothing. A node takes work while it beats, is active and has no trouble; its samples tell,
which outlive the sweep for a month. So a sweep that is killed, late, or runs twice enters each day once.
"""

from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Sum

from hardware.nodes import registry, samples
from hardware.nodes.models import Node
from portal.ledger import queries as ledger
from portal.ledger import services


def sweep(now: datetime) -> int:
    """Enter the days that are over; how many were."""
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    return sum(enter(node, until=today) for node in Node.objects.exclude(donor=None).select_related("donor"))


def enter(node: Node, *, until: datetime) -> int:
    """Enter what a node gave before `until` and was not entered yet, at today's prices; how many days. A donor who is
    named again on the day on which another was named before gets only the first part of it.
    """
    if node.donor is None or node.donor_since is None:
        return 0
    since = max(node.donor_since, until - samples.MEANS_LIVE)
    entered = ledger.donated_days(node.name, node.donor)
    useful = node.accelerators.filter(enabled=True, kind__in=registry.classes_in_use())
    weight = useful.aggregate(all=Sum("price"))["all"] or 0.0
    days = [day for day in _days(since, until) if day not in entered]
    for day in days:
        begin = datetime.combine(day, time(), UTC)
        services.enter_donation(
            member=node.donor,
            node=node.name,
            day=day,
            node_seconds=samples.seconds_of_work(
                node, max(since, begin), min(until, begin + timedelta(days=1))
            ),
            weight=weight,
        )
    return len(days)


def _days(since: datetime, until: datetime) -> list[date]:
    """The days that have a part between them."""
    first = since.astimezone(UTC).date()
    last = (until - timedelta(microseconds=1)).astimezone(UTC).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
