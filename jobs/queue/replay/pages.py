"""The stewards' page of replays: what to try, what came of it, and those before."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs.queue.models import Replay, Trial
from jobs.queue.replay import services, text
from jobs.queue.replay.forms import ReplayForm
from jobs.scheduler.replay import settings
from portal.kit.errors import UserError
from portal.members.access import signed_in_steward

PAST = 20


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def replays(request: HttpRequest) -> HttpResponse:
    """The form and the newest replay; by POST another one begins."""
    actor = signed_in_steward(request)
    if request.method != "POST":
        return _page(request, ReplayForm(), Replay.objects.select_related("asked_by").first())
    form = ReplayForm(request.POST)
    if form.is_valid():
        try:
            made = services.ask(form.wish(), actor=actor)
        except UserError as error:
            form.add_error(None, error.detail)
        else:
            services.send(made)
            return redirect("replay-detail", made.pk)
    return _page(request, form, None, status=400)


@login_required
@require_safe
def replay_detail(request: HttpRequest, pk: str) -> HttpResponse:
    signed_in_steward(request)
    found = get_object_or_404(Replay.objects.select_related("asked_by"), pk=pk)
    return _page(request, ReplayForm(initial=_typed(found)), found)


@login_required
@require_POST
def replay_again(request: HttpRequest, pk: str) -> HttpResponse:
    """Begin once more with one that was lost or failed."""
    actor = signed_in_steward(request)
    found = get_object_or_404(Replay, pk=pk)
    try:
        services.again(found, actor=actor)
        services.send(found)
    except UserError as error:
        messages.error(request, error.detail)
    return redirect("replay-detail", found.pk)


def _page(request: HttpRequest, form: ReplayForm, found: Replay | None, *, status: int = 200) -> HttpResponse:
    given = {
        "form": form,
        "replay": found,
        "report": _report(found) if found and found.state == Trial.DONE else None,
        "past": Replay.objects.select_related("asked_by").defer("result", "facts")[:PAST],
        "there_is": settings.there_is(),
    }
    return render(request, "queue/replay.html", given, status=status)


def _typed(found: Replay) -> dict[str, Any]:
    """What was asked for, to be changed and asked again."""
    return {"days": found.days, "others": "\n".join(found.changes), "added": " ".join(found.added)}


def _report(found: Replay) -> dict[str, Any]:
    """The result with what the page draws of it."""
    result = found.result
    most = max((abs(line["change_s"]) for line in result["lines"]), default=0.0) or 1.0
    lines = [_drawn(line, most) for line in result["lines"]]
    return {
        **result,
        "lines": lines,
        "whole": _drawn(result["whole"], most),
        "trust": text.trust(result["trust"]),
    }


def _drawn(line: Mapping[str, Any], most: float) -> dict[str, Any]:
    """With its change in words, and its bar: to the right of the middle who waits longer, to the left who waits
    shorter, in percent of the whole width.
    """
    change = line["change_s"] or 0.0
    width = min(50.0, 50.0 * abs(change) / most)
    start = 50.0 if change > 0 else 50.0 - width
    words = {"change": text.change(line["change_s"]), "word": text.verdict(line["verdict"])}
    return {**line, **words, "start": start, "width": width, "fill": 1 if change > 0 else 2}
