"""A model that came without data: nothing to calibrate or to measure by, and self-test vectors drawn by chance.

Such a model is exported as fp32 only: int8 needs to see what goes in. Its self-test still tells whether a board
computes as the portal did, which any input shows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats.index import ImageIndex, Index, TableIndex
from jobs.engine.data import Arrays, SoundIndex, Split
from jobs.engine.pixels import SPLITS

PICTURE = 3
SEED = 0
VECTORS = 64
NOTE = "It came without data: nobody has measured how often it is right, and it is fp32 only."
NO_INT8 = (
    "There is no data to calibrate int8 with: the model came without a dataset. Bring it again with one, and bundles "
    "get an int8 model, a quarter as large."
)
NO_INT8_YET = "There is no data to calibrate int8 with: there are no datasets of sounds yet."
DRAWN = f"drawn by chance (numpy's default_rng, seed {SEED}), for the model came without data"


def vectors(shape: tuple[int, ...], count: int = VECTORS, *, sounds: bool = False) -> NDArray[Any]:
    """`count` inputs (count, *shape), always the same: pictures (uint8, 0..255) of coarse and fine noise, rows
    (float32) of normal numbers between 1/10 and 100 in size, or `sounds` (float32, -1..1): noise and tones, loud and
    low, in steps of 16 bits.
    """
    chance = np.random.default_rng(SEED)
    if sounds:
        return _sounds(chance, shape[0], count)
    if len(shape) != PICTURE:
        sizes = 10.0 ** chance.uniform(-1, 2, (count, *(1 for _ in shape)))
        return (chance.normal(size=(count, *shape)) * sizes).astype(np.float32)
    height, width, channels = shape
    fine = chance.integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    for place in range(0, count, 2):
        cells = 1 + place % 8
        coarse = chance.integers(0, 256, (cells, cells, channels), dtype=np.uint8)
        rows, columns = (np.arange(side) * cells // side for side in (height, width))
        fine[place] = coarse[rows][:, columns]
    return fine


def _sounds(chance: np.random.Generator, samples: int, count: int) -> NDArray[np.float32]:
    loud = 10.0 ** chance.uniform(-2, 0, (count, 1))
    found = chance.uniform(-1, 1, (count, samples))
    turns = 0.5 ** chance.uniform(1, 8, (count, 1))  # of a tone, from one sample to the next
    found[::2] = np.sin(2 * np.pi * turns * np.arange(samples))[::2]
    return (np.clip(np.round(found * loud * 2**15), -(2**15), 2**15 - 1) / 2**15).astype(np.float32)


def column_names(count: int) -> list[str]:
    """What the columns of a table are called when nobody has said: by their place, as files without names have it."""
    return [f"column {number}" for number in range(1, count + 1)]


def no_int8(arrays: Arrays) -> str:
    """Why there is no int8 model without samples, and what would help."""
    return NO_INT8_YET if arrays.kind == "sounds" else NO_INT8


def is_measured(arrays: Arrays) -> bool:
    """Whether there are samples to measure by."""
    return len(arrays.test.y) > 0


def subjects(arrays: Arrays) -> NDArray[Any]:
    """What an exported file is run on: the test split, or vectors drawn by chance where there is none."""
    if is_measured(arrays):
        return arrays.test.x
    return vectors(arrays.test.x.shape[1:], sounds=arrays.kind == "sounds")


def arrays_of(report: dict[str, Any], shape: tuple[int, ...]) -> Arrays:
    """A version without a sample, for a model with inputs of `shape`: what names, types and labels there are."""
    pictures, given = len(shape) == PICTURE, report.get("input") or {}
    labels = tuple(str(label) for label in report.get("labels") or ())
    empty = Split(
        np.zeros((0, *shape), np.uint8 if pictures else np.float32),
        np.zeros(0, np.int64 if labels else np.float32),
    )
    index: Index | SoundIndex = _pictures(labels) if pictures else _table(report, shape[0], labels)
    if given.get("kind") == "sound":
        index = {"kind": "sounds", "labels": list(labels), "rate_hz": int(given["rate_hz"])}
    return Arrays(
        kind=index["kind"],
        labels=labels,
        train=empty,
        validation=empty,
        test=empty,
        numbers={name: np.zeros(0, np.int64) for name in SPLITS},
        index=index,
    )


def _pictures(labels: tuple[str, ...]) -> ImageIndex:
    return {"format": 1, "kind": "images", "container": "", "labels": list(labels), "samples": []}


def _table(report: dict[str, Any], columns: int, labels: tuple[str, ...]) -> TableIndex:
    return {
        "format": 1,
        "kind": "table",
        "task": str(report.get("task", "")),
        "label_column": "",
        "labels": list(labels) or None,
        "columns": [{"name": name, "type": "number", "missing": 0} for name in column_names(columns)],
        "rows": 0,
        "reader": {"format": "csv", "delimiter": ",", "decimal": ".", "encoding": "utf-8"},
    }
