"""Where a PostgreSQL server is, read from an address, as Django's settings say it."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from portal.kit.env import EnvError

SCHEMES = frozenset({"postgres", "postgresql"})
PLACE = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}


def parse(url: str) -> dict[str, Any]:
    """NAME, USER, PASSWORD, HOST, PORT and OPTIONS of `postgresql://user:password@host:5432/name?option=value`.

    A server on a Unix socket is named by its folder: `postgresql:///name?host=/run/postgresql`, or percent-encoded in
    the host's place. The query's other options go to libpq (`sslmode`, `sslrootcert`, …). EnvError when it names no
    database, or is no such address; the message does not repeat the address, which may hold a password.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in SCHEMES or not name or "/" in name:
        raise EnvError("DATABASE_URL must look like postgresql://user:password@host:5432/name.")
    account, _at, server = parts.netloc.rpartition("@")
    user, _colon, password = account.partition(":")
    host, port = _server(server)
    found = {"USER": unquote(user), "PASSWORD": unquote(password), "HOST": unquote(host), "PORT": port}
    query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    found |= {PLACE[key]: query.pop(key) for key in list(query) if key in PLACE}
    if found["PORT"] and not found["PORT"].isdigit():
        raise EnvError("The port in DATABASE_URL is not a number.")
    return {"NAME": name, **found, "OPTIONS": query}


def _server(text: str) -> tuple[str, str]:
    """Host and port; an IPv6 address stands in brackets."""
    if text.startswith("["):
        host, _bracket, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    host, _colon, port = text.partition(":")
    return host, port
