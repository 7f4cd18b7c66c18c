"""The image classifier's trainer: chooses size and colour from the data, and decodes while the graph is built."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobs.datasets.formats.images import ImageIndex
from jobs.engine import data
from jobs.engine.ends import BadDataError
from jobs.engine.events import Reporter
from jobs.engine.networks import Network, image_network
from jobs.engine.pixels import SPLITS, UPLOAD_FILE, SplitName
from jobs.engine.recipes.image_classifier import ImageClassifierParams, picture_shape
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.task import TrainTask
from jobs.engine.training.augment import Vary
from jobs.engine.training.fitting import settled
from jobs.engine.training.looks import is_coloured, looks_of
from jobs.engine.training.results import Summary
from jobs.engine.training.session import Learner, Problem, check_splits, make_learner, train


def train_images(task: TrainTask, params: ImageClassifierParams, reporter: Reporter) -> Summary:
    """Train an image classifier; see jobs.engine.main for the contract of a trainer."""
    index = data.open_index(task.data)
    if index["kind"] != "images":
        raise BadDataError("This recipe learns from pictures, and the data is a table.")
    counts = _counts(index)
    check_splits(counts, len(index["labels"]))
    channels = _channels(task, params, index)
    looks = looks_of(index, channels)
    params, fit = _settled(task, params, looks, reporter)
    height, width = size = picture_shape(params, looks)
    with ThreadPoolExecutor(1, thread_name_prefix="loading") as pool:
        loading = pool.submit(
            data.load,
            task.data,
            task.cache,
            task.data_key,
            size=size,
            channels=channels,
            on_progress=_watch(reporter),
        )
        network = _network(params, looks)
        learner = _learner(params, network, (*size, channels), looks.classes, counts["train"])
        arrays = loading.result()
    problem = Problem(
        arrays=arrays,
        input={"kind": "image", "height": height, "width": width, "channels": channels, "range": [0, 255]},
        augment=_augment(params, min(size), channels),
        fit=fit,
    )
    return train(task, params, learner, problem, reporter)


def _counts(index: ImageIndex) -> dict[SplitName, int]:
    splits = [sample["split"] for sample in index["samples"]]
    return {name: splits.count(name) for name in SPLITS}


def _settled(
    task: TrainTask, params: ImageClassifierParams, looks: Data, reporter: Reporter
) -> tuple[ImageClassifierParams, dict[str, Any] | None]:
    return settled(task, params, looks, lambda tried: _network(tried, looks), reporter)


def _network(params: ImageClassifierParams, looks: Data) -> Network:
    return image_network(
        (*picture_shape(params, looks), looks.channels),
        classes=looks.classes,
        width=params.width,
        dropout=params.dropout,
        network=params.network,
        depth=params.depth,
    )


def _learner(
    params: ImageClassifierParams, network: Network, shape: tuple[int, ...], classes: int, samples: int
) -> Learner:
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
    mirror = params.mirror == "on" or (params.mirror == "auto" and channels > 1)
    return Vary(shift=max(1, side // 8), mirror=mirror)


def _channels(task: TrainTask, params: ImageClassifierParams, index: ImageIndex) -> int:
    if params.colour == "auto":
        return 3 if is_coloured(task.data / UPLOAD_FILE, task.cache, task.data_key, index) else 1
    return 1 if params.colour == "grey" else 3
