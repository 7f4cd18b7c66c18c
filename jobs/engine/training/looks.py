"""What the pictures of a version look like: the size and the number of channels to train at."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np

from jobs.datasets.formats.images import ImageIndex, read_pixels

SMALLEST, LARGEST = 8, 96
LOOKED_AT = 24
TINT = 12  # JPEG's rounding tints grey a little
REMEMBERED = "colour.json"


def chosen_size(index: ImageIndex) -> int:
    """The side that fits the data: the median picture's shorter side, between 8 and 96 pixels."""
    sides = [min(sample["width"], sample["height"]) for sample in index["samples"]]
    return int(np.clip(np.median(sides), SMALLEST, LARGEST))


def is_coloured(upload: Path, cache: Path, key: str, index: ImageIndex) -> bool:
    """Whether any of a few pictures from all over the version has a colour; remembered in the version's cache."""
    found = _recall(cache / REMEMBERED, key)
    if found is None:
        found = _look(upload, index)
        _remember(cache / REMEMBERED, key, coloured=found)
    return found


def _look(upload: Path, index: ImageIndex) -> bool:
    samples = index["samples"]
    few: ImageIndex = {**index, "samples": samples[:: max(1, len(samples) // LOOKED_AT)][:LOOKED_AT]}
    pictures = read_pixels(upload, few, size=(SMALLEST, SMALLEST), channels=3)
    return any(int(np.ptp(pixels.astype(np.int16), axis=2).max()) > TINT for _, pixels in pictures)


def _recall(path: Path, key: str) -> bool | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(found, dict) and found.get("key") == key and isinstance(found.get("coloured"), bool)
    return bool(found["coloured"]) if known else None


def _remember(path: Path, key: str, *, coloured: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump({"key": key, "coloured": coloured}, stream)
    Path(aside).rename(path)
