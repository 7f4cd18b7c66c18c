"""Conditional and partial downloads as RFC 9110 defines them, for one strong ETag. Pure: headers in, decision
out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

ONE_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE | re.ASCII)
TAG = re.compile(r'(?:W/)?"[^"]*"')


class Answer(Enum):
    WHOLE = 200
    PART = 206
    NOT_MODIFIED = 304
    PRECONDITION_FAILED = 412
    OUTSIDE = 416


@dataclass(frozen=True)
class Span:
    """The bytes `start` up to but not including `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def decide(headers: Mapping[str, str], *, etag: str, size: int, is_get: bool = True) -> tuple[Answer, Span]:
    """What to send of `size` bytes whose strong validator is `etag` (with its quotes), and which of them.

    `headers` are looked up by their usual names. Several ranges at once, or one that can't be read, get the
    whole.
    """
    whole = Span(0, size)
    if (match := headers.get("If-Match")) and not _listed(match, etag, weak=False):
        return Answer.PRECONDITION_FAILED, whole
    if (seen := headers.get("If-None-Match")) and _listed(seen, etag, weak=True):
        return Answer.NOT_MODIFIED, whole
    wanted = headers.get("Range")
    condition = headers.get("If-Range")
    if not is_get or not wanted or (condition is not None and condition.strip() != etag):
        return Answer.WHOLE, whole
    return _part(wanted, size)


def _listed(header: str, etag: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    tags = TAG.findall(header)
    return etag in ([tag.removeprefix("W/") for tag in tags] if weak else tags)


def _part(wanted: str, size: int) -> tuple[Answer, Span]:
    whole = Span(0, size)
    found = ONE_RANGE.fullmatch(wanted.strip())
    if found is None or found.groups() == ("", ""):
        return Answer.WHOLE, whole
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return Answer.WHOLE, whole
    if start >= size:
        return Answer.OUTSIDE, whole
    return Answer.PART, Span(start, stop)
