"""Small real data in the form that the portal hands to the engine, and a way to run tasks on it."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn import datasets

from jobs.datasets.formats.index import ImageIndex, ImageSample, TableColumn, TableIndex, write_index
from jobs.engine.events import Control, Event, Wish

SPLITS = ("train", "validation", "test")
KEY = "0" * 64


def dealt(y: NDArray[Any], seed: int = 0) -> NDArray[np.int8]:
    """A split code for each sample: within each class 70 % train, 15 % validation, 15 % test, by chance."""
    split = np.zeros(len(y), dtype=np.int8)
    chance = np.random.default_rng(seed)
    for label in np.unique(y):
        places = chance.permutation(np.flatnonzero(y == label))
        held = max(1, len(places) * 15 // 100)
        split[places[:held]], split[places[held : 2 * held]] = 2, 1
    return split


def write_pictures(folder: Path, pictures: NDArray[np.uint8], y: NDArray[Any], split: NDArray[Any]) -> Path:
    """A version of PNG pictures; labels are the classes' numbers as text."""
    folder.mkdir(parents=True)
    samples: list[ImageSample] = []
    with zipfile.ZipFile(folder / "upload", "w") as archive:
        for number, picture in enumerate(pictures):
            name, stream = f"{y[number]}/{number:05}.png", io.BytesIO()
            Image.fromarray(picture).save(stream, "PNG")
            archive.writestr(name, stream.getvalue())
            height, width = picture.shape[:2]
            sample: ImageSample = {
                "name": name,
                "label": int(y[number]),
                "split": SPLITS[split[number]],
                "sha256": f"{number:064}",
                "width": width,
                "height": height,
            }
            samples.append(sample)
    labels = [str(label) for label in range(int(y.max()) + 1)]
    index: ImageIndex = {
        "format": 1,
        "kind": "images",
        "container": "zip",
        "labels": labels,
        "samples": samples,
    }
    write_index(folder, index)
    return folder


def write_table(
    folder: Path, x: NDArray[Any], y: NDArray[Any], *, labels: list[str] | None, columns: list[TableColumn]
) -> Path:
    """A version of a table."""
    folder.mkdir(parents=True)
    split = dealt(y if labels else np.zeros(len(y)))
    np.savez(folder / "table.npz", x=x.astype(np.float64), y=y, split=split)
    index: TableIndex = {
        "format": 1,
        "kind": "table",
        "task": "table-classification" if labels else "table-regression",
        "label_column": "target",
        "labels": labels,
        "columns": columns,
        "rows": len(y),
        "reader": {"format": "csv", "delimiter": ",", "decimal": ".", "encoding": "utf-8"},
    }
    write_index(folder, index)
    return folder


def number_columns(count: int) -> list[TableColumn]:
    return [{"name": f"c{place}", "type": "number", "missing": 0} for place in range(count)]


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's 1,797 handwritten digits, 8 x 8, grey."""
    found = datasets.load_digits()
    pictures = (found.images * 15.9375).astype(np.uint8)
    return write_pictures(
        tmp_path_factory.mktemp("digits") / "data", pictures, found.target, dealt(found.target)
    )


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 of them, in colour."""
    found = datasets.load_digits()
    grey = (found.images[:300] * 15.9375).astype(np.uint8)
    pictures = np.stack([grey, grey // 2, 255 - grey], axis=-1)
    y = found.target[:300]
    return write_pictures(tmp_path_factory.mktemp("few") / "data", pictures, y, dealt(y))


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = datasets.load_iris()
    labels = [str(name) for name in found.target_names]
    folder = tmp_path_factory.mktemp("iris") / "data"
    return write_table(folder, found.data, found.target, labels=labels, columns=number_columns(4))


@pytest.fixture(scope="session")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = datasets.load_diabetes()
    folder = tmp_path_factory.mktemp("diabetes") / "data"
    return write_table(folder, found.data, found.target, labels=None, columns=number_columns(10))


class Run:
    """What a task said, and where its results are."""

    def __init__(self, events: list[Event], out: Path) -> None:
        self.events, self.out = events, out

    @property
    def done(self) -> Event:
        [event] = [event for event in self.events if event["type"] == "done"]
        assert self.events[-1] is event, "nothing comes after the done event"
        return event

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def logs(self) -> str:
        return "\n".join(event["text"] for event in self.of("log"))


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Run a train task in this process; `control` may be any Control, further names go into the task."""
    from jobs.engine.main import run

    count = 0

    def begin(
        recipe: str, data: Path, params: dict[str, Any], control: Control | None = None, **more: Any
    ) -> Run:
        nonlocal count
        count += 1
        out = more.pop("out", tmp_path / f"out{count}")
        task = {
            "kind": "train",
            "recipe": recipe,
            "params": params,
            "data": str(data),
            "data_key": KEY,
            "cache": str(tmp_path / "cache"),
            "out": str(out),
            **{name: str(value) if isinstance(value, Path) else value for name, value in more.items()},
        }
        events: list[Event] = []
        run(task, events.append, control or Wish())
        return Run(events, out)

    return begin


class After:
    """A control that gives its command from the n-th look on."""

    def __init__(self, command: str, looks: int) -> None:
        self._command, self._left = command, looks

    @property
    def command(self) -> str:
        self._left -= 1
        return self._command if self._left < 0 else ""
