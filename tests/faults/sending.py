"""Files on their way in and out, by hand, so that they can be interrupted."""

import base64
import contextlib
import hashlib
import http.client
import io
import random
import zipfile
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.portal import digits_zip
from tests.faults.mill import Patient, until

MIB = 1024**2
BODY = "application/offset+octet-stream"
BOUNDARY = "a-line-that-is-not-in-the-file"
COMPLETE = 204


def padded_digits(seed: str, *, mib: int = 6) -> bytes:
    """A zip of digits with megabytes beside them that no reader wants; unlike any other's."""
    packed = io.BytesIO(digits_zip(60))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("notes.bin", random.Random(seed).randbytes(mib * MIB))
    return packed.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass
class Request:
    """A request whose body is sent piece by piece."""

    eve: Patient
    method: str
    path: str
    headers: dict[str, str]
    link: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.link = http.client.HTTPConnection("127.0.0.1", self.eve.portal.port, timeout=60)
        self.link.putrequest(self.method, self.path)
        for name, value in (self.headers | {"Authorization": f"Token {self.eve.token}"}).items():
            self.link.putheader(name, value)
        self.link.endheaders()

    def send(self, piece: bytes) -> None:
        self.link.send(piece)

    def answer(self) -> tuple[int, bytes] | None:
        """Status and body; None when the connection is broken."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            found = self.link.getresponse()
            return found.status, found.read()
        return None

    def ended_with(self, rest: bytes) -> tuple[int, bytes] | None:
        """Send the rest; what came back, if the connection still stands."""
        with contextlib.suppress(OSError):
            self.send(rest)
        return self.answer()


@dataclass
class Tus:
    """An upload by tus of `content` for a dataset of eve's."""

    eve: Patient
    dataset: str
    content: bytes
    url: str = ""

    def begin(self) -> None:
        about = f"filename {_b64('digits.zip')},dataset {_b64(self.dataset)}"
        sent = {"Upload-Length": str(len(self.content)), "Upload-Metadata": about}
        answer = self.eve.http.post("/uploads", headers=self.headers(sent))
        self.url = answer.headers["Location"]

    def headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Tus-Resumable": "1.0.0", **more}

    def patch(self, offset: int) -> Request:
        """A PATCH of everything from `offset` on, of which nothing is sent yet."""
        more = {
            "Upload-Offset": str(offset),
            "Content-Type": BODY,
            "Content-Length": str(len(self.content) - offset),
        }
        return Request(self.eve, "PATCH", httpx.URL(self.url).path, self.headers(more))

    def offset(self) -> int | None:
        """How much is there; None while nobody answers."""
        with contextlib.suppress(httpx.TransportError):
            answer = self.eve.http.head(self.url, headers=self.headers({}))
            return int(answer.headers["Upload-Offset"]) if answer.is_success else None
        return None

    def known_offset(self) -> int:
        return until(lambda: (self.offset(),) if self.offset() is not None else None, "no offset")[0] or 0

    def version(self) -> Any:
        """What became of it, once it has been checked."""
        state = self.eve.get(httpx.URL(self.url).path.removeprefix("/api/v1"))
        assert state["state"] == "complete"
        return checked(self.eve, state["version"])


def checked(eve: Patient, address: str) -> Any:
    path = httpx.URL(address).path.removeprefix("/api/v1")
    return eve.wait(path, lambda version: version["state"] != "validating")


def form(eve: Patient, dataset: str, content: bytes) -> tuple[Request, bytes]:
    """One request with the whole file, of which nothing is sent yet; and its body."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="digits.zip"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(body)),
    }
    return Request(eve, "POST", f"/api/v1/datasets/{dataset}/versions", headers), body


@dataclass
class Download:
    """A file that is fetched in pieces, and gone on with by Range where it broke off."""

    eve: Patient
    path: str
    content: bytes = b""
    etag: str = ""
    size: int = 0
    link: http.client.HTTPConnection | None = None
    answer: http.client.HTTPResponse | None = None

    def begin(self) -> int:
        """Ask for what is missing; the status of the answer."""
        self.link = http.client.HTTPConnection("127.0.0.1", self.eve.portal.port, timeout=60)
        headers = {"Authorization": f"Token {self.eve.token}"}
        if self.content:
            headers |= {"Range": f"bytes={len(self.content)}-", "If-Range": self.etag}
        self.link.request("GET", self.path, headers=headers)
        self.answer = self.link.getresponse()
        if not self.content:
            self.etag, self.size = self.answer.headers["ETag"], int(self.answer.headers["Content-Length"])
        return self.answer.status

    def read(self, most: int | None = None) -> bool:
        """Read so many bytes, or all that come; whether the connection held."""
        assert self.answer is not None
        before = len(self.content)
        while most is None or len(self.content) - before < most:
            try:
                piece = self.answer.read(65536)
            except (OSError, http.client.HTTPException):
                return False
            if not piece:
                break
            self.content += piece
        return len(self.content) == self.size or most is not None

    @property
    def is_right(self) -> bool:
        return self.etag.strip('"') == sha256(self.content)
