"""Reading a checked archive of pictures for training. Imports neither Django nor TensorFlow nor pyarrow."""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats.archives import content_bytes
from jobs.datasets.formats.index import ImageIndex, ImageSample, Index, TableIndex, read_index, write_index
from jobs.datasets.formats.names import shown
from jobs.datasets.formats.opening import open_archive
from jobs.datasets.formats.parallel import default_workers, ordered_map
from jobs.datasets.formats.pictures import DECODING_ERRORS
from jobs.datasets.formats.pixels import pixels
from jobs.datasets.formats.rejected import Rejected

__all__ = ["ImageIndex", "ImageSample", "Index", "TableIndex", "read_index", "read_pixels", "write_index"]


def read_pixels(
    upload: Path, index: ImageIndex, *, size: tuple[int, int], channels: int, workers: int | None = None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Each sample of `index` once: its number in `index["samples"]`, its pixels (height, width, channels).

    `size` is (height, width); `channels` 1 or 3. In the order of the archive, maybe not of the index. Decodes
    on `workers` threads (default: one a core, at most 4). Raises `Rejected` ("bad_data") when `upload` is not
    the file that `index` was made from. `pixels.pixels` says how a picture becomes numbers.
    """
    numbers = {sample["name"]: number for number, sample in enumerate(index["samples"])}
    archive = open_archive(upload)
    decode = partial(_decode, numbers=numbers, size=size, channels=channels)
    count = 0
    contents = archive.contents(numbers.keys())
    for found in ordered_map(decode, contents, workers=workers or default_workers(), weight=content_bytes):
        count += 1
        yield found
    if count != len(numbers):
        raise Rejected(
            "bad_data", f"{len(numbers) - count} pictures of this version are no longer in its archive."
        )


def _decode(
    content: tuple[str, bytes | None], *, numbers: dict[str, int], size: tuple[int, int], channels: int
) -> tuple[int, NDArray[np.uint8]]:
    name, data = content
    try:
        return numbers[name], pixels(io.BytesIO(data or b""), size=size, channels=channels)
    except DECODING_ERRORS as error:
        raise Rejected("bad_data", f"The picture {shown(name)} can no longer be decoded.") from error
