"""Maintenance windows: planned, kept by a chore of the scheduler's, and cancelled."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from hardware.nodes.models import MaintenanceWindow, Node, NodeState
from hardware.nodes.services import SCHEDULER_BELL
from portal.core import live
from portal.members.models import Member
from portal.members.services import audit

NOBODYS = frozenset({NodeState.ACTIVE, NodeState.OFFLINE})


def coming() -> QuerySet[MaintenanceWindow]:
    """Those that are not over, the next first."""
    return MaintenanceWindow.objects.filter(ends_at__gt=Now(), overridden=False).order_by("starts_at")


@transaction.atomic
def plan(window: MaintenanceWindow, actor: Member) -> None:
    """Enter a new window, which is sound."""
    window.save(force_insert=True)
    detail = {
        "from": window.starts_at.isoformat(),
        "to": window.ends_at.isoformat(),
        "drain_before_min": window.drain_before_min,
        "reason": window.reason,
    }
    audit(actor, "maintenance.planned", window.node.name, detail)


@transaction.atomic
def cancel(window: MaintenanceWindow, actor: Member) -> None:
    """Drop a window; a node that is out of service because of it is back at once."""
    audit(actor, "maintenance.cancelled", window.node.name, {"reason": window.reason})
    Node.objects.filter(window=window).update(state=NodeState.ACTIVE, window=None)
    window.delete()
    live.ring(SCHEDULER_BELL)


def open_and_close_windows(now: datetime) -> int:
    """Take nodes out of service and back as their windows say; how many were moved. What a steward set by hand
    stays.
    """
    concerned = Q(window__isnull=False) | Q(windows__ends_at__gt=now)
    nodes = Node.objects.filter(concerned).distinct().prefetch_related("windows")
    return sum(_keep(node, _current(node.windows.all(), now), now) for node in nodes)


def _current(windows: Iterable[MaintenanceWindow], now: datetime) -> MaintenanceWindow | None:
    """The first that has begun to drain the node and is not over."""
    found = [each for each in windows if each.drains_at <= now < each.ends_at and not each.overridden]
    return min(found, key=lambda window: window.starts_at, default=None)


def _keep(node: Node, window: MaintenanceWindow | None, now: datetime) -> bool:
    wanted = _wanted(node, window, now)
    if wanted is None or (wanted == node.state and node.window == window):
        return False
    rows = Node.objects.filter(pk=node.pk, state=node.state, window=node.window)
    with transaction.atomic():
        if not rows.update(state=wanted, window=window):
            return False  # a steward was quicker
        detail = {"old": node.state, "new": str(wanted), "window": (window or node.window).reason}  # type: ignore[union-attr]
        audit(None, "node.state", node.name, detail)
    live.ring(SCHEDULER_BELL)
    return True


def _wanted(node: Node, window: MaintenanceWindow | None, now: datetime) -> NodeState | None:
    """The state that the window wants of the node; None where it has no say."""
    if node.window_id is None and (window is None or node.state not in NOBODYS):
        return None
    if window is None:
        return NodeState.ACTIVE
    return NodeState.MAINTENANCE if window.starts_at <= now else NodeState.DRAINING
