"""What the pictures of a version look like: the size and the number of channels to train at."""

import json
import os
import tempfile
from pathlib import Path

from jobs.datasets.formats.images import ImageIndex
from jobs.datasets.formats.looks import has_colour, median_shape, median_side
from jobs.engine.recipes.sizing.data import Data

REMEMBERED = "colour.json"


def looks_of(index: ImageIndex, channels: int) -> Data:
    """What of the pictures decides how large a network gets, as a version's report tells it."""
    side, shape = int(median_side(index)), median_shape(index)
    return Data(classes=len(index["labels"]), side=side, shape=shape, channels=channels)


def is_coloured(upload: Path, cache: Path, key: str, index: ImageIndex) -> bool:
    """Whether any of a few pictures from all over the version has a colour; remembered in the version's cache."""
    found = _recall(cache / REMEMBERED, key)
    if found is None:
        found = has_colour(upload, index)
        _remember(cache / REMEMBERED, key, coloured=found)
    return found


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
