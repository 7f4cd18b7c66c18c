"""What the pictures of a version look like: what the size and the colours of training follow from."""

from pathlib import Path

import numpy as np

from jobs.datasets.formats.images import read_pixels
from jobs.datasets.formats.index import ImageIndex

LOOKED_AT = 24
SIDE = 8
TINT = 12  # JPEG's rounding tints grey a little


def median_side(index: ImageIndex) -> float:
    """The median picture's shorter side, in pixels."""
    return float(np.median([min(sample["width"], sample["height"]) for sample in index["samples"]]))


def median_shape(index: ImageIndex) -> tuple[int, int]:
    """The medians of the pictures' heights and widths, in pixels."""
    samples = index["samples"]
    height = np.median([sample["height"] for sample in samples])
    return int(height), int(np.median([sample["width"] for sample in samples]))


def has_colour(upload: Path, index: ImageIndex) -> bool:
    """Whether any of a few pictures from all over the version has a colour. Raises `Rejected` as `read_pixels` does."""
    samples = index["samples"]
    few: ImageIndex = {**index, "samples": samples[:: max(1, len(samples) // LOOKED_AT)][:LOOKED_AT]}
    pictures = read_pixels(upload, few, size=(SIDE, SIDE), channels=3)
    return any(int(np.ptp(pixels.astype(np.int16), axis=2).max()) > TINT for _, pixels in pictures)
