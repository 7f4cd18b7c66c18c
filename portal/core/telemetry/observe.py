"""Around everything that the web process serves: an id for each request, a line in the log, and the figures."""

import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import LazyObject, empty

from portal.core.telemetry import instruments, logs
from portal.kit.ids import new_id

access = logging.getLogger("gristmill.access")
HEADER = b"x-request-id"
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
QUIET = ("/static/", "/healthz", "/readyz", "/metrics")  # asked for all the time: no lines unless at DEBUG
NOWHERE = "(none)"  # the route of what no pattern matches
FAILED, GAVE_UP = 500, 499
Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Observed:
    """An ASGI application that answers as `inner` does, and is watched.

    The id of a request is the caller's `X-Request-ID` where that is a sane one (so that a proxy's log and ours fit
    together), else made here; it goes back in the answer. Neither a query nor a secret in a path is ever logged.
    """

    def __init__(self, inner: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.inner(scope, receive, send)
            return
        with logs.about(request_id=_request_id(scope)) as facts:
            watched = _Exchange(scope, send, facts)
            await watched.run(self.inner, receive)


class _Exchange:
    """One request, or one websocket from its opening to its end."""

    def __init__(self, scope: Scope, send: Send, facts: dict[str, Any]) -> None:
        self.scope, self.facts, self._send = scope, facts, send
        self.is_socket = scope["type"] == "websocket"
        self.started = time.monotonic()
        self.status = 0
        self.is_open = False

    async def run(self, inner: Callable[[Scope, Receive, Send], Awaitable[None]], receive: Receive) -> None:
        try:
            await inner(self.scope, receive, self._tell)
        except Exception:
            self.status = self.status or FAILED
            raise
        finally:
            self._over()

    async def _tell(self, message: Any) -> None:
        """Pass on what is answered, having noted its beginning."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            own = (HEADER, self.facts["request_id"].encode("ascii"))
            message = {**message, "headers": [*message.get("headers", ()), own]}
        elif kind == "websocket.accept":
            self.status, self.is_open = 101, True
            instruments.websockets.inc()
        elif kind == "websocket.close" and not self.is_open:
            self.status = 403
        await self._send(message)

    def _over(self) -> None:
        if self.is_open:
            instruments.websockets.dec()
        seconds = time.monotonic() - self.started
        status = self.status or GAVE_UP
        if not self.is_socket:
            route = self.facts.get("route") or _route_outside(self.scope["path"])
            instruments.count(route=route, method=self.scope["method"], status=status, seconds=seconds)
        self._log(status, seconds)

    def _log(self, status: int, seconds: float) -> None:
        path = self.scope["path"]
        level = logging.DEBUG if path.startswith(QUIET) and status < FAILED else logging.INFO
        method = "WEBSOCKET" if self.is_socket else self.scope["method"]
        milliseconds = round(seconds * 1000, 1)
        extra = {"method": method, "path": path, "status": status, "duration_ms": milliseconds}
        access.log(level, "%s %s %d %.1f ms", method, _plain(path), status, milliseconds, extra=extra)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER and SANE.fullmatch(said := value.decode("latin-1")):
            return str(said)
    return new_id()


def _plain(path: str) -> str:
    """A path that can't break the line it stands in."""
    return path.encode("unicode_escape").decode("ascii")


def _route_outside(path: str) -> str:
    """The route of what never reached Django's table of addresses."""
    return "static" if path.startswith("/static/") else NOWHERE


class Noted:
    """Django's part: tells the observer by which pattern the address was found, for which job, and who asked.

    Who asked is taken from what the view found out; a page that needs no session is not made to read one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        user: Any = request.__dict__.get("user")
        if isinstance(user, LazyObject) and user.__dict__.get("_wrapped", empty) is empty:
            return response
        logs.learn(member=getattr(user, "pk", None))
        return response

    def process_view(
        self, request: HttpRequest, _view: Any, _args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        match = request.resolver_match
        logs.learn(route=f"/{match.route}" if match else NOWHERE)
        if (job := str(kwargs.get("job_id", ""))[:26]).isalnum():
            logs.learn(job=job)
