"""A strip of thumbnails for each class, for the dataset's page."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from jobs.datasets.formats.limits import THUMBNAIL_SIDE_PIXELS, THUMBNAILS_PER_STRIP
from jobs.datasets.formats.pictures import Picture

PREVIEW_NAME: Final = "preview.json"
QUALITY: Final = 80


class Strips:
    """Keeps each class's thumbnails with the lowest hashes: as good as drawn at random, always the same.

    `wants` may be called from threads beside one that calls `add`: a stale answer costs a thumbnail too many.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._kept: dict[str, dict[str, Image.Image]] = {label: {} for label in labels}
        self._bounds: dict[str, str] = dict.fromkeys(labels, "g")  # above every hexadecimal hash

    def wants(self, label: str, sha256: str) -> bool:
        return sha256 < self._bounds.get(label, "")

    def add(self, label: str, picture: Picture) -> None:
        if picture.thumbnail is None:
            return
        kept = self._kept[label]
        kept[picture.sha256] = picture.thumbnail
        if len(kept) > THUMBNAILS_PER_STRIP:
            del kept[max(kept)]
        if len(kept) == THUMBNAILS_PER_STRIP:
            self._bounds[label] = max(kept)

    def write(self, folder: Path, labels: Sequence[str]) -> list[str]:
        """Writes `strip-N.webp` for label number N, and the preview that counts them. Returns their names."""
        files = []
        counts = {}
        for number, label in enumerate(labels):
            if self._kept.get(label):
                thumbnails = [image for _, image in sorted(self._kept[label].items())]
                files.append(f"strip-{number}.webp")
                _side_by_side(thumbnails).save(folder / files[-1], "WEBP", quality=QUALITY)
                counts[str(number)] = len(thumbnails)
        (folder / PREVIEW_NAME).write_text(json.dumps({"strips": counts}))
        return [*files, PREVIEW_NAME]


def _side_by_side(thumbnails: Sequence[Image.Image]) -> Image.Image:
    side = THUMBNAIL_SIDE_PIXELS
    strip = Image.new("RGB", (side * len(thumbnails), side))
    for place, thumbnail in enumerate(thumbnails):
        strip.paste(thumbnail, (place * side, 0))
    return strip
