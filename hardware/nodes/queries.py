"""Reads of the shared machine. Everyone here sees what it is; only stewards change it."""

from datetime import timedelta

from django.db.models import Prefetch, QuerySet

from hardware.nodes import windows
from hardware.nodes.models import Node

SKEW_TOLD = timedelta(seconds=5)


def coming_windows() -> "Prefetch[str]":
    """For nodes: their windows that are not over, as `coming_windows`."""
    return Prefetch("windows", queryset=windows.coming(), to_attr="coming_windows")


def nodes() -> QuerySet[Node]:
    """All nodes by name with their donors, accelerators and coming windows, in three queries."""
    rows = Node.objects.order_by("name").select_related("donor")
    return rows.prefetch_related("accelerators", coming_windows())


def wrong_clock(node: Node) -> timedelta | None:
    """How far the node's clock is ahead of the database's (negative: behind), if that is more than five seconds."""
    skew = node.clock_skew
    return skew if skew is not None and abs(skew) > SKEW_TOLD else None
