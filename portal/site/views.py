"""The pages that gather from everywhere: home, and the machine."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobs.queue import outlook
from portal.members.models import Member
from portal.site import home as gather
from portal.site import machine as shared


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A welcome for visitors; for members their work, the machine's load and the first steps."""
    member = request.user
    if not isinstance(member, Member):
        return render(request, "site/welcome.html")
    context = {
        "room": "home",
        "jobs": gather.jobs_of(member),
        "datasets": gather.datasets_of(member),
        "first_steps": gather.first_steps(member),
        "load": shared.load_of(shared.nodes_seen_by(member)),
    }
    return render(request, "site/home.html", context)


@login_required
@require_safe
def machine(request: HttpRequest) -> HttpResponse:
    """All nodes, their accelerators and what each does now."""
    member = request.user
    assert isinstance(member, Member)  # noqa: S101 - for mypy: signed in
    nodes = shared.nodes_seen_by(member)
    context = {
        "room": "machine",
        "nodes": nodes,
        "load": shared.load_of(nodes),
        "ranges": outlook.record(),
    }
    return render(request, "site/machine.html", context)
