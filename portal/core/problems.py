"""Errors at the API's edge: `application/problem+json` (RFC 9457), in words, with a stable code."""

import errno
import logging
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from portal.core.stores.trouble import WAIT_S, StoreAwayError
from portal.kit.errors import FieldError, RetryableError, UserError
from portal.kit.ids import new_id

log = logging.getLogger(__name__)
TYPE = "application/problem+json"
API = "/api"
AWAY = 503
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class ProblemSerializer(serializers.Serializer[Any]):
    """A problem, for the API's schema."""

    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable: scripts may rely on it.")
    detail = serializers.CharField(help_text="A sentence that says what to do.")
    errors = serializers.ListField(  # type: ignore[assignment] # the contract's name, also an attribute of serializers
        child=serializers.DictField(child=serializers.CharField())
    )


PROBLEM = OpenApiResponse(ProblemSerializer, description="What is wrong, in words.")


def body(
    *, status: int, code: str, detail: str, errors: tuple[FieldError, ...] = (), title: str = ""
) -> dict[str, Any]:
    """The fields of a problem as the contract names them."""
    return {
        "title": title or code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "errors": [{"field": error.field, "detail": error.detail} for error in errors],
    }


def response(*, headers: dict[str, str] | None = None, **fields: Any) -> JsonResponse:
    """A problem as an ordinary Django response, for views outside of REST framework."""
    return JsonResponse(body(**fields), status=fields["status"], content_type=TYPE, headers=headers)


def of_user_error(error: UserError) -> dict[str, Any]:
    return body(status=error.status, code=error.code, detail=error.detail, errors=error.errors)


def handle(error: Exception, _context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler. What nobody foresaw is logged with an id, and the id is what is shown."""
    fields, headers = _describe(error)
    if fields is None:
        reference = new_id()
        log.error("unexpected error %s", reference, exc_info=error)
        detail = f"Unexpected error. If you ask the stewards about it, give them this id: {reference}"
        fields = body(status=500, code="unexpected", detail=detail)
    answer = Response(fields, status=fields["status"], headers=headers, content_type=TYPE)
    answer.exception = True
    return answer


def _describe(error: Exception) -> tuple[dict[str, Any] | None, dict[str, str]]:
    if isinstance(error, UserError):
        return of_user_error(error), {"Retry-After": str(int(WAIT_S))} if error.status == AWAY else {}
    if isinstance(error, exceptions.APIException):
        return _of_api_exception(error)
    return _of_trouble(error) or (_of_django(error), {})


def _of_trouble(error: Exception) -> tuple[dict[str, Any], dict[str, str]] | None:
    """What the portal can't do now, and when to ask again; None for what is none of its own troubles."""
    if isinstance(error, StoreAwayError):
        fields = body(status=AWAY, code="no_file_store", detail=str(error))
        return fields, {"Retry-After": str(int(WAIT_S))}
    if isinstance(error, RetryableError):
        detail = "The portal is busy. Try again in a few seconds."
        return body(status=503, code="busy", detail=detail), {"Retry-After": "3"}
    if isinstance(error, (OperationalError, InterfaceError)):
        log.warning("the database does not serve: %s", error)
        detail = "The portal can't reach its database. Try again in a few seconds."
        return body(status=503, code="no_database", detail=detail), {"Retry-After": "3"}
    if isinstance(error, OSError) and error.errno in FULL:
        detail = "The machine's disk is full. Try again later, or tell a steward."
        return body(status=507, code="disk_full", detail=detail), {}
    return None


def _of_django(error: Exception) -> dict[str, Any] | None:
    if isinstance(error, Http404):
        return body(status=404, code="not_found", detail="There is no such thing, or not for you.")
    if isinstance(error, PermissionDenied):
        return body(status=403, code="permission_denied", detail=str(error) or "You may not do that.")
    if isinstance(error, RequestDataTooBig):
        detail = "The request is too large. Send files as multipart/form-data in the field “file”, or by tus."
        return body(status=413, code="too_large", detail=detail)
    if isinstance(error, UnreadablePostError):
        return body(status=400, code="interrupted", detail="The request broke off. Send it again.")
    if isinstance(error, SuspiciousOperation):
        return body(status=400, code="bad_request", detail=_sentence(error))
    return None


def _sentence(error: Exception) -> str:
    """What Django says of a request that it does not take."""
    return str(error) or "The portal can't read this request."


def _of_api_exception(error: exceptions.APIException) -> tuple[dict[str, Any], dict[str, str]]:
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        errors = tuple(_flatten(error.detail))
        detail = " ".join(f"{e.field}: {e.detail}" if e.field else e.detail for e in errors)
        return body(status=400, code="invalid", detail=detail, errors=errors), headers
    code = error.get_codes()
    text = str(error.detail)
    fields = body(status=error.status_code, code=code if isinstance(code, str) else "invalid", detail=text)
    return fields, headers


def _flatten(detail: Any, path: str = "") -> Iterator[FieldError]:
    """REST framework's nested error lists as (dotted field, sentence) pairs."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flatten(inner, f"{path}.{name}".strip("."))
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            deeper = isinstance(inner, dict | list)
            yield from _flatten(inner, f"{path}.{number}".strip(".") if deeper else path)
    else:
        yield FieldError(path, str(detail))


@csrf_exempt
def not_found(request: HttpRequest) -> JsonResponse:
    """For paths under /api that match nothing, whatever the method."""
    detail = f"There is nothing at {request.path}. The calls are listed at /api/v1/docs."
    return response(status=404, code="not_found", detail=detail)


def is_api(request: HttpRequest) -> bool:
    """Whether who asks expects a problem rather than a page."""
    return request.path == API or request.path.startswith(f"{API}/")


def bad_request_page(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of requests that it can't take (400)."""
    if is_api(request):
        return response(status=400, code="bad_request", detail=_sentence(exception))
    return defaults.bad_request(request, exception)


def not_found_page(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of what is not there (404)."""
    return not_found(request) if is_api(request) else defaults.page_not_found(request, exception)


def error_page(request: HttpRequest) -> HttpResponse:
    """Django's handler of what nobody foresaw, outside of the API's views too (500)."""
    if is_api(request):
        return response(
            status=500, code="unexpected", detail="Unexpected error. Try again, or tell the stewards."
        )
    return defaults.server_error(request)
