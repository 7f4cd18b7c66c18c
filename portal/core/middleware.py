"""What is done with every path and every method before it is routed, and with every answer after."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase

API_PREFIX = "/api/"
ADMIN_PREFIX = "/admin/"
PAGE_METHODS = ("GET", "HEAD", "POST")

Next = Callable[[HttpRequest], HttpResponse]


class PlainPaths:
    """Drops the trailing slash of API paths, so that each is routed, and documented, once. A path with a null
    character, which no database takes, leads nowhere.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info:
            raise Http404
        if request.path_info.startswith(API_PREFIX) and request.path_info.endswith("/"):
            request.path_info = request.path_info.rstrip("/")
        return self.get_response(request)


class PageMethods:
    """Pages are fetched or posted to, nothing else: Django's admin and allauth would take any other method for a
    GET. The API answers for its own methods.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in PAGE_METHODS or f"{request.path_info}/".startswith(API_PREFIX):
            return self.get_response(request)
        return HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(PAGE_METHODS)})


class ContentPolicy(CSPMiddleware):
    """The house's policy, and in the stewards' admin what its scripts need beyond it."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> Any:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(ADMIN_PREFIX) and parts.replace is None:
            parts.replace = settings.ADMIN_CONTENT_POLICY
        return parts
