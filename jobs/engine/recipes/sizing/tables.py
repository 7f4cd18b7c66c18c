"""The table recipes' network (`jobs.engine.networks.table_network`) as operators. A test holds both alike.

What prepares the columns stays float; the dense layers and the softmax behind them are int8.
"""

from collections.abc import Sequence
from typing import Any

from jobs.engine.recipes.sizing.data import Data
from jobs.engine.recipes.sizing.images import dense
from jobs.engine.recipes.sizing.net import FLOAT, INT32, Builder, Net


def table_net(data: Data, *, width: int, hidden: int) -> Net:
    """For rows of `data.columns` values."""
    build = Builder()
    row = build.tensor(data.columns, is_float=True)
    found = _numbers(build, row, data) if data.numbers else []
    found += [_categories(build, row, data.categories)] if data.categories else []
    features = data.numbers + data.flagged + sum(data.categories)
    x = found[0]
    if bool(data.numbers) + bool(data.flagged) + len(data.categories) > 1:
        x = build.add("CONCATENATION", found, features, is_float=True, plain=True)
    x, size = build.add("QUANTIZE", [x], features), features
    for _ in range(hidden):
        x, size = dense(build, x, size, width), width
    x = dense(build, x, size, data.classes or 1)
    if data.classes:
        x = build.add("SOFTMAX", [x], data.classes)
    # What brings a number back to its own unit is folded into the last layer.
    build.add("DEQUANTIZE", [x], data.classes or 1, is_float=True)
    return build.net()


def _numbers(build: Builder, row: int, data: Data) -> list[int]:
    """Scaled numbers, and flags of those that are missing."""
    count = data.numbers
    x = build.add("GATHER", [row], count, is_float=True, plain=True, arrays=1, constants=INT32 * count)
    missing = build.add("NOT_EQUAL", [x, x], count, plain=True)
    x = build.add(
        "SELECT_V2", [missing, x], count, is_float=True, plain=True, arrays=1, constants=FLOAT * count
    )
    x = build.add("SUB", [x], count, is_float=True, plain=True)
    x = build.add("MUL", [x], count, is_float=True, plain=True, arrays=1, constants=FLOAT * count)
    for name in ("MINIMUM", "MAXIMUM"):
        x = build.add(name, [x], count, is_float=True, plain=True, constants=FLOAT)
    if not data.flagged:
        return [x]
    few = data.flagged
    gaps = build.add("GATHER", [row], few, is_float=True, plain=True, arrays=1, constants=INT32 * few)
    gaps = build.add("NOT_EQUAL", [gaps, gaps], few, plain=True)
    return [x, build.add("CAST", [gaps], few, is_float=True, plain=True)]


def _categories(build: Builder, row: int, counts: Sequence[int]) -> int:
    """Each category column as so many values, one of them 1; all stay until they are put together."""
    columns, features = len(counts), sum(counts)
    alike: dict[str, Any] = {"count": columns, "plain": True}
    x = build.add("GATHER", [row], columns, is_float=True, arrays=columns, constants=INT32 * columns, **alike)
    x = build.add("EQUAL", [x], features, arrays=columns, constants=FLOAT * features, **alike)
    return build.add("CAST", [x], features, is_float=True, **alike)
