"""Looking at one picture: can it be decoded, what is the hash of its content, its size, its thumbnail."""

import hashlib
import io
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps

from jobs.datasets.formats.limits import (
    LARGE_PICTURE_PIXELS,
    MAX_JPEG_SCANS,
    MAX_PICTURE_PIXELS,
    MIN_PICTURE_SIDE_PIXELS,
    THUMBNAIL_SIDE_PIXELS,
)
from jobs.datasets.formats.pixels import FORMATS, opaque, upright

DECODING_ERRORS: Final = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders are known to raise on hostile bytes: all mean that this picture cannot be used."""
UNDECODABLE: Final = (
    "the picture cannot be decoded: it is damaged, cut off, or not JPEG, PNG, BMP, GIF or WebP"
)

SCAN: Final = b"\xff\xda"
"""Starts a scan of a JPEG; within one, 255 is never followed by this."""

_one_large_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a decoded picture. `thumbnail` only where it was wanted; sides in pixels, upright."""

    sha256: str
    width: int
    height: int
    thumbnail: Image.Image | None


def look(data: bytes, wants_thumbnail: Callable[[str], bool]) -> Picture | str:
    """The picture in `data`, decoded whole, or the reason why it cannot be used.

    The hash covers the upright picture's size and its pixels as 8-bit RGB, so that the same picture saved in
    another lossless format or under another name counts as equal.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            reason = _why_not(image, data)
            if reason:
                return reason
            if image.width * image.height < LARGE_PICTURE_PIXELS:
                return _decoded(image, wants_thumbnail)
            with _one_large_at_a_time:
                return _decoded(image, wants_thumbnail)
    except Image.DecompressionBombError:  # Pillow's own bound, met while it opens the file
        return f"the picture is too large, at most {MAX_PICTURE_PIXELS:,} pixels are possible"
    except DECODING_ERRORS:
        return UNDECODABLE


def _why_not(image: Image.Image, data: bytes) -> str:
    """Why a picture, opened but not decoded, cannot be used; "" when it can."""
    width, height = image.size
    if width * height > MAX_PICTURE_PIXELS:
        return f"the picture is too large: {width:,} x {height:,} pixels, at most {MAX_PICTURE_PIXELS:,}"
    if min(width, height) < MIN_PICTURE_SIDE_PIXELS:
        return f"the picture is too small: {width} x {height} pixels"
    if image.format in {"JPEG", "MPO"} and data.count(SCAN) > MAX_JPEG_SCANS:
        return f"the JPEG is built of more than {MAX_JPEG_SCANS} scans; save it anew"
    return ""


def _decoded(image: Image.Image, wants_thumbnail: Callable[[str], bool]) -> Picture:
    ready = opaque(upright(image), "RGB")
    width, height = ready.size
    digest = hashlib.sha256(f"RGB {width} {height} ".encode())
    digest.update(ready.tobytes())
    sha256 = digest.hexdigest()
    side = (THUMBNAIL_SIDE_PIXELS, THUMBNAIL_SIDE_PIXELS)
    thumbnail = ImageOps.fit(ready, side, Image.Resampling.BILINEAR) if wants_thumbnail(sha256) else None
    return Picture(sha256, width, height, thumbnail)
