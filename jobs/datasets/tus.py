"""Resumable uploads: tus 1.0 as a plain ASGI application, mounted beside Django under `PREFIX`.

Django reads a request's whole body before a view runs, so that a broken connection would lose all of it; here
each block is on disk as it comes. What an upload is and who may write stands in `jobs.datasets.uploads`.
"""

import asyncio
import errno
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import Http404
from django.urls import reverse
from django.utils.http import http_date
from django.utils.translation import gettext as _

from jobs.datasets import tus_requests, uploads
from jobs.datasets.models import Upload
from jobs.datasets.parts import Digest, Part
from jobs.datasets.receiving import Ending, Intake, Receive
from jobs.datasets.tus_requests import CHECKSUMS, VERSION
from portal.core import problems
from portal.core.telemetry import logs
from portal.kit.errors import UserError
from portal.members.models import Member

PREFIX = "/api/v1/uploads"
EXTENSIONS = "creation,checksum,expiration,termination"
THREADS = 8
OK, CREATED, NO_CONTENT = 200, 201, 204
TOO_LARGE, WRONG_CHECKSUM, TIMED_OUT, DISK_FULL = 413, 460, 408, 507

P = ParamSpec("P")
T = TypeVar("T")
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tus")


@dataclass
class Reply:
    """What goes back."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def send(self, send: Send) -> None:
        headers = {"Tus-Resumable": VERSION, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        headers |= self.headers
        if self.status != NO_CONTENT:
            headers["Content-Length"] = str(len(self.body))
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": pairs})
        await send({"type": "http.response.body", "body": self.body})


@dataclass(frozen=True)
class Call:
    """One request by a member, to the upload of that id (empty: to all of them)."""

    member: Member
    request: ASGIRequest
    receive: Receive
    upload_id: str


def serves(path: str) -> bool:
    """Whether this application answers for that path."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    try:
        reply = await _answer(scope, receive)
    except Exception as error:  # noqa: BLE001 - the outer edge: logged with an id unless it was foreseen
        reply = _problem(error)
    if scope["method"] == "HEAD":
        reply.body = b""
    await reply.send(send)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Database and disk stay off the event loop."""

    def work() -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(pool, copy_context().run, work)


def _problem(error: Exception) -> Reply:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        detail = _("The machine's disk is full. What was sent is kept; go on later, or tell a steward.")
        error = UserError("disk_full", detail, status=DISK_FULL)
    answer = problems.handle(error, {})
    assert answer is not None  # noqa: S101 - for mypy: `handle` answers for every error
    headers = {**dict(answer.items()), **getattr(error, "headers", {}), "Content-Type": problems.TYPE}
    return Reply(answer.status_code, headers, json.dumps(answer.data).encode())


async def _answer(scope: Scope, receive: Receive) -> Reply:
    request = ASGIRequest(scope, tus_requests.no_body())
    method = tus_requests.method_of(request)
    if method == "OPTIONS":
        return _options()
    tus_requests.check_version(request, method)
    upload_id = scope["path"].removeprefix(PREFIX).strip("/")
    if "\0" in upload_id:
        raise Http404
    handlers = OF_ONE if upload_id else OF_ALL
    if method not in handlers:
        raise tus_requests.not_allowed(method, handlers)
    logs.learn(route=f"{PREFIX}/<id>" if upload_id else PREFIX)
    member = await _in_thread(tus_requests.member_of, request)
    logs.learn(member=member.pk)
    return await handlers[method](Call(member, request, receive, upload_id))


def _options() -> Reply:
    return Reply(
        NO_CONTENT,
        {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
            "Tus-Max-Size": str(settings.UPLOAD_MAX_BYTES),
        },
    )


async def _create(call: Call) -> Reply:
    headers = call.request.headers
    metadata = headers.get("Upload-Metadata", "")
    known = tus_requests.metadata_of(metadata)
    upload = await _in_thread(
        uploads.begin,
        member=call.member,
        dataset_id=known["dataset"],
        filename=known.get("filename", ""),
        label_column=known.get("label_column", ""),
        length=tus_requests.length_of(headers),
        metadata=metadata,
    )
    location = call.request.build_absolute_uri(f"{PREFIX}/{upload.pk}")
    return Reply(CREATED, {"Location": location, "Upload-Offset": "0", **_expiry(upload)})


def _expiry(upload: Upload) -> dict[str, str]:
    done = upload.version_id is not None
    return {} if done else {"Upload-Expires": http_date(upload.expires_at.timestamp())}


async def _head(call: Call) -> Reply:
    return Reply(OK, await _in_thread(_standing, call))


def _standing(call: Call) -> dict[str, str]:
    upload = uploads.settled(uploads.upload_for(call.member, call.upload_id))
    headers = {"Upload-Offset": str(uploads.offset_of(upload)), "Upload-Length": str(upload.length)}
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    return headers | _expiry(upload)


async def _get(call: Call) -> Reply:
    body = await _in_thread(_state, call)
    return Reply(OK, {"Content-Type": "application/json"}, json.dumps(body).encode())


def _state(call: Call) -> dict[str, str | None]:
    upload = uploads.settled(uploads.upload_for(call.member, call.upload_id))
    if upload.version is None:
        return {"state": "receiving", "version": None}
    path = reverse("api-version", args=[upload.dataset_id, upload.version.number])
    return {"state": "complete", "version": call.request.build_absolute_uri(path)}


async def _delete(call: Call) -> Reply:
    upload = await _in_thread(uploads.upload_for, call.member, call.upload_id)
    await _in_thread(uploads.give_up, upload, actor=call.member)
    return Reply(NO_CONTENT)


async def _patch(call: Call) -> Reply:
    headers = call.request.headers
    offset, checksum = tus_requests.offset_of(headers), tus_requests.checksum_of(headers)
    upload = await _in_thread(uploads.upload_for, call.member, call.upload_id)
    most = upload.length - offset
    part = await _in_thread(uploads.open_part, upload, offset=offset, checked=checksum is not None)
    try:
        if tus_requests.announced(headers) > most:
            raise _too_long(upload)
        check: Digest | None = None if checksum is None else checksum.digest
        ending = await Intake(part, most=most, check=check, pool=pool).run(call.receive)
        await _in_thread(_conclude, call.member, upload, part, ending, checksum)
    finally:
        part.close()
    return Reply(NO_CONTENT, {"Upload-Offset": str(part.length), **_expiry(upload)})


def _too_long(upload: Upload) -> UserError:
    detail = _("More bytes came than the %(length)d that were announced.") % {"length": upload.length}
    return UserError("too_long", detail, status=TOO_LARGE)


def _conclude(
    member: Member, upload: Upload, part: Part, ending: Ending, checksum: tus_requests.Checksum | None
) -> None:
    """Judge what came; after the last byte, make the version. UserError when it does not count."""
    right = ending is Ending.COMPLETE and (checksum is None or checksum.right)
    if checksum is not None:
        uploads.verified(upload, part, right=right)
    if ending is Ending.TOO_LONG:
        raise _too_long(upload)
    if ending is Ending.BROKEN:
        raise UserError(
            "interrupted", _("Nothing came for a while. Go on where HEAD says."), status=TIMED_OUT
        )
    if not right:
        detail = _("The checksum does not fit what came, which was thrown away. Send it again.")
        raise UserError("checksum_mismatch", detail, status=WRONG_CHECKSUM)
    if part.length == upload.length:
        uploads.finish(upload, part, actor=member)


Handler = Callable[[Call], Awaitable[Reply]]
OF_ALL: Mapping[str, Handler] = {"POST": _create}
OF_ONE: Mapping[str, Handler] = {"HEAD": _head, "GET": _get, "PATCH": _patch, "DELETE": _delete}
