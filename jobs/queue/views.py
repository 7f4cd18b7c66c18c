"""The pages of the queue: my jobs, a new one, and one job live."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs.engine.spec import JobKind
from jobs.queue import describe, fitting, newjob, queries, services
from jobs.queue.kinds import panel_context
from jobs.queue.models import Job, Request
from jobs.queue.reasons import OPEN, Status
from jobs.queue.waiting import wait_of, with_turns
from portal.kit.errors import UserError
from portal.members.access import signed_in, signed_in_steward

PAGE = 25
STEPS = {"forward": services.STEP, "back": 1 / services.STEP}


@login_required
@require_safe
def job_list(request: HttpRequest) -> HttpResponse:
    """My jobs, newest first, by status."""
    member = signed_in(request)
    mine = Job.objects.filter(owner=member).select_related("dataset")
    status = request.GET.get("status", "")
    chosen = mine.filter(status=status) if status in Status else mine
    page = Paginator(chosen.order_by("-id"), PAGE).get_page(request.GET.get("page"))
    page.object_list = with_turns(page.object_list)
    counts = queries.count_by_status(member)
    tabs = [
        {"key": "", "title": _("All"), "count": sum(counts.values()), "current": status not in Status},
        *(
            {"key": item, "title": item.label, "count": counts[item], "current": status == item}
            for item in Status
            if counts.get(item) or status == item
        ),
    ]
    live = any(job.status in OPEN for job in page)
    return render(
        request, "queue/list.html", {"page_obj": page, "tabs": tabs, "status": status, "live": live}
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def job_new(request: HttpRequest) -> HttpResponse:
    """Pick data, recipe, parameters. By GET it draws the form for what is chosen so far; by POST it submits."""
    page = newjob.Page(signed_in(request), request.POST if request.method == "POST" else request.GET)
    if request.method == "POST" and (job := page.submit()):
        return redirect("job-detail", job.pk)
    status = 400 if request.method == "POST" else 200
    return render(request, "queue/new.html", page.context(), status=status)


@login_required
@require_safe
def job_detail(request: HttpRequest, job_id: str) -> HttpResponse:
    return render(request, "queue/detail.html", _context(_job(request, job_id)))


@login_required
@require_safe
def job_panel(request: HttpRequest, job_id: str) -> HttpResponse:
    """The part of the page that changes with the job's status, and its history out of band."""
    return render(request, "queue/_panel.html", {**_context(_job(request, job_id)), "oob": True})


@login_required
@require_POST
def job_cancel(request: HttpRequest, job_id: str) -> HttpResponse:
    return _act(request, job_id, services.cancel_job)


@login_required
@require_POST
def job_stop(request: HttpRequest, job_id: str) -> HttpResponse:
    return _act(request, job_id, services.stop_job)


@login_required
@require_POST
def job_requeue(request: HttpRequest, job_id: str) -> HttpResponse:
    """Have it wait again, or submit it anew; then the page is the new one's."""
    job, actor = _job(request, job_id), signed_in_steward(request)
    try:
        job = services.requeue_job(job=job, actor=actor)
    except UserError as error:
        messages.error(request, error.detail)
    return redirect("job-detail", job.pk)


@login_required
@require_POST
def job_raise(request: HttpRequest, job_id: str) -> HttpResponse:
    """Bring it `to` the front, or hold it back, by one step."""
    job, actor = _job(request, job_id), signed_in_steward(request)
    try:
        if factor := STEPS.get(request.POST.get("to", "")):
            services.raise_job(job=job, factor=factor, actor=actor)
    except UserError as error:
        messages.error(request, error.detail)
    return redirect("job-detail", job_id)


def _act(request: HttpRequest, job_id: str, act: Any) -> HttpResponse:
    try:
        act(job=_job(request, job_id), actor=signed_in(request))
    except UserError as error:
        messages.error(request, error.detail)
    return redirect("job-detail", job_id)


def _job(request: HttpRequest, job_id: str) -> Job:
    return get_object_or_404(queries.with_details(queries.visible_to(signed_in(request))), pk=job_id)


def _context(job: Job) -> dict[str, Any]:
    log, offset = queries.log_tail(job)
    return {
        "job": job,
        "can_control": job.status in OPEN,  # whoever sees a job is its owner or a steward
        "can_requeue": _can_requeue(job),
        "asked_stop": job.request in {Request.CANCEL, Request.STOP},
        "sentence": describe.sentence(job),
        "wait": wait_of(job) if job.status == Status.QUEUED and not job.request else None,
        "asked": describe.asked(job),
        "fit_rows": fitting.rows(job.fit),
        "attempts": job.attempts.all(),
        "events": queries.events_of(job),
        "log_tail": log,
        "log_offset": offset,
        **panel_context(job),
    }


def _can_requeue(job: Job) -> bool:
    """Whether there is something for a steward to queue again: see `services.requeue_job`."""
    if job.status in {Status.STARTING, Status.RUNNING}:
        return not job.request
    return job.status in {Status.FAILED, Status.CANCELLED} and job.kind == JobKind.TRAIN
