"""The pages of datasets: the list, a new one, one of them, and what was derived from a version."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs.datasets import findings, queries, registry, services, versions
from jobs.datasets.api import take_file
from jobs.datasets.forms import NewDatasetForm, NewVersionForm
from jobs.datasets.models import Dataset, Task, Version, VersionFile, VersionState
from portal.core import storage
from portal.core.stores.trouble import StoreAwayError
from portal.kit.errors import UserError
from portal.members.access import signed_in

PAGE = 25
PREVIEW = "preview.json"
SHOWN_TYPES = {".webp": "image/webp", ".json": "application/json"}
LATEST = 10**9
DIGITS = 9  # of the longest version number


@login_required
@require_safe
def dataset_list(request: HttpRequest) -> HttpResponse:
    """The datasets I may see, newest first, each with its newest version."""
    page = Paginator(queries.listed_for(signed_in(request)), PAGE).get_page(request.GET.get("page"))
    newest = queries.newest_versions([dataset.pk for dataset in page.object_list])
    for dataset in page.object_list:
        dataset.latest = newest.get(dataset.pk)
    live = any(version.state == VersionState.VALIDATING for version in newest.values())
    return render(request, "datasets/list.html", {"page_obj": page, "live": live})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_new(request: HttpRequest) -> HttpResponse:
    """A new dataset with its first file. The page's script sends both through the API; this is the way
    without it.
    """
    form = NewDatasetForm(signed_in(request), request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (made := _made(request, form)):
        return redirect("dataset-detail", made.pk)
    context = {"form": form, "max_bytes": settings.UPLOAD_MAX_BYTES}
    return render(request, "datasets/new.html", context, status=400 if request.method == "POST" else 200)


def _made(request: HttpRequest, form: NewDatasetForm) -> Dataset | None:
    """The dataset, unless something is wrong: then all is undone, and the form says it."""
    given = dict(form.cleaned_data)
    file, column = given.pop("file"), given["label_column"]
    try:
        with transaction.atomic():
            known = {name: value for name, value in given.items() if value}
            dataset = services.create_dataset(owner=signed_in(request), **known)
            take_file(dataset=dataset, file=file, label_column=column, actor=dataset.owner)
    except UserError as error:
        form.show(error)
        return None
    return dataset


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def version_new(request: HttpRequest, dataset_id: str) -> HttpResponse:
    """Another file for a dataset."""
    member, posted = signed_in(request), request.method == "POST"
    dataset = queries.changeable_by(member, dataset_id)
    form = NewVersionForm(
        dataset.task,
        dataset.label_column,
        request.POST if posted else None,
        request.FILES if posted else None,
    )
    if posted and form.is_valid():
        try:
            column, file = form.cleaned_data.get("label_column", ""), form.cleaned_data["file"]
            version = take_file(dataset=dataset, file=file, label_column=column, actor=member)
        except UserError as error:
            form.show(error)
        else:
            return _to(version)
    context = {"dataset": dataset, "form": form, "max_bytes": settings.UPLOAD_MAX_BYTES}
    return render(request, "datasets/new_version.html", context, status=400 if posted else 200)


def _to(version: Version) -> HttpResponse:
    answer = redirect("dataset-detail", version.dataset_id)
    answer["Location"] += f"?version={version.number}"
    return answer


@login_required
@require_POST
def version_again(request: HttpRequest, dataset_id: str, number: int) -> HttpResponse:
    """The same file as a new version, with another label column."""
    member = signed_in(request)
    queries.changeable_by(member, dataset_id)
    version = queries.version_for(member, dataset_id, number)
    try:
        column = request.POST.get("label_column", "")
        made = versions.with_label_column(version=version, label_column=column, actor=member)
    except UserError as error:
        messages.error(request, error.detail)
        return _to(version)
    return _to(made)


@login_required
@require_safe
def dataset_detail(request: HttpRequest, dataset_id: str) -> HttpResponse:
    """One dataset, at its newest version or the one asked for."""
    dataset = queries.dataset_for(signed_in(request), dataset_id)
    numbers = sorted(dataset.versions.all(), key=lambda version: -version.number)
    asked = request.GET.get("version", "")
    wanted = int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= DIGITS else LATEST
    number = next(
        (one.number for one in numbers if one.number == wanted), numbers[0].number if numbers else None
    )
    context = {"dataset": dataset, "versions": numbers, "in_use": registry.in_use(dataset), "version": None}
    if number is not None:
        context |= _version_context(request, dataset, number)
    return render(request, "datasets/detail.html", context | {"can_edit": _can_edit(request, dataset)})


def _can_edit(request: HttpRequest, dataset: Dataset) -> bool:
    return queries.may_change(signed_in(request), dataset)


def _version_context(request: HttpRequest, dataset: Dataset, number: int) -> dict[str, Any]:
    version = queries.version_for(signed_in(request), dataset.pk, number)
    return {
        "dataset": dataset,
        "version": version,
        "preview": _preview(version),
        "can_edit": _can_edit(request, dataset),
        "label_columns": _possible_labels(version),
    }


def _preview(version: Version) -> Mapping[str, Any] | None:
    """The stored preview, as far as it is what it should be."""
    file = version.files.filter(name=PREVIEW).select_related("blob").first()
    if file is None:
        return None
    try:
        with storage.open_blob(file.blob) as content:
            return findings.preview(content.read())
    except StoreAwayError:  # the rest of the page does without
        return None


def _possible_labels(version: Version) -> list[str]:
    """The columns that could be foretold instead."""
    if version.dataset.task == Task.IMAGE_CLASSIFICATION:
        return []
    columns = version.report.get("columns") or []
    return [column["name"] for column in columns if column.get("role") != "label"]


@login_required
@require_safe
def version_panel(request: HttpRequest, dataset_id: str, number: int) -> HttpResponse:
    """The part of the page that changes while a version is being checked."""
    dataset = queries.dataset_for(signed_in(request), dataset_id)
    return render(request, "datasets/_version.html", _version_context(request, dataset, number))


@login_required
@require_safe
def version_file(request: HttpRequest, dataset_id: str, number: int, name: str) -> HttpResponseBase:
    """A thumbnail strip or the preview. Their bytes were made from a stranger's file: shown as what they are
    called, never guessed at, and cached for good, since a version never changes.
    """
    version = queries.version_for(signed_in(request), dataset_id, number)
    kind = next((kind for ending, kind in SHOWN_TYPES.items() if name.endswith(ending)), None)
    file = VersionFile.objects.filter(version=version, name=name).select_related("blob").first()
    if kind is None or file is None:
        raise Http404
    try:
        content = storage.open_blob(file.blob)
    except StoreAwayError as error:
        return HttpResponse(str(error), status=503, content_type="text/plain", headers={"Retry-After": "5"})
    answer = FileResponse(content, content_type=kind)
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, max-age=31536000, immutable"
    answer["Content-Disposition"] = content_disposition_header(as_attachment=False, filename=name) or "inline"
    return answer


@login_required
@require_POST
def dataset_delete(request: HttpRequest, dataset_id: str) -> HttpResponse:
    """Delete a dataset, or say why not."""
    member = signed_in(request)
    dataset = queries.dataset_for(member, dataset_id)
    try:
        services.delete_dataset(dataset=dataset, actor=member)
    except UserError as error:
        messages.error(request, error.detail)
        return redirect("dataset-detail", dataset.pk)
    messages.success(request, _("“%(name)s” was deleted.") % {"name": dataset.name})
    return redirect("dataset-list")
