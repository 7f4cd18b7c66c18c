"""The pages of what members take home: their models, and the bundles of each."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from hardware.targets.registry import TARGETS
from jobs.bundles import downloads, queries, services
from portal.kit.errors import UserError
from portal.members.models import Member

PER_PAGE = 25


@login_required
@require_safe
def model_list(request: HttpRequest) -> HttpResponse:
    """The member's own models, newest first, with their bundles and what else can be built."""
    mine = queries.with_bundles(queries.visible_models(_me(request)).filter(owner=_me(request)))
    page = Paginator(mine, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "bundles/model_list.html", {"page": page, "targets": list(TARGETS.values())})


@login_required
@require_POST
def bundle_build(request: HttpRequest, pk: str) -> HttpResponse:
    """Ask for a bundle of a model for the target in the form."""
    model = get_object_or_404(queries.visible_models(_me(request)), pk=pk)
    try:
        bundle, made = services.request_bundle(model=model, target=request.POST.get("target", ""))
    except UserError as error:
        messages.error(request, error.detail)
        return redirect("model-list")
    text = _("The bundle is being built.") if made else _("That bundle is there already, or being built.")
    messages.success(request, text)
    return redirect("job-detail", bundle.job_id) if made and bundle.job_id else redirect("model-list")


@login_required
@require_safe
def bundle_download(request: HttpRequest, pk: str) -> HttpResponseBase:
    """The zip, for the browser."""
    bundle = get_object_or_404(queries.visible_bundles(_me(request)), pk=pk)
    try:
        return downloads.send_bundle(request, bundle)
    except UserError as error:
        messages.error(request, error.detail)
        return redirect("model-list")


@login_required
@require_safe
def model_keras(request: HttpRequest, pk: str) -> HttpResponseBase:
    """The model as Keras saved it, for the browser."""
    return downloads.send_model(request, get_object_or_404(queries.visible_models(_me(request)), pk=pk))


def _me(request: HttpRequest) -> Member:
    return cast("Member", request.user)
