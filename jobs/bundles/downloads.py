"""Sending a stored file: in pieces, resumable, and not at all to who has it already.

Behind an nginx that has the store at `ACCEL` (`GRISTMILL_ACCEL`) the bytes are its to send, ranges and all, so that
slow members hold no thread of ours.
"""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from jobs.bundles import explanations, reports
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from jobs.bundles.ranges import Answer, Span, decide
from portal.core import problems, storage
from portal.core.models import Blob
from portal.core.stores.trouble import WAIT_S, StoreAwayError
from portal.kit.errors import UserError

ACCEL = "/_blobs/"
ZIP = "application/zip"
WEBP = "image/webp"
UNFIT = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]+")


def send_bundle(request: HttpRequest, bundle: Bundle) -> HttpResponseBase:
    """A bundle's zip. UserError `not_ready` while there is none."""
    if bundle.state != BundleState.READY or bundle.zip is None:
        reason = bundle.reason or _("It is still being built.")
        raise UserError(
            "not_ready", _("There is nothing to download. %(reason)s") % {"reason": reason}, status=409
        )
    return send(request, bundle.zip, filename=bundle.filename, content_type=ZIP)


def send_model(request: HttpRequest, model: TrainedModel) -> HttpResponseBase:
    """A model as the file that Keras saved, which is a zip by another name. UserError `not_ready` without one."""
    if model.keras is None:
        reason = model.reason or _("It is still being checked.")
        raise UserError(
            "not_ready", _("There is nothing to download. %(reason)s") % {"reason": reason}, status=409
        )
    return send(request, model.keras, filename=f"{model.name}.keras", content_type=ZIP)


def send_picture(model: TrainedModel, number: int) -> HttpResponse:
    """A picture of the model's report; UserError `no_picture` when there is none of that number.

    Its bytes were made from a stranger's file: shown as what they are, and cached for good, as a report never changes.
    """
    try:
        content = explanations.picture(_report_of(model), number)
    except StoreAwayError as error:
        return _away(error)
    if content is None:
        raise UserError("no_picture", _("The report has no such picture."), status=404)
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'inline; filename="{number}.webp"',
    }
    return HttpResponse(content, content_type=WEBP, headers=headers)


def _report_of(model: TrainedModel) -> bytes:
    if model.report_file is None or model.report_file.bytes > reports.MAX_BYTES:
        return b""
    with storage.open_blob(model.report_file) as file:
        return file.read()


def send(request: HttpRequest, blob: Blob, *, filename: str, content_type: str) -> HttpResponseBase:
    """The bytes of `blob` as a download named `filename`, which may be hostile text.

    ETag is the SHA-256. Answers 206 for a single `Range`, 304, 412 and 416 as RFC 9110 says.
    """
    etag = f'"{blob.sha256}"'
    answer, span = decide(request.headers, etag=etag, size=blob.bytes, is_get=request.method == "GET")
    try:
        response = _respond(request, blob, answer, span)
    except StoreAwayError as error:
        return _away(error)
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-cache"
    if answer in {Answer.WHOLE, Answer.PART}:
        response["Content-Type"] = content_type
        if "X-Accel-Redirect" not in response:
            response["Content-Length"] = str(span.length)
        response["Content-Disposition"] = (
            content_disposition_header(True, plain_name(filename)) or "attachment"
        )
    return response


def plain_name(filename: str) -> str:
    """A file name without what any file system gives a meaning to."""
    return UNFIT.sub("_", filename).strip(" .")[:150] or "download"


def _respond(request: HttpRequest, blob: Blob, answer: Answer, span: Span) -> HttpResponseBase:
    if answer is Answer.NOT_MODIFIED:
        return HttpResponse(status=304)
    if answer is Answer.PRECONDITION_FAILED:
        detail = _("The file has changed since you got its ETag. Fetch it again from the start.")
        return problems.response(status=412, code="precondition_failed", detail=detail)
    if answer is Answer.OUTSIDE:
        detail = _("The file has %(size)s bytes; the range begins after them.") % {"size": blob.bytes}
        headers = {"Content-Range": f"bytes */{blob.bytes}"}
        return problems.response(status=416, code="range_not_satisfiable", detail=detail, headers=headers)
    if request.method == "HEAD":
        return HttpResponse()
    if _is_for_nginx(request):
        return HttpResponse(headers={"X-Accel-Redirect": f"{ACCEL}{blob.sha256[:2]}/{blob.sha256}"})
    pieces = storage.read_range(blob, span.start, span.stop)
    response = StreamingHttpResponse(pieces, status=answer.value)
    if answer is Answer.PART:
        response["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{blob.bytes}"
    return response


def _is_for_nginx(request: HttpRequest) -> bool:
    """Whether nginx sends it. It would judge `If-Match` by itself, and knows our ETag too late for that."""
    return settings.ACCEL and storage.bucket() is None and "If-Match" not in request.headers


def _away(error: StoreAwayError) -> HttpResponse:
    headers = {"Retry-After": str(int(WAIT_S))}
    return problems.response(status=503, code="no_file_store", detail=str(error), headers=headers)
