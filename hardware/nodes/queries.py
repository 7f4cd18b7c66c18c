"""Reads of the shared machine. Everyone here sees what it is; only stewards change it."""

from datetime import timedelta
from typing import Any

from django.db.models import BooleanField, Case, Prefetch, QuerySet, Value, When

from hardware.nodes import windows
from hardware.nodes.models import Accelerator, Node
from hardware.nodes.services import SILENT_AFTER, silent_since
from portal.core import leases

DETAILS = (
    "chip",
    "compute_capability",
    "driver",
    "pci_bus",
    "port",
    "power_limit_w",
    "target",
    "tools",
    "usb",
)
SKEW_TOLD = timedelta(seconds=5)


def coming_windows() -> "Prefetch[str]":
    """For nodes: their windows that are not over, as `coming_windows`."""
    return Prefetch("windows", queryset=windows.coming(), to_attr="coming_windows")


def with_silence(rows: QuerySet[Node]) -> QuerySet[Node]:
    """Nodes that know whether they are silent: not heard of for `SILENT_AFTER`, by the database's clock. What is shown
    goes by this, so that a dead node is told of in time even where no scheduler runs.
    """
    silent = silent_since(leases.in_future(-SILENT_AFTER.total_seconds()))
    told = Case(When(silent, then=Value(True)), default=Value(False), output_field=BooleanField())
    return rows.annotate(silent=told)


def nodes() -> QuerySet[Node]:
    """All nodes by name with their donors, accelerators and coming windows, in three queries."""
    rows = with_silence(Node.objects.order_by("name")).select_related("donor")
    return rows.prefetch_related("accelerators", coming_windows())


def details(row: Accelerator) -> dict[str, str]:
    """What its node's probe says of an accelerator beyond model and memory. What names the one card stays inside."""
    place = (row.kind, row.index)
    probed: list[dict[str, Any]] = row.node.probe.get("accelerators", [])
    said: dict[str, Any] = next(
        (each for each in probed if (each.get("kind"), each.get("index")) == place), {}
    )
    return {name: text for name, text in said.get("details", {}).items() if name in DETAILS}


def wrong_clock(node: Node) -> timedelta | None:
    """How far the node's clock is ahead of the database's (negative: behind), if that is more than five seconds."""
    skew = node.clock_skew
    return skew if skew is not None and abs(skew) > SKEW_TOLD else None
