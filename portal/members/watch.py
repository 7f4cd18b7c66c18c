"""A websocket is open for hours, and who opened it may be shut out meanwhile: then it is closed within seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from channels.db import database_sync_to_async
from django.db import DatabaseError

from portal.members.credentials import member_of

EVERY_S = 5.0
SHUT_OUT = 4401
Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Watched:
    """An ASGI application for websockets, told that the browser left once the credentials ceased to be in force:
    signed out, revoked, suspended, another password, no steward any more.
    """

    def __init__(self, inner: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        was = await _standing(scope)
        over = asyncio.create_task(_until_other(scope, was))

        async def hear() -> Any:
            message = asyncio.ensure_future(receive())
            try:
                await asyncio.wait({message, over}, return_when=asyncio.FIRST_COMPLETED)
                if message.done():
                    return message.result()
            finally:
                message.cancel()
            await send({"type": "websocket.close", "code": SHUT_OUT})
            return {"type": "websocket.disconnect", "code": SHUT_OUT}

        try:
            await self.inner(scope, hear, send)
        finally:
            over.cancel()


async def _until_other(scope: Scope, was: Any) -> None:
    """Return once the caller is not who they were. A database that is away is no answer."""
    while True:
        await asyncio.sleep(EVERY_S)
        with suppress(DatabaseError):
            if await _standing(scope) != was:
                return


@database_sync_to_async
def _standing(scope: Scope) -> tuple[str, bool] | None:
    member = member_of(scope)
    return None if member is None else (member.pk, member.is_staff)
