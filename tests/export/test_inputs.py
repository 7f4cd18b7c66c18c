"""Files become numbers on the board exactly as they did for training."""

import io
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from jobs.datasets.formats.names import clean
from jobs.datasets.formats.pixels import pixels
from jobs.datasets.formats.table_columns import TextColumn, column_names
from jobs.engine.export import device

inputs = runpy.run_path(str(Path(device.__file__).parent / "inputs.py"))


def noise(width: int, height: int, channels: int) -> Image.Image:
    data = np.random.default_rng(3).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(data[..., 0] if channels == 1 else data)


def with_palette() -> Image.Image:
    image = noise(30, 20, 3).quantize(17)
    image.info["transparency"] = 3
    return image


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.random.default_rng(4).integers(0, 65536, (20, 30), dtype=np.uint16))


ZOO = {
    "grey": (noise(30, 20, 1), "PNG"),
    "colour": (noise(31, 17, 3), "PNG"),
    "small": (noise(5, 4, 3), "BMP"),
    "transparent": (noise(30, 20, 4), "PNG"),
    "grey, transparent": (noise(30, 20, 4).convert("LA"), "PNG"),
    "palette": (with_palette(), "PNG"),
    "one bit": (noise(30, 20, 1).convert("1"), "PNG"),
    "16 bits": (sixteen_bits(), "PNG"),
    "gif": (noise(30, 20, 3).quantize(9), "GIF"),
    "webp": (noise(64, 64, 4), "WEBP"),
    "cmyk": (noise(64, 48, 3).convert("CMYK"), "JPEG"),
    "large jpeg": (noise(900, 600, 3), "JPEG"),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ZOO)
def test_pictures_bit_by_bit(name: str, channels: int, tmp_path: Path) -> None:
    image, form = ZOO[name]
    path = tmp_path / "picture"
    image.save(path, form)
    compare(path, channels)


@pytest.mark.parametrize("orientation", range(10))
def test_turned_photos(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.jpg"
    noise(80, 50, 3).save(path, exif=exif)
    compare(path, 3)


def compare(path: Path, channels: int) -> None:
    spec = {"height": 12, "width": 20, "channels": channels}
    wanted = pixels(io.BytesIO(path.read_bytes()), size=(12, 20), channels=channels)
    got = inputs["picture"](path, spec)
    assert got.dtype == np.float32
    assert np.array_equal(got, wanted[None])


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n\0\0", b"%PDF-1.4", b"RIFF\0\0\0\0WEBP"]
)
def test_what_is_no_picture(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(content)
    with pytest.raises(ValueError, match="not a picture"):
        inputs["picture"](tmp_path / "no.png", {"height": 8, "width": 8, "channels": 3})


CELLS = [
    *(
        "",
        "1",
        "-1.5",
        "+2.",
        ".5",
        "1e3",
        "1E-3",
        "1,5",
        "1.000,5",
        "1,000.5",
        "1,2,3",
        "1e400",
        "nan",
        "NaN",
        "inf",
    ),
    *("Infinity", "1_000", "0x10", "NA", "?", "-", " 7 ", "\u00a07", "\u0667", "1e", "12 kg", "--1", "1\n2"),
]


@pytest.mark.parametrize("decimal", [".", ","])
def test_numbers_cell_by_cell(decimal: Any) -> None:
    texts = TextColumn("x", pa.chunked_array([CELLS], pa.string()), []).different()
    wanted = texts.spread(texts.numbers(decimal))
    parse = inputs["parser"]({"type": "number"}, decimal)
    assert np.array_equal([parse(cell.strip()) for cell in CELLS], wanted, equal_nan=True)


@pytest.mark.parametrize(
    "text",
    ["a  b", "e\u0301", "\u202eabc", "tab\there", "x" * 300, "\ufeffname", "zero\u200bwidth", "a\x00b"],
)
def test_names_are_cleaned_alike(text: str) -> None:
    assert inputs["clean"](text) == clean(text, 200)


def test_column_names_alike() -> None:
    raw = ["a", "", "a", "a (2)", " a ", "\ufeffb"]
    assert inputs["names"](raw) == column_names(raw)


def test_categories() -> None:
    parse = inputs["parser"]({"type": "category", "categories": ["cow", "grey goat"]}, ".")
    assert [parse(cell) for cell in ("cow", "grey  goat", "Cow", "")] == [0, 1, -1, -1]
