"""From files to model inputs, exactly as in training. Python 3.9 or newer, numpy; Pillow for pictures.

Raises ValueError with a sentence, or OSError, for what cannot be read.
"""

# ruff: noqa: B905 - zip(strict=True) came with Python 3.10; imports for types cost nothing here
from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

# Every step repeats jobs/datasets/formats of Gristmill (pixels.py for pictures; table_columns.py,
# table_features.py and names.py for tables). Tests there compare the two, value by value.

# How a file of each of Pillow's formats begins. Asked for one alone, Pillow loads no others: a first answer is sooner.
FORMATS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"BM": "BMP", b"GIF8": "GIF", b"RIFF": "WEBP"}
NO_PICTURE = "not a picture that can be read (JPEG, PNG, BMP, GIF or WebP)"
ORIENTATION_TAG = 0x0112
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF orientation -> Pillow's Transpose
BILINEAR = 2  # Pillow's Resampling
MODES = {1: "L", 3: "RGB"}
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
MAX_NAME = 200  # characters of a column's name, and of a category


def picture(path: Path, spec: dict[str, Any]) -> Any:
    """The pixels, float32 (1, height, width, channels), 0..255."""
    from PIL import Image  # here, because tables need no Pillow

    side = max(spec["height"], spec["width"])
    with path.open("rb") as stream:
        start = stream.read(4)
    formats = [name for sign, name in FORMATS.items() if start.startswith(sign)]
    if not formats:
        raise ValueError(NO_PICTURE)
    try:
        with Image.open(path, formats=formats) as image:
            image.draft(None, (2 * side, 2 * side))
            return pixels(image, spec)
    except (
        OSError,
        SyntaxError,
        EOFError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        RuntimeError,
        MemoryError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        if isinstance(error, (PermissionError, FileNotFoundError)):
            raise
        raise ValueError(NO_PICTURE) from None


def pixels(image: Any, spec: dict[str, Any]) -> Any:
    """The same of a Pillow image, such as a camera's."""
    height, width, channels = spec["height"], spec["width"], spec["channels"]
    ready = opaque(upright(image), MODES[channels])
    if ready.size != (width, height):
        ready = ready.resize((width, height), BILINEAR)
    return np.asarray(ready, dtype=np.uint8).reshape(1, height, width, channels).astype(np.float32)


def upright(image: Any) -> Any:
    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION_TAG, 1))
    except (OSError, ValueError, SyntaxError, TypeError, LookupError, struct.error):
        return image
    return image if turn is None else image.transpose(turn)


def opaque(image: Any, mode: str) -> Any:
    from PIL import Image

    if image.mode.startswith("I"):
        image = Image.fromarray((np.clip(np.asarray(image), 0, 65535) >> 8).astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def rows(path: Path, spec: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each row of a table: `file:line` (where it starts; the header is line 1) and float32 (1, columns)."""
    import csv  # here, and unicodedata below, because pictures need neither

    reader = spec["reader"]
    encoding = "utf-8-sig" if reader["encoding"] == "utf-8" else reader["encoding"]
    with path.open(newline="", encoding=encoding, errors="replace") as stream:
        table = csv.reader(stream, delimiter=reader["delimiter"], strict=True)
        try:
            header = names(next((cells for cells in table if cells), []))
            places = [place(header, column["name"], reader["delimiter"]) for column in spec["columns"]]
            parsers = [parser(column, reader["decimal"]) for column in spec["columns"]]
            line = table.line_num + 1
            for cells in table:
                if cells:
                    if len(cells) != len(header):
                        raise ValueError(f"line {line} has {len(cells)} values, the first has {len(header)}")
                    values = [parse(cells[at].strip()) for at, parse in zip(places, parsers)]
                    with np.errstate(over="ignore"):
                        yield f"{path}:{line}", np.array([values], dtype=np.float64).astype(np.float32)
                line = table.line_num + 1
        except csv.Error as error:
            raise ValueError(f"line {table.line_num} cannot be read ({error})") from None


def names(raw: list[str]) -> list[str]:
    """Column names as training knew them: cleaned, none empty, none twice."""
    found: list[str] = []
    for number, text in enumerate(raw, 1):
        base = clean(text) or f"column {number}"
        name, copy = base, 1
        while name in found:
            copy += 1
            name = f"{base} ({copy})"
        found.append(name)
    return found


def place(header: list[str], name: str, delimiter: str) -> int:
    if name not in header:
        raise ValueError(
            f"has no column {name!r}; the first line must name the columns, parted by {delimiter!r}"
        )
    return header.index(name)


def parser(column: dict[str, Any], decimal: str) -> Callable[[str], float]:
    """How a trimmed cell becomes a number: a category's place, -1 for unknown; NaN for a missing number."""
    if column["type"] == "category":
        codes = {text: float(code) for code, text in enumerate(column["categories"])}
        return lambda cell: codes.get(clean(cell), -1.0)

    def number(cell: str) -> float:
        if decimal == ",":
            cell = cell.replace(",", ".", 1)
        value = float(cell) if NUMBER.fullmatch(cell) else math.nan
        return value if math.isfinite(value) else math.nan

    return number


def clean(text: str) -> str:
    """NFC on one line, without control characters and direction marks, at most `MAX_NAME` long."""
    if not text.isascii() or not text.isprintable():
        import unicodedata

        text = unicodedata.normalize("NFC", text.replace("\t", " ").replace("\n", " "))
        text = "".join(c for c in text if c not in BIDI and unicodedata.category(c) not in {"Cc", "Cs"})
    text = " ".join(text.split())
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"
