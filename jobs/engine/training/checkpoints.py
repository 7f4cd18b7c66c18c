"""One file that holds a whole training: weights, optimizer, the best weights so far and where it stands."""

import json
import os
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine.training.state import State

FORMAT = 1
KEPT = 2
Weights = list[NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """`model` and `optimizer` are all variables in Keras's order; `best` are the weights of the best epoch, or empty.

    `fingerprint` names the training it belongs to (data, recipe, parameters): another one's is not gone on from.
    """

    fingerprint: str
    state: State
    model: Weights
    optimizer: Weights
    best: Weights


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write aside, push to the disk, rename: a file of this name is always whole."""
    arrays: dict[str, NDArray[Any]] = {"head": _head(checkpoint)}
    for name, weights in (("m", checkpoint.model), ("o", checkpoint.optimizer), ("b", checkpoint.best)):
        arrays |= {f"{name}{place}": value for place, value in enumerate(weights)}
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as stream:
            # numpy's stub takes allow_pickle for one of the arrays.
            np.savez(stream, **arrays)  # type: ignore[arg-type]
            stream.flush()
            os.fsync(stream.fileno())
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)


def read(path: Path) -> Checkpoint | None:
    """The checkpoint in a file; None when it is damaged or of another format, and the training must start anew."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            head = json.loads(stored["head"].tobytes())
            if head["format"] != FORMAT:
                return None
            counts = zip("mob", head["counts"], strict=True)
            weights = [[stored[f"{name}{place}"] for place in range(count)] for name, count in counts]
            return Checkpoint(head["fingerprint"], State.from_json(head["state"]), *weights)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def fits(weights: Sequence[NDArray[Any]], variables: Iterable[Any]) -> bool:
    """Whether stored weights have the shapes of a model's variables."""
    return [value.shape for value in weights] == [tuple(variable.shape) for variable in variables]


def keep_latest(folder: Path) -> None:
    """Remove older checkpoints, but for the one that the supervisor may still be copying."""
    found = sorted(folder.glob("checkpoint-*.npz"), key=lambda path: path.stat().st_mtime_ns)
    for old in found[:-KEPT]:
        old.unlink(missing_ok=True)


def _head(checkpoint: Checkpoint) -> NDArray[np.uint8]:
    head = {
        "format": FORMAT,
        "fingerprint": checkpoint.fingerprint,
        "state": checkpoint.state.as_json(),
        "counts": [len(checkpoint.model), len(checkpoint.optimizer), len(checkpoint.best)],
    }
    return np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
