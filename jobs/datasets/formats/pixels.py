"""How a picture becomes numbers: THE ONE DEFINITION, for training and for the boards.

    !!! `run.py` in every bundle repeats this file on the device, with Pillow and numpy alone, and a test
    !!! compares the two pixel by pixel. Who changes a step here changes it there, and trained models misfit.

The steps, in this order (`pixels`):
1. **open**: JPEG, PNG, BMP, GIF or WebP, told by content, first frame only;
2. **draft** (JPEG only): libjpeg may decode at 1/2, 1/4 or 1/8 as long as both sides stay at least twice the
   longer side asked for. Twelve megapixels then cost what one does;
3. **upright**: the EXIF orientation is applied (tag 0x0112), an unreadable one is ignored;
4. **opaque**: 16-bit values keep their high byte; transparency is laid over WHITE; then mode "RGB" for 3
   channels or "L" for 1 (ITU-R 601 luma: L = 0.299 R + 0.587 G + 0.114 B). Pillow converts palettes and CMYK;
5. **resize**: to exactly (height, width), squashed where the sides' ratio differs, never cropped or padded,
   with `Image.Resampling.BILINEAR` (Pillow's, which averages over all pixels when it shrinks);
6. an array uint8 of shape (height, width, channels), values 0..255. The model itself scales them.
"""

import struct
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import (
    Image,
    WebPImagePlugin,  # noqa: F401 - registers WebP at once, or Pillow loads all of its fifty plugins to find it
)

FORMATS: Final = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
FILTER: Final = Image.Resampling.BILINEAR
ORIENTATION_TAG: Final = 0x0112
TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MODES: Final = {1: "L", 3: "RGB"}


def upright(image: Image.Image) -> Image.Image:
    """The picture as the camera was held. Any size, any mode."""
    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION_TAG, 1))
    except (OSError, ValueError, SyntaxError, TypeError, LookupError, struct.error):
        return image  # broken EXIF beside good pixels is common
    return image if turn is None else image.transpose(turn)


def opaque(image: Image.Image, mode: str) -> Image.Image:
    """The picture in 8-bit `mode` ("L" or "RGB"), without transparency."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.clip(np.asarray(image), 0, 65535) >> 8).astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def pixels(source: IO[bytes], *, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """The picture in `source` as uint8 of shape (height, width, channels), by the steps above.

    `size` is (height, width), both positive; `channels` 1 or 3. Raises what Pillow raises for bytes that are
    no picture (`OSError` mostly).
    """
    height, width = size
    with Image.open(source, formats=FORMATS) as image:
        image.draft(None, (2 * max(size), 2 * max(size)))  # None: keep the mode
        ready = opaque(upright(image), MODES[channels])
        if ready.size != (width, height):
            ready = ready.resize((width, height), FILTER)
        return np.asarray(ready, dtype=np.uint8).reshape(height, width, channels)
