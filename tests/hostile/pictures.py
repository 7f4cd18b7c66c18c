"""Pictures that cannot be used: each is left out with its reason, and those beside it are used all the same."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.formats.build import class_folders, encoded, picture, zipped
from tests.hostile.case import Case

UNDECODABLE = "cannot be decoded"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def with_chunk(kind: bytes, body: bytes) -> bytes:
    data = picture(5)
    at = data.index(b"IDAT") - 4
    return data[:at] + chunk(kind, body) + data[at:]


def exif_bomb() -> bytes:
    """Sixty thousand entries that each claim the same megabytes."""
    size, entries = 4 << 20, 60_000
    body = bytearray(size)
    body[:8] = b"II*\0" + struct.pack("<L", 8)
    struct.pack_into("<H", body, 8, entries)
    for number in range(entries):
        struct.pack_into("<HHLL", body, 10 + 12 * number, number + 1, 1, size - 1000, 500)
    return bytes(body)


def sized_png(width: int, height: int) -> bytes:
    data = bytearray(picture(1))
    data[16:24] = struct.pack(">LL", width, height)
    data[29:33] = struct.pack(">L", zlib.crc32(data[12:29]))
    return bytes(data)


def sized(kind: str, at: int, form: str, *sides: int) -> bytes:
    data = bytearray(picture(1, kind))
    struct.pack_into(form, data, at, *sides)
    return bytes(data)


def sized_jpeg(width: int, height: int) -> bytes:
    data = bytearray(picture(1, "JPEG"))
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
    return bytes(data)


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is there so many times."""
    data = encoded(Image.new("RGB", (2000, 1500), (9, 99, 9)), "JPEG", progressive=True)
    return data[:-2] + data[data.rfind(b"\xff\xda") : -2] * count + data[-2:]


def frames(kind: str, count: int) -> bytes:
    pictures = [Image.new("RGB", (64, 64), (n, 9, 9)) for n in range(count)]
    return encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=10)


def grown(kind: str, **more: bytes) -> bytes:
    return encoded(Image.open(io.BytesIO(picture(6))), kind, **more)


SWELLING = b"a\0\0" + zlib.compress(bytes(50 << 20))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
GIF_SCRIPT = b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)"
SKIPPED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "no picture": ("x.png", lambda: b"not a picture", UNDECODABLE),
    "an empty one": ("x.png", lambda: b"", "0 bytes"),
    "zero bytes": ("x.jpg", lambda: bytes(4096), UNDECODABLE),
    "half a PNG": ("x.png", lambda: picture(9, size=(40, 40))[:-40], UNDECODABLE),
    "half a JPEG": ("x.jpg", lambda: picture(9, "JPEG", (64, 64))[:-60], UNDECODABLE),
    "half a GIF": ("x.gif", lambda: picture(9, "GIF", (64, 64))[:-60], UNDECODABLE),
    "half a WebP": ("x.webp", lambda: picture(9, "WEBP", (64, 64))[:-60], UNDECODABLE),
    "half a BMP": ("x.bmp", lambda: picture(9, "BMP", (64, 64))[:-60], UNDECODABLE),
    "one pixel": ("x.png", lambda: picture(9, size=(1, 1)), "too small"),
    "an enormous PNG": ("x.png", lambda: sized_png(60_000, 60_000), "too large"),
    "a PNG of two thousand million columns": ("x.png", lambda: sized_png(2**31 - 1, 1), "too large"),
    "an enormous JPEG": ("x.jpg", lambda: sized_jpeg(65_000, 65_000), "too large"),
    "an enormous GIF": ("x.gif", lambda: sized("GIF", 6, "<HH", 65_535, 65_535), "too large"),
    "an enormous BMP": ("x.bmp", lambda: sized("BMP", 18, "<ll", 40_000, 40_000), "too large"),
    "a BMP of negative sides": ("x.bmp", lambda: sized("BMP", 18, "<ll", -5, -2147483648), ""),
    "a JPEG of thousands of scans": ("x.jpg", lambda: scans(5_000), "scans"),
    "an unpacking profile": ("x.png", lambda: with_chunk(b"iCCP", SWELLING), UNDECODABLE),
    "unpacking text": ("x.png", lambda: with_chunk(b"zTXt", SWELLING), UNDECODABLE),
    "a TIFF": ("x.png", lambda: picture(9, "TIFF"), UNDECODABLE),
    "a TIFF by its name": ("x.tiff", lambda: picture(9, "TIFF"), "TIFF"),
    "an SVG": ("x.svg", lambda: SVG, "SVG"),
    "an SVG by another name": ("x.png", lambda: SVG, UNDECODABLE),
    "a web page by another name": ("x.jpg", lambda: b"<html><script>alert(1)</script>", UNDECODABLE),
    "a script that is a GIF": ("x.gif", lambda: GIF_SCRIPT, ""),
    "PostScript by another name": ("x.jpg", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UNDECODABLE),
}  # fmt: skip
USED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a GIF of many frames": ("x.gif", lambda: frames("GIF", 250)),
    "a WebP of many frames": ("x.webp", lambda: frames("WEBP", 50)),
    "a PNG of many frames": ("x.png", lambda: frames("PNG", 50)),
    "a JPEG with a giant profile": ("x.jpg", lambda: grown("JPEG", icc_profile=b"x" * 4_000_000)),
    "a PNG with a giant profile": ("x.png", lambda: grown("PNG", icc_profile=b"x" * 900_000)),
    "a PNG whose EXIF claims gigabytes": ("x.png", lambda: with_chunk(b"eXIf", exif_bomb())),
    "a JPEG of two hundred scans": ("x.jpg", lambda: scans(150)),
    "a CMYK JPEG": ("x.jpg", lambda: encoded(Image.new("CMYK", (9, 9), (9, 8, 7, 6)), "JPEG")),
    "a PNG of 16 bits": ("x.png", lambda: encoded(Image.fromarray(np.full((9, 9), 777, np.uint16)))),
    "a PNG of a palette": ("x.png", lambda: encoded(Image.new("P", (9, 9), 7))),
    "a PNG of one bit": ("x.png", lambda: encoded(Image.new("1", (9, 9), 1))),
    "a picture with a zip behind it": ("x.png", lambda: picture(98) + zipped({"a": b"b"})),
    "a picture by another ending": ("x.jpg", lambda: picture(98, "WEBP")),
    "fifty million pixels": ("x.png", lambda: encoded(Image.new("RGBA", (7_100, 7_100), (1, 2, 3, 4)))),
}


def among_good(name: str, make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: zipped(class_folders("cat", "dog") | {f"cat/{name}": make()})


CASES = {
    title: Case(among_good(name, make), skips={f"cat/{name}": part})
    for title, (name, make, part) in SKIPPED.items()
} | {title: Case(among_good(name, make)) for title, (name, make) in USED.items()}
