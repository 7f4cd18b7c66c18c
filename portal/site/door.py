"""The way into Django: through threads, which no slow or uninvited body may hold.

Django reads a request's body in the thread that answers, and a form's files onto the disk before it asks who sent
them. So a small body is read here before a thread is taken; a larger one only from who may sign in, where files are
taken, within their quota; and large bodies and downloads have threads of their own, so that pages never wait for them.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.utils.translation import gettext as _

from portal.core import problems
from portal.core.intake import SMALL_BYTES, BodyBroken, Inlet, Outlet, announced, too_large
from portal.kit.errors import UserError
from portal.ledger import queries as ledger
from portal.ledger.services import check_storage
from portal.members.credentials import headers_of, member_of
from portal.members.models import Member

FORM_BYTES = 1024**2  # what a form may hold around its file
TAKES_FILES = re.compile(
    r"/api/v1/datasets/[^/]+/versions/?|/api/v1/models/?|/datasets/new|/datasets/[^/]+/versions/new|/models/new"
)
GIVES_FILES = re.compile(r"(?:/api/v1)?/(?:bundles|models)/[^/]+/(?:download|keras)/?")
MOST_OF_ONE = 4  # bodies of one member that are taken at the same time; further ones wait
WAITING_MESSAGES = 1024  # of an answer, before its thread waits for who takes it: a whole static file
UNAUTHORIZED, NO_LENGTH = 401, 411
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Door:
    """The ASGI application in front of Django's WSGI `pages`: `threads` for pages, `bulk` for large transfers."""

    def __init__(self, pages: Any, *, threads: int, bulk: int) -> None:
        self._quick: Any = WSGIMiddleware(pages, workers=threads, send_queue_size=WAITING_MESSAGES)
        self._bulky: Any = WSGIMiddleware(pages, workers=bulk)
        self._asking = ThreadPoolExecutor(4, thread_name_prefix="door")
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inlet = Inlet(receive, most=_most_by_anyone(scope))
        outlet = Outlet(send)
        try:
            await self._let_in(scope, inlet, outlet)
        except BodyBroken:
            if inlet.refusal and not outlet.started:
                await _refuse(scope, inlet.refusal, outlet)
        except UserError as refusal:
            await _refuse(scope, refusal, outlet)

    async def _let_in(self, scope: Scope, inlet: Inlet, outlet: Outlet) -> None:
        size = announced(headers_of(scope))
        if size == 0 or ((size is None or size <= SMALL_BYTES) and await inlet.first(SMALL_BYTES)):
            django = self._bulky if GIVES_FILES.fullmatch(scope["path"]) else self._quick
            await django(scope if size is not None else _measured(scope, inlet.taken), inlet, outlet)
            return
        member = await self._in_thread(member_of, scope)
        if member is None:
            raise UserError("not_authenticated", _("Sign in to send so much."), status=UNAUTHORIZED)
        if size is None:  # Django takes no body of unknown length
            raise UserError(
                "length_required", _("Send a Content-Length, or upload by tus."), status=NO_LENGTH
            )
        inlet.most = await self._in_thread(_most_by, member, scope, size)
        if size > inlet.most:
            raise too_large(inlet.most)
        turn = self._turns.setdefault(member.pk, asyncio.Semaphore(MOST_OF_ONE))
        async with turn:
            await _watched(self._bulky, scope, inlet, outlet)

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._asking, function, *args)


async def _watched(django: Any, scope: Scope, inlet: Inlet, outlet: Outlet) -> None:
    """Django with a body that may break off. What it says of such a request is replaced by why it was refused."""

    async def tell(message: Any) -> None:
        if inlet.refusal is None:
            await outlet(message)

    with suppress(BodyBroken):
        await django(scope, inlet, tell)
    if inlet.refusal and not outlet.started:
        raise inlet.refusal


def _measured(scope: Scope, size: int) -> Scope:
    """The same request, whose body came in chunks, with its length."""
    heads = [(name, value) for name, value in scope["headers"] if name != b"transfer-encoding"]
    return {**scope, "headers": [*heads, (b"content-length", str(size).encode())]}


def _most_by_anyone(scope: Scope) -> int:
    return (
        int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) if scope["method"] not in {"GET", "HEAD"} else SMALL_BYTES
    )


def _most_by(member: Member, scope: Scope, size: int) -> int:
    """How large a body of the member's may be here. UserError when `size` does not fit in their quota."""
    if not TAKES_FILES.fullmatch(scope["path"]) or scope["method"] != "POST":
        return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    most = int(settings.UPLOAD_MAX_BYTES) + FORM_BYTES
    if member.is_staff:  # who may add to another's dataset, and so to another's quota
        return most
    check_storage(member, max(0, size - FORM_BYTES))
    free = ledger.quota_of(member).storage_bytes - ledger.storage_used(member)
    return min(most, max(free, 0) + FORM_BYTES)


async def _refuse(scope: Scope, refusal: UserError, send: Outlet) -> None:
    """Say so at once and close the connection: what is still to come is not read."""
    if scope["path"].startswith(problems.API):
        answer = problems.response(**problems.of_user_error(refusal))
        body, kind = answer.content, problems.TYPE
    else:
        body, kind = refusal.detail.encode(), "text/plain; charset=utf-8"
    heads = {
        "content-type": kind,
        "content-length": str(len(body)),
        "connection": "close",
        "cache-control": "no-store",
    }
    if refusal.status == UNAUTHORIZED:
        heads["www-authenticate"] = "Token"
    pairs = [(name.encode(), value.encode()) for name, value in heads.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
