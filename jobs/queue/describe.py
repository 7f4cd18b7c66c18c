"""A job in words: for its page."""

from typing import Any

from django.utils.translation import gettext as _

from jobs.engine.recipes.registry import RECIPES
from jobs.queue.models import Job, Request
from jobs.queue.reasons import EndReason, Status


def sentence(job: Job) -> str:
    """Where the job is, in a sentence."""
    if job.status in {Status.FAILED, Status.CANCELLED}:
        return job.message or str(EndReason(job.end_reason).label)
    if job.request == Request.CANCEL:
        return _("It is being cancelled: it saves its state and ends.")
    if job.request == Request.STOP:
        return _("It is being stopped: the best model so far is evaluated and kept.")
    return {
        Status.QUEUED: _("It waits for its turn. Nothing is lost if you close this page."),
        Status.STARTING: _("It was sent to %(node)s and is about to begin.") % {"node": node_of(job)},
        Status.RUNNING: _("It runs on %(node)s.") % {"node": node_of(job)},
        Status.SUCCEEDED: _("It finished."),
    }[Status(job.status)]


def node_of(job: Job) -> str:
    """The node of the newest attempt."""
    attempts = list(job.attempts.all())
    return attempts[-1].node_name if attempts else "–"


def asked(job: Job) -> list[tuple[str, Any]]:
    """Parameters and resources by the names people know them by; what was left open is left out."""
    recipe = RECIPES.get(job.recipe)
    titles = recipe.params_schema()["properties"] if recipe else {}
    given = {**(job.spec.get("params") or {}), **(job.spec.get("resources") or {})}
    rows = [(titles.get(name, {}).get("title") or name, _word(value)) for name, value in given.items()]
    rows.append((_("Targets"), ", ".join(job.spec.get("targets") or [])))
    rows.append((_("Made to fit"), _("yes") if job.spec.get("fit") else ""))
    return [(title, value) for title, value in rows if value not in (None, "")]


def _word(value: Any) -> Any:
    return {True: _("yes"), False: _("no")}[value] if isinstance(value, bool) else value
