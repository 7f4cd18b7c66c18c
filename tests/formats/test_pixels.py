"""How pictures become numbers: orientation, transparency, depth, colour, size."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jobs.datasets.formats.pixels import pixels
from tests.formats.build import encoded, picture


def of(data: bytes, size: tuple[int, int] = (2, 2), channels: int = 3) -> NDArray[np.uint8]:
    return pixels(io.BytesIO(data), size=size, channels=channels)


def corners() -> Image.Image:
    """8 x 8 in four colours: red and green above, blue and white below."""
    image = Image.new("RGB", (8, 8), "red")
    image.paste("lime", (4, 0, 8, 4))
    image.paste("blue", (0, 4, 4, 8))
    image.paste("white", (4, 4, 8, 8))
    return image


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_every_format_gives_the_picture_in_height_width_channels(kind: str) -> None:
    exact: dict[str, dict[str, Any]] = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
    }
    options = exact.get(kind, {})
    found = of(encoded(corners(), kind, **options), (4, 8))
    assert found.shape == (4, 8, 3)
    assert found.dtype == np.uint8
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert np.abs(found[[0, 0, 3, 3], [0, 7, 0, 7]].astype(int) - expected).max() <= 4


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_every_exif_orientation_is_undone(orientation: int, turn: Image.Transpose | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = corners() if turn is None else corners().transpose(turn)
    assert np.array_equal(of(encoded(held, "PNG", exif=exif), (8, 8)), np.asarray(corners()))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_is_ignored() -> None:
    data = encoded(corners(), "PNG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert np.array_equal(of(data, (8, 8)), np.asarray(corners()))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0)).convert(mode)
    options: dict[str, Any] = {"transparency": 0} if mode == "P" else {}
    if mode == "P":
        image = Image.new("P", (4, 4), 0)
        image.putpalette([10, 20, 30])
    assert (of(encoded(image, "PNG", **options)) == 255).all()


def test_sixteen_bits_keep_their_high_byte() -> None:
    image = Image.fromarray(np.full((4, 4), 0x1234, np.uint16))
    assert (of(encoded(image), channels=1) == 0x12).all()
    assert (of(encoded(image), channels=3) == 0x12).all()


def test_cmyk_becomes_rgb() -> None:
    found = of(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100))
    assert np.abs(found.astype(int) - (255, 0, 0)).max() <= 6


def test_grey_is_the_luma_of_itu_r_601() -> None:
    assert of(encoded(Image.new("RGB", (4, 4), (255, 0, 0))), channels=1)[0, 0, 0] == 76


def test_only_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (of(data) == (255, 0, 0)).all()


def test_resizing_squashes_and_averages() -> None:
    wide = Image.new("L", (8, 4), 0)
    wide.paste(200, (4, 0, 8, 4))
    found = of(encoded(wide), (1, 1), channels=1)
    assert abs(int(found[0, 0, 0]) - 100) <= 2


def test_the_size_asked_for_leaves_pixels_untouched() -> None:
    expected = np.asarray(Image.open(io.BytesIO(picture(3))))
    assert np.array_equal(of(picture(3), (10, 12)), expected)


def test_a_large_jpeg_may_be_drafted_and_still_looks_the_same() -> None:
    y, x = np.mgrid[0:960, 0:1280]
    smooth = np.stack([x * 255 // 1280, y * 255 // 960, (x + y) * 255 // 2240], axis=-1).astype(np.uint8)
    found = of(encoded(Image.fromarray(smooth), "JPEG", quality=95), (24, 32))
    exact = np.asarray(Image.fromarray(smooth).resize((32, 24), Image.Resampling.BILINEAR))
    assert np.abs(found.astype(int) - exact).max() <= 4
