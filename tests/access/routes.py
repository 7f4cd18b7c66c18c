"""Every address that the portal answers at, read from its own tables: nothing here is kept by hand."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from jobs.queue.urls import websockets


def _walk(patterns: Iterable[Any], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield route


def routes() -> list[str]:
    """Every route of Django's, each once, as the URL table writes it."""
    return list(dict.fromkeys(_walk(get_resolver().url_patterns)))


def sockets() -> list[str]:
    """Every route of a websocket."""
    return [str(route.pattern) for route in websockets]
