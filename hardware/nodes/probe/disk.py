"""The disk that a node's home is on."""

import shutil
from pathlib import Path

from hardware.nodes.probe.facts import Disk


def disk(home: Path) -> Disk:
    """Of the file system that `home`, or the nearest folder above it that exists, is on."""
    place = home.resolve()
    while not place.exists():
        place = place.parent
    found = shutil.disk_usage(place)
    return Disk(total_bytes=found.total, free_bytes=found.free)
