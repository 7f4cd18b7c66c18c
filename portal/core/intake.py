"""What a caller sends, and how fast they take what is sent back: nobody may hold a thread by being slow.

Small bodies are here whole before a thread is taken. Of larger ones the inlet sees to it that they stay within what
was allowed and keep coming; of answers the outlet sees to it that they are taken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from portal.kit.errors import UserError

SMALL_BYTES = 256 * 1024
IDLE_S = 20.0
GRACE_S = 30.0
LEAST_BYTES_S = 1024  # slower than this, once the time of grace is over, nobody is
STALLED_S = 60.0
PIECE = 64 * 1024
TOO_LARGE, TOO_SLOW = 413, 408

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class BodyBroken(ConnectionError):  # noqa: N818 - Django makes of it that the request can't be read
    """The rest of the body will not come."""


def announced(headers: Mapping[bytes, bytes]) -> int | None:
    """How many bytes the body has; None when only its end will tell."""
    if b"transfer-encoding" in headers:
        return None
    text = headers.get(b"content-length", b"0").decode("latin-1")
    return int(text) if text.isascii() and text.isdigit() else 0


def too_large(most: int) -> UserError:
    detail = _("The request is larger than the %(most)d bytes that are taken here.") % {"most": most}
    return UserError("too_large", detail, status=TOO_LARGE)


class Inlet:
    """`receive` for a body of at most `most` bytes. When more comes, or too slowly, it raises BodyBroken, and
    `refusal` says why.
    """

    def __init__(self, receive: Receive, *, most: int) -> None:
        self.most, self.refusal = most, None if most >= 0 else too_large(0)
        self._receive = receive
        self.taken, self._waited = 0, 0.0
        self._kept: list[Any] = []

    async def __call__(self) -> Any:
        return self._kept.pop(0) if self._kept else await self._next()

    async def _next(self) -> Any:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(IDLE_S):
                message = await self._receive()
        except TimeoutError:
            raise self._broken(_too_slow()) from None
        if message["type"] != "http.request":
            raise BodyBroken
        self._waited += clock() - began
        self.taken += len(message.get("body", b""))
        if self.taken > self.most:
            raise self._broken(too_large(self.most))
        if self.taken < LEAST_BYTES_S * (self._waited - GRACE_S):
            raise self._broken(_too_slow())
        return message

    def _broken(self, refusal: UserError) -> BodyBroken:
        self.refusal = refusal
        return BodyBroken(refusal.detail)

    async def first(self, size: int) -> bool:
        """Have the first `size` bytes here, to be given out later; whether that is the whole body."""
        while self.taken <= size:
            message = await self._next()
            self._kept.append(message)
            if not message.get("more_body", False):
                return True
        return False


def _too_slow() -> UserError:
    return UserError("too_slow", _("The request's body came too slowly. Send it again."), status=TOO_SLOW)


class Outlet:
    """`send` for an answer that has to be taken: who takes nothing for a minute is sent nothing more, so that
    whoever makes the answer comes to its end.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = self.stalled = False

    async def __call__(self, message: Any) -> None:
        self.started = True
        body = message.get("body", b"")
        if len(body) <= PIECE:
            await self._piece(message)
            return
        for start in range(0, len(body), PIECE):
            rest = start + PIECE < len(body)
            more = {"body": body[start : start + PIECE], "more_body": rest or message.get("more_body", False)}
            await self._piece({**message, **more})

    async def _piece(self, message: Any) -> None:
        if self.stalled:
            return
        try:
            async with asyncio.timeout(STALLED_S):
                await self._send(message)
        except TimeoutError:
            self.stalled = True
