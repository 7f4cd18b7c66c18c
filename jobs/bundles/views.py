"""The pages of what members take home: their models, and the bundles of each."""

from typing import Any

from csp.constants import SELF, WASM_UNSAFE_EVAL
from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hardware.targets.registry import TARGETS
from jobs.bundles import bringing, downloads, evaluating, inside, queries, services
from jobs.bundles.forms import BringForm, take_model
from jobs.bundles.models import BundleState, ModelState, TrainedModel
from jobs.queue.newjob import newest_ready
from jobs.queue.queries import visible_to
from portal.core import problems
from portal.core.shield import permissions
from portal.core.stores.trouble import StoreAwayError
from portal.kit.errors import UserError
from portal.members.access import signed_in

PER_PAGE = 25
BROWSER = "browser"
TEXT = "text/plain; charset=utf-8"


@login_required
@require_safe
def model_list(request: HttpRequest) -> HttpResponse:
    """The member's own models, newest first, with their bundles and what else can be built."""
    mine = queries.with_bundles(queries.visible_models(signed_in(request)).filter(owner=signed_in(request)))
    page = Paginator(mine, PER_PAGE).get_page(request.GET.get("page"))
    live = any(
        model.state == ModelState.CHECKING
        or any(row.state == BundleState.BUILDING for row in model.bundle_rows)
        for model in page
    )
    return render(request, "bundles/list.html", {"page_obj": page, "live": live})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def model_new(request: HttpRequest) -> HttpResponse:
    """Bring a model of one's own. By GET it suggests the labels of the dataset that was chosen."""
    member, posted = signed_in(request), request.method == "POST"
    form = BringForm(
        newest_ready(member), request.POST if posted else None, request.FILES if posted else None
    )
    form.suggest(request.GET.get("dataset", ""))
    if posted and form.is_valid():
        try:
            take_model(owner=member, file=form.cleaned_data["file"], offer=form.offer())
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, _("Your model is being checked."))
            return redirect("model-list")
    return render(request, "bundles/new.html", {"form": form}, status=400 if posted else 200)


@login_required
@require_POST
def model_delete(request: HttpRequest, pk: str) -> HttpResponse:
    """Delete a model that was brought, or say why not."""
    member = signed_in(request)
    model = get_object_or_404(queries.visible_models(member), pk=pk)
    try:
        bringing.delete_model(model=model, actor=member)
    except UserError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("“%(name)s” was deleted.") % {"name": model.name})
    return redirect("model-list")


@login_required
@require_POST
def bundle_build(request: HttpRequest, pk: str) -> HttpResponse:
    """Ask for a bundle of a model for the target in the form; `contained` counts where the target knows it."""
    member, name = signed_in(request), request.POST.get("target", "")
    model = get_object_or_404(queries.visible_models(member), pk=pk)
    holds = name in TARGETS and TARGETS[name].holds_model and "contained" in request.POST
    try:
        bundle, made = services.request_bundle(
            model=model, target=name, options={"contained": holds}, actor=member
        )
    except UserError as error:
        messages.error(request, error.detail)
        return _back(request, model)
    text = _("The bundle is being built.") if made else _("That bundle is there already, or being built.")
    messages.success(request, text)
    return _back(request, bundle.model)


@login_required
@require_safe
def bundle_download(request: HttpRequest, pk: str) -> HttpResponseBase:
    """The zip, for the browser."""
    bundle = get_object_or_404(queries.visible_bundles(signed_in(request)), pk=pk)
    try:
        return downloads.send_bundle(request, bundle)
    except UserError as error:
        messages.error(request, error.detail)
        return redirect("model-list")


@login_required
@require_safe
# LiteRT.js is WebAssembly; no other page may run any. (The decorator's types know no views with arguments.)
@csp_update({"script-src": [SELF, WASM_UNSAFE_EVAL]})  # type: ignore[arg-type]
def model_try(request: HttpRequest, pk: str) -> HttpResponse:
    """Where a model answers in the browser, by the files of one of its bundles; or how it gets one."""
    model = get_object_or_404(queries.visible_models(signed_in(request)), pk=pk)
    bundle = None if model.is_sound else queries.to_try(model)  # the page's script reads pictures and tables
    building = model.bundles.filter(state=BundleState.BUILDING)
    context = {
        "model": model,
        "bundle": bundle,
        "browser": TARGETS[BROWSER].title,
        "waiting": not model.is_sound and (building.filter(target=BROWSER) if bundle else building).exists(),
        "offered": any(target.name == BROWSER for target in model.buildable),
    }
    if bundle is None:
        return render(request, "bundles/try.html", context)
    try:
        response = render(request, "bundles/try.html", {**context, "manifest": inside.manifest(bundle)})
    except StoreAwayError as error:
        messages.error(request, str(error))
        return redirect("model-list")
    response["Permissions-Policy"] = permissions("camera")
    if request.htmx:  # type: ignore[attr-defined] # the page waited for this bundle: it needs its scripts now
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_safe
def bundle_file(request: HttpRequest, pk: str, name: str) -> HttpResponse:
    """One file of a ready bundle, for the page that tries it out."""
    bundle = get_object_or_404(queries.visible_bundles(signed_in(request)), pk=pk)
    try:
        content = inside.read(bundle, name)
    except (UserError, StoreAwayError) as error:
        return problems.response(**_trouble(error))
    headers = {"Content-Disposition": "attachment", "Cache-Control": "private, max-age=3600"}
    return HttpResponse(content, content_type="application/octet-stream", headers=headers)


@login_required
@require_POST
def bundle_evaluate(request: HttpRequest, pk: str) -> HttpResponse:
    """Have a board that is plugged in run the bundle's test split; then the page is the job's."""
    member = signed_in(request)
    bundle = get_object_or_404(queries.to_evaluate(member), pk=pk)
    try:
        job = evaluating.request_evaluation(bundle=bundle, actor=member)
    except UserError as error:
        messages.error(request, error.detail)
        return _back(request, bundle.model)
    return redirect("job-detail", job.pk)


@login_required
@require_safe
def evidence(request: HttpRequest, job_id: str, name: str) -> HttpResponseBase:
    """What the tools of a job's build said, or the vector on which two stages of a proof differ."""
    job = get_object_or_404(visible_to(signed_in(request)), pk=job_id)
    kept = get_object_or_404(job.artefacts.select_related("blob"), name=name)
    content_type = TEXT if name == queries.TOOLS_LOG else "application/octet-stream"
    return downloads.send(request, kept.blob, filename=f"{job.name} {name}", content_type=content_type)


def _trouble(error: UserError | StoreAwayError) -> dict[str, Any]:
    if isinstance(error, StoreAwayError):
        return {"status": 503, "code": "no_file_store", "detail": str(error)}
    return {"status": error.status, "code": error.code, "detail": error.detail}


@login_required
@require_safe
def model_keras(request: HttpRequest, pk: str) -> HttpResponseBase:
    """The model as Keras saved it, for the browser."""
    model = get_object_or_404(queries.visible_models(signed_in(request)), pk=pk)
    try:
        return downloads.send_model(request, model)
    except UserError as error:
        messages.error(request, error.detail)
        return redirect("model-list")


@login_required
@require_safe
def model_picture(request: HttpRequest, pk: str, number: int) -> HttpResponse:
    """A picture of a model's report, for the browser."""
    model = get_object_or_404(
        queries.visible_models(signed_in(request)).select_related("report_file").defer("report"), pk=pk
    )
    try:
        return downloads.send_picture(model, number)
    except UserError as error:
        raise Http404 from error


def _back(request: HttpRequest, model: TrainedModel) -> HttpResponse:
    """To the page that the form was on: the model's job, where it is tried out, or the list."""
    if request.POST.get("from") == "try":
        return redirect("model-try", model.pk)
    if request.POST.get("from") == "job" and model.job_id:
        return redirect("job-detail", model.job_id)
    return redirect("model-list")
