"""What machines ask the portal: `/healthz`, `/readyz`, and `/metrics` with the monitoring's own token.

A plain ASGI application in front of Django, so that a probe is answered whatever host it names, over plain HTTP,
without a session, past every throttle, and while all of Django's threads are busy. Nothing here tells a secret.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings

from portal.core.telemetry import logs
from portal.site import health
from portal.site.metrics import exposition

HEALTH, READY, METRICS = "/healthz", "/readyz", "/metrics"
PATIENCE_S = 8.0
OK, UNAVAILABLE, NOT_ALLOWED = 200, 503, 405
Send = Callable[[Any], Awaitable[None]]

_looking = ThreadPoolExecutor(2, thread_name_prefix="ready")
_scraping = ThreadPoolExecutor(1, thread_name_prefix="metrics")


def serves(scope: Any) -> bool:
    """Whether this application answers: `/metrics` only to its token, else it is a steward's page."""
    path = scope["path"]
    return path in {HEALTH, READY} or (path == METRICS and _has_token(scope))


def _has_token(scope: Any) -> bool:
    wanted = settings.METRICS_TOKEN.encode()
    said = dict(scope["headers"]).get(b"authorization", b"")
    scheme, _space, token = said.partition(b" ")
    return bool(wanted) and scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), wanted)


async def application(scope: Any, _receive: Any, send: Send) -> None:
    """The ASGI application."""
    path = scope["path"]
    logs.learn(route=path)
    if scope["method"] not in {"GET", "HEAD"}:
        status, kind, body = NOT_ALLOWED, "application/json", b"{}"
    elif path == METRICS:
        accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
        status, (body, kind) = OK, await _in_thread(_scraping, lambda: exposition.render(accept))
    else:
        status, kind, body = await (_alive() if path == HEALTH else _ready())
    headers = {"content-type": kind, "content-length": str(len(body)), "cache-control": "no-store"}
    headers |= {"allow": "GET, HEAD"} if status == NOT_ALLOWED else {}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _alive() -> tuple[int, str, bytes]:
    """The process answers; nothing else is asked."""
    return OK, "application/json", b'{"status": "ok"}'


async def _ready() -> tuple[int, str, bytes]:
    """Every part, or that they take too long. A part that hangs keeps no probe waiting."""
    try:
        report = await asyncio.wait_for(_in_thread(_looking, health.kept.get), PATIENCE_S)
        said, failing = report.as_json(), report.state == health.State.FAILING
    except TimeoutError:
        said, failing = {"status": "failing", "checks": {}, "detail": "The checks take too long."}, True
    return UNAVAILABLE if failing else OK, "application/json", json.dumps(said).encode()


async def _in_thread(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(pool, work)
