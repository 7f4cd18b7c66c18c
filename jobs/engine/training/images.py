"""The image classifier's trainer: chooses size and colour from the data, and decodes while the graph is built."""

import json
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from jobs.datasets.formats.images import ImageIndex, read_pixels
from jobs.engine import data
from jobs.engine.ends import BadDataError
from jobs.engine.events import Reporter
from jobs.engine.networks import image_network
from jobs.engine.pixels import SPLITS, UPLOAD_FILE, SplitName
from jobs.engine.recipes.image_classifier import Colour, ImageClassifierParams
from jobs.engine.recipes.params import Choice
from jobs.engine.task import TrainTask
from jobs.engine.training.augment import Vary
from jobs.engine.training.session import Learner, Problem, Summary, check_splits, make_learner, train

SMALLEST, LARGEST = 8, 96
LOOKED_AT = 24


def train_images(task: TrainTask, params: ImageClassifierParams, reporter: Reporter) -> Summary:
    """Train an image classifier; see jobs.engine.main for the contract of a trainer."""
    index = data.open_index(task.data)
    if index["kind"] != "images":
        raise BadDataError("This recipe learns from pictures, and the data is a table.")
    counts = _counts(index)
    check_splits(counts, len(index["labels"]))
    side = params.image_size or chosen_size(index)
    channels = _channels(task, params, index)
    with ThreadPoolExecutor(1, thread_name_prefix="loading") as pool:
        loading = pool.submit(
            data.load,
            task.data,
            task.cache,
            task.data_key,
            size=(side, side),
            channels=channels,
            on_progress=_watch(reporter),
        )
        learner = _learner(params, (side, side, channels), len(index["labels"]), counts["train"])
        arrays = loading.result()
    problem = Problem(
        arrays=arrays,
        input={"kind": "image", "height": side, "width": side, "channels": channels, "range": [0, 255]},
        augment=_augment(params, side, channels),
    )
    return train(task, params, learner, problem, reporter)


def chosen_size(index: ImageIndex) -> int:
    """The side that fits the data: the median picture's shorter side, between 8 and 96 pixels."""
    sides = [min(sample["width"], sample["height"]) for sample in index["samples"]]
    return int(np.clip(np.median(sides), SMALLEST, LARGEST))


def _counts(index: ImageIndex) -> dict[SplitName, int]:
    splits = [sample["split"] for sample in index["samples"]]
    return {name: splits.count(name) for name in SPLITS}


def _learner(params: ImageClassifierParams, shape: tuple[int, int, int], classes: int, samples: int) -> Learner:
    network = image_network(shape, classes=classes, width=params.width, dropout=params.dropout)
    size = min(params.batch_size, samples)
    learner = make_learner(network, classes=classes)
    learner.steps.trace((size, *shape), "uint8", "int64")
    return learner


def _watch(reporter: Reporter) -> Callable[[float], None]:
    def on_progress(share: float) -> None:
        reporter.leave_if_asked()
        reporter.progress("loading", share)

    return on_progress


def _augment(params: ImageClassifierParams, side: int, channels: int) -> Vary | None:
    if not params.augment:
        return None
    mirror = params.mirror is Choice.ON or (params.mirror is Choice.AUTO and channels > 1)
    return Vary(shift=max(1, side // 8), mirror=mirror, erase=side // 4)


def _channels(task: TrainTask, params: ImageClassifierParams, index: ImageIndex) -> int:
    """1 or 3; what the pictures show is remembered in the cache."""
    if params.colour is not Colour.AUTO:
        return 1 if params.colour is Colour.GREY else 3
    known = task.cache / "colour.json"
    value = {"key": task.data_key}
    try:
        found = json.loads(known.read_text())
        if found["key"] == task.data_key and found["channels"] in {1, 3}:
            return int(found["channels"])
    except (OSError, ValueError, KeyError, TypeError):
        value = {"key": task.data_key}
    channels = 3 if _is_coloured(task.data / UPLOAD_FILE, index) else 1
    _remember(known, {**value, "channels": channels})
    return channels


def _is_coloured(upload: Path, index: ImageIndex) -> bool:
    """Whether any of a few pictures, taken from all over the version, has a colour."""
    samples = index["samples"]
    few: Any = {**index, "samples": samples[:: max(1, len(samples) // LOOKED_AT)][:LOOKED_AT]}
    for _, pixels in read_pixels(upload, few, size=(SMALLEST, SMALLEST), channels=3):
        # JPEG's rounding tints grey a little.
        if int(np.ptp(pixels.astype(np.int16), axis=2).max()) > 12:  # noqa: PLR2004
            return True
    return False


def _remember(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "w") as stream:
        json.dump(value, stream)
    Path(aside).rename(path)
