"""What is done with every path before it is routed."""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse

API_PREFIX = "/api/"


class PlainPaths:
    """Drops the trailing slash of API paths, so that each is routed, and documented, once. A path with a null
    character, which no database takes, leads nowhere.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info:
            raise Http404
        if request.path_info.startswith(API_PREFIX) and request.path_info.endswith("/"):
            request.path_info = request.path_info.rstrip("/")
        return self.get_response(request)
