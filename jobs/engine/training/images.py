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
from jobs.engine.recipes.image_classifier import ImageClassifierParams
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.task import TrainTask
from jobs.engine.training.augment import Vary
from jobs.engine.training.fitting import settled
from jobs.engine.training.looks import chosen_size, is_coloured
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
    params, fit = _settled(task, params, index, channels, reporter)
    side = params.image_size or chosen_size(index)
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
        network = _network(params, side, channels, len(index["labels"]))
        learner = _learner(params, network, (side, side, channels), len(index["labels"]), counts["train"])
        arrays = loading.result()
    problem = Problem(
        arrays=arrays,
        input={"kind": "image", "height": side, "width": side, "channels": channels, "range": [0, 255]},
        augment=_augment(params, side, channels),
        fit=fit,
    )
    return train(task, params, learner, problem, reporter)


def _counts(index: ImageIndex) -> dict[SplitName, int]:
    splits = [sample["split"] for sample in index["samples"]]
    return {name: splits.count(name) for name in SPLITS}


def _settled(
    task: TrainTask, params: ImageClassifierParams, index: ImageIndex, channels: int, reporter: Reporter
) -> tuple[ImageClassifierParams, dict[str, Any] | None]:
    classes, side = len(index["labels"]), chosen_size(index)
    data = Data(classes=classes, side=side, channels=channels)

    def network(tried: ImageClassifierParams) -> Network:
        return _network(tried, tried.image_size or side, channels, classes)

    return settled(task, params, data, network, reporter)


def _network(params: ImageClassifierParams, side: int, channels: int, classes: int) -> Network:
    shape = (side, side, channels)
    return image_network(shape, classes=classes, width=params.width, dropout=params.dropout)


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
