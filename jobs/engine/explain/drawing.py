"""A picture and its map side by side, small enough for a report."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.engine.explain.gradients import Floats

LARGEST = 128
EXACT_UP_TO = 48
QUALITY = 80
FOR, AGAINST = (235, 104, 20), (38, 110, 230)
# The strongest hundredth would leave all else pale.
STRONG = 99.0


def side_by_side(picture: NDArray[np.uint8], attributions: Floats) -> str:
    """WebP of 2 x width, base64: the picture [height, width, channels], and the same in grey with its map [height,
    width] over it: orange what speaks for the answer, blue what speaks against it, by strength.

    Larger pictures are scaled down to 128 pixels; the smallest are kept exactly, pixel by pixel.
    """
    colours = np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture
    pair = Image.fromarray(np.concatenate([colours, _overlaid(colours, attributions)], axis=1))
    scale = min(1.0, LARGEST / max(picture.shape[:2]))
    if scale < 1:
        pair = pair.resize(
            (2 * max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        )
    stream = io.BytesIO()
    pair.save(stream, "WEBP", lossless=max(picture.shape[:2]) <= EXACT_UP_TO, quality=QUALITY)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _overlaid(colours: NDArray[np.uint8], attributions: Floats) -> NDArray[np.uint8]:
    grey = 60 + 0.6 * colours.mean(axis=-1, keepdims=True)
    strongest = np.percentile(np.abs(attributions), STRONG) or np.abs(attributions).max() or 1.0
    strength = np.clip(np.abs(attributions) / strongest, 0, 1)[..., None]
    colour = np.where(attributions[..., None] > 0, np.array(FOR), np.array(AGAINST))
    mixed: NDArray[np.uint8] = (grey * (1 - strength) + colour * strength).round().astype(np.uint8)
    return mixed
