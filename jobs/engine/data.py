"""A dataset version as arrays: decoded once per node into a memory-mapped cache, then opened in milliseconds.

    arrays = load(data_dir, cache_dir, key, size=(32, 32), channels=3)   # pictures
    arrays = load(data_dir, cache_dir, key)                              # tables
    x, y = arrays.test
    arrays.names("test")[0]          # what the member calls that sample
    arrays.representative(200)       # float32 inputs to calibrate a quantiser with

Pictures are uint8 [n, height, width, channels], pixels 0..255; table rows are float32 [n, columns], categories as
codes (-1 unknown) and numbers with NaN where missing. Targets are int64 label numbers, or float32 for regression.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats.index import Index, TableIndex, read_index
from jobs.engine.ends import BadDataError
from jobs.engine.pixels import SPLITS, SplitName, open_pixels

TABLE_FILE = "table.npz"


class SoundIndex(TypedDict):
    """What is known of a model of sounds; there are no versions of them yet. `rate_hz` is that of its samples."""

    kind: Literal["sounds"]
    labels: list[str]
    rate_hz: int


class Split(NamedTuple):
    """Inputs and targets of one split, in the same order; `x` may be a read-only memory map."""

    x: NDArray[Any]
    y: NDArray[Any]


@dataclass(frozen=True)
class Arrays:
    """One dataset version, split; `numbers[split][i]` is the sample's (or row's) number in the version."""

    kind: Literal["images", "table", "sounds"]
    labels: tuple[str, ...]  # empty for regression
    train: Split
    validation: Split
    test: Split
    numbers: dict[SplitName, NDArray[np.int64]]
    index: Index | SoundIndex

    def split(self, name: SplitName) -> Split:
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def counts(self) -> dict[SplitName, int]:
        return {name: len(self.split(name).y) for name in SPLITS}

    def names(self, split: SplitName) -> list[str]:
        """What the member calls each sample of a split: the file's name, or the row's number from 1."""
        if self.index["kind"] != "images":
            return [f"row {number + 1}" for number in self.numbers[split]]
        samples = self.index["samples"]
        return [str(samples[number]["name"]) for number in self.numbers[split]]

    def representative(self, count: int = 200, *, seed: int = 0) -> NDArray[np.float32]:
        """`count` training inputs (fewer if there are not as many), drawn without replacement by seed."""
        total = len(self.train.y)
        chosen = np.random.default_rng(seed).permutation(total)[:count]
        return np.asarray(self.train.x[np.sort(chosen)], dtype=np.float32)


def open_index(data_dir: Path) -> Index:
    """The version's description; BadDataError when it is damaged."""
    try:
        return read_index(data_dir)
    except (OSError, ValueError) as error:
        raise BadDataError("This version's index cannot be read; upload the data again.") from error


def load(
    data_dir: Path,
    cache_dir: Path,
    key: str,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Arrays:
    """Open a version; pictures (which need `size` as (height, width) and `channels` 1 or 3) are decoded at first use.

    `key` identifies the version's content. `on_progress` gets 0..1 while decoding, and may raise to break off. Any
    number of processes may call this at once on one cache. Raises BadDataError when the version's files do not hold
    together.
    """
    index = open_index(data_dir)
    if index["kind"] == "table":
        return _load_table(data_dir, index)
    if size is None or channels is None:
        raise ValueError("pictures are loaded at a size and with a number of channels")
    pixels = open_pixels(
        data_dir, cache_dir, key, index, size=size, channels=channels, on_progress=on_progress
    )
    parts = {name: Split(pixels.x[part], pixels.y[part]) for name, part in pixels.parts.items()}
    return Arrays(
        kind="images",
        labels=tuple(index["labels"]),
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        numbers={name: pixels.numbers[part] for name, part in pixels.parts.items()},
        index=index,
    )


def _load_table(data_dir: Path, index: TableIndex) -> Arrays:
    try:
        with np.load(data_dir / TABLE_FILE, allow_pickle=False) as stored:
            x, y, split = stored["x"].astype(np.float32), stored["y"], stored["split"]
    except (OSError, ValueError, KeyError) as error:
        raise BadDataError("This version's table cannot be read; upload it again.") from error
    if not len(x) == len(y) == len(split) or x.ndim != 2 or x.shape[1] != len(index["columns"]):  # noqa: PLR2004
        raise BadDataError("This version's table does not match its description; upload it again.")
    y = y.astype(np.int64 if index.get("labels") else np.float32)
    rows = {name: np.flatnonzero(split == number) for number, name in enumerate(SPLITS)}
    parts = {name: Split(x[chosen], y[chosen]) for name, chosen in rows.items()}
    return Arrays(
        kind="table",
        labels=tuple(index.get("labels") or ()),
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        numbers={name: chosen.astype(np.int64) for name, chosen in rows.items()},
        index=index,
    )
