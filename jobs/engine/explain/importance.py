"""Which columns a table's answers hang on: what it costs to shuffle one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine.explain.gradients import Floats
from jobs.engine.explain.watch import Watch

ROWS = 2000
REPEATS = 10
MOST_CELLS = 4_000_000
MOST_COLUMNS = 50
Predict = Callable[[NDArray[Any]], Floats]


def permutation_importance(
    predict: Predict, x: Floats, y: NDArray[Any], names: Sequence[str], *, seed: int, watch: Watch
) -> dict[str, Any]:
    """Breiman 2001, "Random Forests", section 10; as a property of any fixed model Fisher, Rudin and Dominici 2019
    (arXiv:1801.01489): each column's values are dealt anew among rows that the model never saw, and the loss is what
    the model then does worse.

    `y` are label numbers (the loss is accuracy, as a share) or floats (the loss is the root mean square error, in the
    target's unit). Columns come most important first, with mean and standard deviation over the repeats; at most 50 of
    them. Columns that tell the same cannot be told apart by this: each seems to matter less than both together do.
    """
    chance = np.random.default_rng(seed)
    columns = x.shape[1]
    rows = np.sort(chance.permutation(len(y))[: max(50, min(ROWS, MOST_CELLS // (columns * columns or 1)))])
    x, y = np.asarray(x[rows]), y[rows]
    whole = _quality(predict(x), y)
    found: list[list[float]] = []
    for repeat in range(REPEATS):
        losses: list[float] = []
        for column in range(columns):
            watch.tick((repeat + column / columns) / REPEATS)
            if watch.over:
                break
            losses.append(whole - _quality(predict(_dealt(x, column, chance)), y))
        if len(losses) < columns:
            break
        found.append(losses)
    return {
        "kind": "permutation-importance",
        "measure": "accuracy" if y.dtype == np.int64 else "rmse",
        "undisturbed": abs(whole),
        "rows": len(rows),
        "repeats": len(found),
        "columns": _ranked(np.array(found), names) if found else [],
        "columns_left_out": max(0, columns - MOST_COLUMNS) if found else columns,
    }


def _dealt(x: Floats, column: int, chance: np.random.Generator) -> Floats:
    changed = x.copy()
    changed[:, column] = changed[chance.permutation(len(x)), column]
    return changed


def _quality(output: Floats, y: NDArray[Any]) -> float:
    """More is better: the accuracy, or the root mean square error below zero."""
    if y.dtype == np.int64:
        return float((output.argmax(axis=1) == y).mean())
    return -float(np.sqrt(((output.reshape(-1).astype(np.float64) - y) ** 2).mean()))


def _ranked(losses: NDArray[np.float64], names: Sequence[str]) -> list[dict[str, Any]]:
    means, spreads = losses.mean(axis=0), losses.std(axis=0)
    order = np.argsort(-means, kind="stable")[:MOST_COLUMNS]
    return [
        {"name": names[column], "loss": float(means[column]), "spread": float(spreads[column])}
        for column in order
    ]
