"""Who asks, outside of Django's own request cycle: found by what a connection's headers carry."""

import io
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import parse_cookie

from portal.members import tokens
from portal.members.models import Member


def headers_of(scope: Any) -> dict[bytes, bytes]:
    return dict(scope["headers"])


def member_of(scope: Any) -> Member | None:
    """The member whose token or session the headers carry, if it is in force now. It says nothing of CSRF.

    For threads of the event loop's: it takes a database connection and leaves none behind that is broken.
    """
    close_old_connections()
    try:
        headers = headers_of(scope)
        if header := headers.get(b"authorization"):
            token = tokens.find_by_header(header.decode("latin-1"))
            return token.user if token else None
        return _by_session(headers.get(b"cookie", b"").decode("latin-1"))
    finally:
        close_old_connections()


def _by_session(cookies: str) -> Member | None:
    key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    request = ASGIRequest({"type": "http", "method": "GET", "path": "/", "headers": []}, io.BytesIO())
    request.session = SessionStore(key)
    user = get_user(request)
    return user if isinstance(user, Member) else None
