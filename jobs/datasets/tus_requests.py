"""What a tus request says: who asks, and what its headers mean. Everything in them is hostile until read
here.
"""

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs.datasets.parts import Digest
from jobs.datasets.uploads import METADATA_CHARACTERS
from portal.core.api import WriteThrottle
from portal.kit.errors import FieldError, UserError
from portal.members.models import Member

VERSION = "1.0.0"
CHECKSUMS = ("sha256", "sha1", "md5")
BODY_TYPE = "application/offset+octet-stream"
UNSUPPORTED_TYPE, WRONG_VERSION, NOT_ALLOWED = 415, 412, 405
Headers = Mapping[str, str]


class ProtocolError(UserError):
    """A request that does not follow the protocol; `headers` go with the answer."""

    def __init__(self, code: str, detail: str, *, status: int = 400, headers: Headers | None = None) -> None:
        super().__init__(code, detail, status=status)
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Checksum:
    """What the sender says the body's digest is, and the digest of what comes."""

    expected: bytes
    digest: Digest

    @property
    def right(self) -> bool:
        return self.digest.digest() == self.expected


class _Unread(BaseParser):
    """Bodies are not for REST framework, whatever their type."""

    media_type = "*/*"

    def parse(self, *_args: object, **_kwargs: object) -> dict[str, object]:
        return {}


def no_body() -> io.BytesIO:
    """What Django's request is given to read: the body is ours."""
    return io.BytesIO()


def method_of(request: ASGIRequest) -> str:
    """The method, as tus lets clients behind old proxies override it; only of POST, which is checked for
    CSRF.
    """
    method = str(request.method)
    return request.headers.get("X-HTTP-Method-Override", method).upper() if method == "POST" else method


def check_version(request: ASGIRequest, method: str) -> None:
    """ProtocolError unless the client speaks tus 1.0. GET is ours, not the protocol's."""
    if method != "GET" and request.headers.get("Tus-Resumable") != VERSION:
        detail = _("This is a tus %(version)s server: send the header Tus-Resumable: %(version)s.")
        raise ProtocolError(
            "tus_version",
            detail % {"version": VERSION},
            status=WRONG_VERSION,
            headers={"Tus-Version": VERSION},
        )


def not_allowed(method: str, allowed: Iterable[str]) -> ProtocolError:
    """The error for a method that this address does not have."""
    headers = {"Allow": ", ".join(["OPTIONS", *allowed])}
    detail = _("%(method)s is not possible here.") % {"method": method}
    return ProtocolError("method_not_allowed", detail, status=NOT_ALLOWED, headers=headers)


def member_of(request: ASGIRequest) -> Member:
    """Who asks: by token, or by session with the page's CSRF token, through the API's own authenticators.

    Raises REST framework's errors as its views do.
    """
    try:
        request.get_host()
    except DisallowedHost:
        raise ProtocolError("bad_host", _("This portal does not go by that host name.")) from None
    request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    request.user = get_user(request)
    kinds = [kind() for kind in APIView.authentication_classes]
    asked = Request(
        request, parsers=[_Unread()], authenticators=kinds, negotiator=DefaultContentNegotiation()
    )
    try:
        member = asked.user
    except exceptions.AuthenticationFailed as error:
        raise _with_scheme(error) from None
    if not isinstance(member, Member):
        raise _with_scheme(exceptions.NotAuthenticated())
    _throttle(asked)
    return member


def _with_scheme(error: exceptions.APIException) -> exceptions.APIException:
    error.auth_header = "Token"  # type: ignore[attr-defined]  # where REST framework's views leave it
    return error


def _throttle(asked: Request) -> None:
    """New uploads count as writes. Their pieces don't: the bytes are limited by the quota."""
    throttle = WriteThrottle()
    if asked.method == "POST" and not throttle.allow_request(asked, APIView()):
        raise exceptions.Throttled(throttle.wait())


def _number(headers: Headers, name: str) -> int:
    text = headers.get(name, "")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        detail = _("The header %(name)s must be a whole number of bytes.") % {"name": name}
        raise ProtocolError("bad_header", detail)
    return int(text)


def length_of(headers: Headers) -> int:
    """How long the new upload will be, in bytes."""
    return _number(headers, "Upload-Length")


def offset_of(headers: Headers) -> int:
    """Where the body's bytes belong. ProtocolError also when the body is not of tus's type."""
    kind = headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind != BODY_TYPE:
        detail = _("Send the bytes with Content-Type: %(type)s.") % {"type": BODY_TYPE}
        raise ProtocolError("unsupported_media_type", detail, status=UNSUPPORTED_TYPE)
    return _number(headers, "Upload-Offset")


def announced(headers: Headers) -> int:
    """Bytes that the body says it has; 0 when it does not say."""
    return _number(headers, "Content-Length") if headers.get("Content-Length") else 0


def checksum_of(headers: Headers) -> Checksum | None:
    """The checksum that the sender gave, if any."""
    if "Upload-Checksum" not in headers:
        return None
    name, _space, encoded = headers["Upload-Checksum"].strip().partition(" ")
    if name not in CHECKSUMS:
        detail = _("The checksum must be one of: %(names)s.") % {"names": ", ".join(CHECKSUMS)}
        raise ProtocolError("bad_checksum", detail)
    digest: Any = hashlib.new(name, usedforsecurity=False)
    return Checksum(expected=_decoded(encoded.strip(), "Upload-Checksum"), digest=digest)


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ProtocolError("bad_header", _("%(name)s is not proper base64.") % {"name": name}) from None


def metadata_of(header: str) -> dict[str, str]:
    """The names and values of Upload-Metadata; `dataset` is always there. ProtocolError or UserError."""
    if len(header) > METADATA_CHARACTERS:
        raise ProtocolError("bad_header", _("Upload-Metadata is too long."))
    known = {}
    for pair in filter(None, (pair.strip() for pair in header.split(","))):
        key, _space, encoded = pair.partition(" ")
        try:
            known[key] = _decoded(encoded.strip(), "Upload-Metadata").decode()
        except UnicodeDecodeError:
            raise ProtocolError("bad_header", _("Upload-Metadata is not UTF-8.")) from None
    if not known.get("dataset") or "\0" in known["dataset"]:
        detail = _("Say in Upload-Metadata which dataset the upload is for: dataset <its id in base64>.")
        raise UserError("invalid", detail, errors=[FieldError("dataset", detail)])
    return known
