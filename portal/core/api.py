"""What every room's API shares: JSON in and out, pages by cursor, throttling per member."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from redis import RedisError
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from portal.core import live
from portal.kit.errors import FieldError, UserError

if TYPE_CHECKING:  # REST framework loads the throttles while it loads its views
    from rest_framework.views import APIView

WHOLE = re.compile(r"-?[0-9]{1,18}")  # what a 64-bit column holds
UNFIT = re.compile("[\0\ud800-\udfff]")


class AlwaysJson(BaseContentNegotiation):
    """The first renderer and the parser that fits; an `Accept` header never causes 406."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        kind = (request.content_type or "").split(";")[0].strip().lower()
        fitting = [parser for parser in parsers if parser.media_type == kind]
        if fitting or kind:
            return fitting[0] if fitting else None
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - REST framework's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


class JsonBody(JSONParser):
    """JSON whose texts any database and any answer can hold: no null characters, no halves of surrogate pairs."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The value. ParseError or UserError for what can't be read or kept."""
        try:
            body = super().parse(stream, media_type, parser_context)
            unfit = next(_unfit(body), None)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        if unfit is None:
            return body
        error = FieldError(unfit, "Text may not hold null characters or halves of surrogate pairs.")
        raise UserError("invalid", error.detail, errors=[error])


def _unfit(value: Any, place: str = "") -> Iterator[str]:
    """The dotted places of texts that can't be kept; of a key, the place of its object."""
    if isinstance(value, str):
        if UNFIT.search(value):
            yield place
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unfit(inner, f"{place}.{number}".strip("."))
    elif isinstance(value, dict):
        for key, inner in value.items():
            if UNFIT.search(key):
                yield place
            else:
                yield from _unfit(inner, f"{place}.{key}".strip("."))


class NewestFirst(CursorPagination):
    """Pages `{"next", "previous", "results"}` by cursor over the time-ordered id."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where the page begins. UserError `invalid` for a cursor that none of our pages named."""
        try:
            cursor: Cursor | None = super().decode_cursor(request)
        except NotFound:
            raise _bad_cursor() from None
        if cursor is not None and UNFIT.search(str(cursor.position or "")):
            raise _bad_cursor()
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What a page looks like in OpenAPI 3.1, which knows no `nullable`."""
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": address, "previous": address, "results": schema},
        }


def _bad_cursor() -> UserError:
    detail = "There is no such page. Take the cursor from `next` or `previous` of a page, or leave it out."
    return UserError("invalid", detail, errors=[FieldError("cursor", detail)])


class MemberThrottle(SimpleRateThrottle):
    """So many requests of one member (else of one address) a period, counted in fixed periods by one `INCR`.

    Without Redis nobody is held back: a limit is no reason for an outage.
    """

    safe: bool
    duration: int  # of a period, in seconds
    num_requests: int

    def applies_to(self, method: str) -> bool:
        return (method in SAFE_METHODS) is self.safe

    def get_cache_key(self, request: Request, view: "APIView") -> str:  # noqa: ARG002 - its signature too
        """Whose requests are counted together, in this period."""
        who = request.user.pk if request.user.is_authenticated else self.get_ident(request)
        return f"throttle:{self.scope}:{who}:{int(self.timer() // self.duration)}"

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if not self.applies_to(str(request.method)) or self.rate is None:
            return True
        key = self.get_cache_key(request, view)
        try:
            return _counted(key, self.duration) <= self.num_requests
        except RedisError:
            return True

    def wait(self) -> float:
        """Seconds until the next period begins."""
        return self.duration - self.timer() % self.duration


def _counted(key: str, seconds: int) -> int:
    """One more, and how many it makes. Not through Django's cache, which connects anew for each request."""
    with live.connection().pipeline(transaction=False) as pipe:
        count, _set = pipe.incr(key).expire(key, seconds).execute()  # type: ignore[attr-defined] # chains
    return int(count)


class WriteThrottle(MemberThrottle):
    """How often one member may write."""

    scope = "write"
    safe = False


class ReadThrottle(MemberThrottle):
    """How often one member may read."""

    scope = "read"
    safe = True


def whole_number(request: Request, name: str, *, default: int | None, minimum: int = 0) -> int | None:
    """A whole number from the query string; UserError `invalid` when it is none or less than `minimum`.

    An empty value is as good as none.
    """
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    if not WHOLE.fullmatch(text) or int(text) < minimum:
        error = FieldError(name, f"This must be a whole number of at least {minimum}.")
        raise UserError("invalid", f"{name}: {error.detail}", errors=[error])
    return int(text)
