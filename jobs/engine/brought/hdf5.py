"""HDF5 files that members bring, by themselves or in a .keras file: looked through before Keras reads them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from jobs.engine.brought.refused import SAVE_ANEW, NotTakenError

MAX_OBJECTS = 50_000
MAX_VALUES_BYTES = 2 * 1024**3
MAX_CONFIG_CHARACTERS = 64 * 1024**2
CONFIG = "model_config"
_BY_ITSELF, _IN_KERAS = "The .h5 file", "The HDF5 file of weights in the .keras file"
_UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError)
_AGAIN = "is damaged or cut off. Upload it again, or save it anew."


def read_config(path: Path) -> dict[str, Any]:
    """The architecture that a whole model's file holds, everything else in the file found to be plain values.

    NotTakenError for a file of weights alone, one that is damaged, and one that refers to other files or unpacks to
    more than any board could run.
    """
    try:
        with h5py.File(path, "r") as file:
            _check_values(file, _BY_ITSELF)
            text = file.attrs.get(CONFIG)
    except _UNREADABLE as error:
        raise NotTakenError(f"{_BY_ITSELF} {_AGAIN}") from error
    if text is None:
        raise NotTakenError(
            "This .h5 file holds weights alone, without the network they belong to. Save the whole model: "
            "model.save('model.keras')."
        )
    return _parsed(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)


def check_weights(path: Path) -> None:
    """NotTakenError for a .keras file's own HDF5 file when that is damaged, or is what `read_config` refuses."""
    try:
        with h5py.File(path, "r") as file:
            _check_values(file, _IN_KERAS)
    except _UNREADABLE as error:
        raise NotTakenError(f"{_IN_KERAS} {_AGAIN}") from error


def _parsed(text: Any) -> dict[str, Any]:
    try:
        config = json.loads(text) if len(text) <= MAX_CONFIG_CHARACTERS else None
    except (ValueError, RecursionError, TypeError) as error:
        raise NotTakenError(f"{_BY_ITSELF} {_AGAIN}") from error
    if not isinstance(config, dict):
        raise NotTakenError(f"The network's description in the .h5 file cannot be read. {SAVE_ANEW}")
    return config


def _check_values(file: Any, title: str) -> None:
    """`title` is what the file is called in the sentence that refuses it."""
    total = 0
    for dataset in _datasets(file, title):
        if dataset.external or dataset.is_virtual:
            raise NotTakenError(f"{title} takes its values from other files. {SAVE_ANEW}")
        total += int(dataset.size or 0) * dataset.dtype.itemsize
        if total > MAX_VALUES_BYTES:
            raise NotTakenError(
                f"{title} holds more than {MAX_VALUES_BYTES // 1024**2:,} MB of weights. No board here runs so "
                "large a model."
            )


def _datasets(file: Any, title: str) -> Iterator[Any]:
    """Every array in the file. NotTakenError for links, and for far too much of everything."""
    waiting, seen = [file], 0
    while waiting:
        group = waiting.pop()
        for name in group:
            seen += 1
            if seen > MAX_OBJECTS:
                raise NotTakenError(f"{title} has more than {MAX_OBJECTS:,} parts, as no model does.")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise NotTakenError(f"{title} has links in it. {SAVE_ANEW}")
            found = group[name]
            if isinstance(found, h5py.Group):
                waiting.append(found)
            elif isinstance(found, h5py.Dataset):
                yield found
