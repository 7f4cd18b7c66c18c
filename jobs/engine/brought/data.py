"""What a brought model is measured by: the version that came with it, or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine import data
from jobs.engine.brought.interface import Interface
from jobs.engine.brought.normal import RESCALINGS
from jobs.engine.brought.refused import NotTakenError, quoted
from jobs.engine.brought.task import ImportTask
from jobs.engine.data import Arrays
from jobs.engine.export.dataless import column_names, vectors
from jobs.engine.pixels import SPLITS
from jobs.engine.spec import PixelRange

PROBES = 64
HINT_SAMPLES = 256
CLEARLY_BETTER = 0.1
_NAMED = 5


@dataclass(frozen=True)
class Measure:
    """The labels of the model's outputs, their `order` when they are kept, and the data to measure by, if any."""

    interface: Interface
    labels: tuple[str, ...]
    order: tuple[int, ...]
    arrays: Arrays | None

    @property
    def kept_labels(self) -> tuple[str, ...]:
        return tuple(self.labels[place] for place in self.order)

    @property
    def task(self) -> str:
        if self.interface.kind == "images":
            return "image-classification"
        what = "sound" if self.interface.kind == "sounds" else "table"
        return f"{what}-classification" if self.labels else f"{what}-regression"

    def counts(self) -> dict[str, int]:
        return {name: self.arrays.counts()[name] if self.arrays else 0 for name in SPLITS}

    def probes(self) -> NDArray[np.float32]:
        """Inputs by whose answers can be told what kind of answers they are."""
        if self.arrays is None:
            sounds = self.interface.kind == "sounds"
            return vectors(self.interface.shape, PROBES, sounds=sounds).astype(np.float32)
        return np.nan_to_num(self.arrays.representative(PROBES))

    def input(self) -> dict[str, Any]:
        """The report's `input`, as the recipes write it."""
        if self.interface.kind == "sounds":
            return {
                "kind": "sound",
                "samples": self.interface.shape[0],
                "rate_hz": self.interface.rate_hz,
                "range": [-1, 1],
            }
        if self.interface.kind == "images":
            height, width, channels = self.interface.shape
            return {
                "kind": "image",
                "height": height,
                "width": width,
                "channels": channels,
                "range": [0, 255],
            }
        if self.arrays is not None and self.arrays.index["kind"] == "table":
            return {"kind": "table", "columns": self.arrays.index["columns"]}
        return {
            "kind": "table",
            "columns": [
                {"name": name, "type": "number", "missing": 0}
                for name in column_names(self.interface.shape[0])
            ],
        }

    def hints(self, pixels: PixelRange, answer: Callable[[NDArray[Any]], NDArray[np.float32]]) -> list[str]:
        """What would make it better, where that was seen: pictures in another range of values."""
        if self.arrays is None or self.interface.kind != "images":
            return []
        x, y = (part[:HINT_SAMPLES] for part in self.arrays.validation)
        x = np.asarray(x, dtype=np.float32)
        right = {wanted: _accuracy(answer(_as_if(x, pixels, wanted)), y) for wanted in PixelRange}
        best = max(PixelRange, key=lambda wanted: right[wanted])
        if right[best] - right[pixels] <= CLEARLY_BETTER:
            return []
        hint = (
            f"It seems to want pixels {best}: so it is right on {right[best]:.0%} of {len(y)} validation samples, and "
            f"with pixels {pixels} on {right[pixels]:.0%}. Bring it again and say so."
        )
        return [hint]


def _accuracy(answers: NDArray[np.float32], y: NDArray[Any]) -> float:
    return float((answers.argmax(axis=1) == y).mean())


def _as_if(x: NDArray[np.float32], given: PixelRange, wanted: PixelRange) -> NDArray[np.float32]:
    """Pictures 0..255, changed so that a model made for the range `given` gets them in the range `wanted`."""
    scale, offset = RESCALINGS.get(wanted, (1.0, 0.0))
    back, away = RESCALINGS.get(given, (1.0, 0.0))
    return np.asarray((x * scale + offset - away) / back, dtype=np.float32)


def measure_of(given: ImportTask, interface: Interface, tick: Callable[[float], None]) -> Measure:
    """What to measure by. NotTakenError when the data does not fit the model or its labels."""
    if given.data is None:
        labels = given.labels or ()
        return Measure(interface, labels, tuple(range(len(labels))), None)
    arrays = _load(given, interface, tick)
    labels = arrays.labels if given.labels is None else given.labels
    return Measure(interface, labels, _order(labels, arrays.labels), arrays)


def _load(given: ImportTask, interface: Interface, tick: Callable[[float], None]) -> Arrays:
    assert given.data is not None  # noqa: S101 - for mypy
    index = data.open_index(given.data)
    if index["kind"] != interface.kind:
        words = {"images": "pictures", "table": "a table's rows", "sounds": "sounds"}
        raise NotTakenError(
            f"The model takes {words[interface.kind]}, and the dataset holds {words[index['kind']]}. Choose data of "
            "the model's kind, or none."
        )
    if index["kind"] == "images":
        height, width, channels = interface.shape
        return data.load(
            given.data, given.cache, given.data_key, size=(height, width), channels=channels, on_progress=tick
        )
    if len(index["columns"]) != interface.shape[0]:
        raise NotTakenError(
            f"The model takes rows of {interface.shape[0]} columns, and the dataset has {len(index['columns'])} beside "
            f"the label: {_some([column['name'] for column in index['columns']])}."
        )
    return data.load(given.data, given.cache, given.data_key)


def _order(labels: Sequence[str], known: Sequence[str]) -> tuple[int, ...]:
    """The place of each of the data's classes among the labels."""
    if not labels and known:
        raise NotTakenError(
            f"The dataset has classes ({_some(known)}), so the model needs their names as labels."
        )
    if sorted(labels) != sorted(known):
        missing, unknown = sorted(set(known) - set(labels)), sorted(set(labels) - set(known))
        what = [f"no label is named {_some(missing)}"] if missing else []
        what += [f"the dataset has no class {_some(unknown)}"] if unknown else []
        told = "; ".join(what) or "a label is named twice"
        raise NotTakenError(
            f"The labels are not the dataset's classes: {told}. They must have the same names."
        )
    return tuple(labels.index(label) for label in known)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(quoted(name, 40) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
