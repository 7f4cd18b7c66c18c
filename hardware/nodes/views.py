"""A page for each node, with what stewards do to it; the whole machine's is the site's."""

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from hardware.nodes import queries, services, windows
from hardware.nodes.forms import WindowForm
from hardware.nodes.models import MaintenanceWindow, Node, NodeState
from portal.kit.errors import UserError
from portal.members.access import signed_in, signed_in_steward

SPANS = [
    (3600, _("1 hour")),
    (24 * 3600, _("1 day")),
    (7 * 24 * 3600, _("7 days")),
    (30 * 24 * 3600, _("30 days")),
]

MOVES = {
    NodeState.ACTIVE: _("Activate"),
    NodeState.DRAINING: _("Drain"),
    NodeState.MAINTENANCE: _("Maintenance"),
}

DETAIL_WORDS = {
    "chip": _("chip"),
    "compute_capability": _("compute capability"),
    "driver": _("driver"),
    "pci_bus": _("PCI"),
    "port": _("serial line"),
    "power_limit_w": _("watts at most"),
    "target": _("bundles for"),
    "tools": _("with"),
    "usb": _("USB"),
}


@login_required
@require_safe
def node_detail(request: HttpRequest, pk: str) -> HttpResponse:
    """What a node is, what is planned for it, and how busy it was."""
    return _page(request, pk, WindowForm())


@login_required
@require_POST
def node_state(request: HttpRequest, pk: str) -> HttpResponse:
    """Take a node in or out of service."""
    actor, node = signed_in_steward(request), get_object_or_404(Node, pk=pk)
    wanted = request.POST.get("state", "")
    state = next((state for state in MOVES if state == wanted), NodeState.OFFLINE)
    try:
        services.set_state(node, state, actor)
    except UserError as error:
        messages.error(request, error.detail)
    return redirect("node-detail", pk)


@login_required
@require_POST
def node_windows(request: HttpRequest, pk: str) -> HttpResponse:
    """Plan a maintenance window."""
    actor, node = signed_in_steward(request), get_object_or_404(Node, pk=pk)
    form = WindowForm(request.POST, instance=MaintenanceWindow(node=node))
    if not form.is_valid():
        return _page(request, pk, form, status=400)
    windows.plan(form.instance, actor)
    return redirect("node-detail", pk)


@login_required
@require_POST
def node_window_cancel(request: HttpRequest, pk: str, window: str) -> HttpResponse:
    """Drop a maintenance window."""
    actor = signed_in_steward(request)
    windows.cancel(get_object_or_404(MaintenanceWindow, node=pk, pk=window), actor)
    return redirect("node-detail", pk)


def _page(request: HttpRequest, pk: str, form: WindowForm, *, status: int = 200) -> HttpResponse:
    node = get_object_or_404(queries.nodes(), pk=pk)
    skew = queries.wrong_clock(node)
    context = {
        "node": node,
        "accelerators": [
            (row, [(DETAIL_WORDS[name], text) for name, text in queries.details(row).items()])
            for row in node.accelerators.all()
        ],
        "steward": signed_in(request).is_staff,
        "clock_off": skew and abs(skew),
        "clock_ahead": skew and skew > timedelta(),
        "spans": SPANS,
        "moves": [(state, words) for state, words in MOVES.items() if _can_be(node, state)],
        "window_form": form,
    }
    return render(request, "nodes/detail.html", context, status=status)


def _can_be(node: Node, state: NodeState) -> bool:
    """What is offline is active again by itself, when it is heard of."""
    return state != node.state and not (state == NodeState.ACTIVE and node.state == NodeState.OFFLINE)
