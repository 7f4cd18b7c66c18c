"""A page for each node; the whole machine's is the site's."""

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from hardware.nodes import queries
from portal.members.access import signed_in

SPANS = [
    (3600, _("1 hour")),
    (24 * 3600, _("1 day")),
    (7 * 24 * 3600, _("7 days")),
    (30 * 24 * 3600, _("30 days")),
]

DETAIL_WORDS = {
    "chip": _("chip"),
    "compute_capability": _("compute capability"),
    "driver": _("driver"),
    "pci_bus": _("PCI"),
    "usb": _("USB"),
    "power_limit_w": _("watts at most"),
}


@login_required
@require_safe
def node_detail(request: HttpRequest, pk: str) -> HttpResponse:
    """What a node is, what is planned for it, and how busy it was."""
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
    }
    return render(request, "nodes/detail.html", context)
