"""The web process: Django for pages and the API, tus beside it for uploads, Channels for websockets.

Django runs through its WSGI door, in threads that live on: through its own ASGI door every request gets a new thread,
and with it a new connection to the database, which costs twice the processor time (measured on submissions).
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
THREADS = 32  # for pages and the API; uploads by tus hold none
BULK_THREADS = 16  # for what is large: bodies of one request, and downloads
# Loads the rooms, so the imports below come after it.
pages: Any = get_wsgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.db import database_sync_to_async  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import WebsocketDenier  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import re_path  # noqa: E402

from jobs.datasets import tus  # noqa: E402
from jobs.queue.urls import websockets  # noqa: E402
from portal.core.shield import Shielded  # noqa: E402
from portal.core.telemetry.observe import Observed  # noqa: E402
from portal.members import tokens  # noqa: E402
from portal.members.watch import Watched  # noqa: E402
from portal.site import probes  # noqa: E402
from portal.site.door import Door  # noqa: E402

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
django = Door(pages, threads=THREADS, bulk=BULK_THREADS)
HSTS = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload" if settings.HTTPS else ""


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """Probes are answered whatever Django does; uploads in pieces go to tus, which reads bodies as they come;
    everything else to Django.
    """
    if probes.serves(scope):
        await probes.application(scope, receive, send)
    else:
        await (tus.application if tus.serves(scope["path"]) else django)(scope, receive, send)


def _is_ours(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the page that opens the socket is the portal's own. Browsers always name it; scripts need not."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    return not origin or origin.partition("://")[2] == host or origin in settings.CSRF_TRUSTED_ORIGINS


class SessionOrToken:
    """Puts the member into a websocket's scope: by `Authorization: Token …`, else by the browser's session.

    A browser sends its cookies for any page, so with them the page must be one of ours; a token is sent by nobody
    unasked.
    """

    def __init__(self, inner: Any) -> None:
        self.by_token = inner
        self.by_session = AuthMiddlewareStack(inner)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        header = headers.get(b"authorization")
        if header is None:
            door: Any = self.by_session if _is_ours(headers) else WebsocketDenier()
            await door(scope, receive, send)
            return
        token = await database_sync_to_async(tokens.find_by_header)(header.decode("latin-1"))
        if token is None:
            await WebsocketDenier()(scope, receive, send)
            return
        await self.by_token({**scope, "user": token.user}, receive, send)


_nowhere: Any = WebsocketDenier()
_sockets = SessionOrToken(Watched(URLRouter([*websockets, re_path("", _nowhere)])))
application = Observed(
    Shielded(
        ProtocolTypeRouter({"http": http, "websocket": _sockets}), more={"strict-transport-security": HSTS}
    )
)
