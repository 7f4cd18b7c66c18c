"""Reads of the shared machine. Everyone here sees what it is; only stewards change it."""

from django.db.models import QuerySet

from hardware.nodes.models import Node


def nodes() -> QuerySet[Node]:
    """All nodes by name with their accelerators, in two queries."""
    return Node.objects.order_by("name").prefetch_related("accelerators")
