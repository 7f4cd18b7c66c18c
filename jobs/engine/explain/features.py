"""A table's columns as a decision tree splits them, and its splits put back into words about columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats.index import TableColumn
from jobs.engine.explain.gradients import Floats

MOST_CATEGORIES = 30
Condition = dict[str, Any]


class Feature(NamedTuple):
    """One column of a tree's matrix: a number, a flag for a gap in it, or one category of a text column."""

    column: int
    name: str
    kind: str  # "number", "missing" or "category"
    category: str = ""
    code: int = -1
    fill: float = 0.0  # what stands for a missing number
    gaps: bool = False  # whether numbers were missing in training


@dataclass(frozen=True)
class Features:
    """How rows [n, columns] (category codes, NaN where a number is missing) become a tree's matrix."""

    features: tuple[Feature, ...]

    @classmethod
    def of(cls, columns: Sequence[TableColumn], x: Floats) -> Self:
        """From training rows. Of a text column's categories the 30 most frequent can be asked about."""
        found: list[Feature] = []
        for place, column in enumerate(columns):
            values = x[:, place]
            if column["type"] == "category":
                found += _categories(place, column, values)
                continue
            present = values[np.isfinite(values)]
            fill = float(present.mean(dtype=np.float64)) if len(present) else 0.0
            gaps = len(present) < len(values)
            found.append(Feature(place, column["name"], "number", fill=fill, gaps=gaps))
            if gaps:
                found.append(Feature(place, column["name"], "missing"))
        return cls(tuple(found))

    def matrix(self, x: Floats) -> Floats:
        """Float32 [n, features], without gaps."""
        return np.stack([_values(x[:, feature.column], feature) for feature in self.features], axis=1)


def _categories(place: int, column: TableColumn, codes: NDArray[np.float32]) -> list[Feature]:
    names = column.get("categories", [])
    counts = np.bincount(codes[codes >= 0].astype(np.int64), minlength=len(names))
    common = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    return [Feature(place, column["name"], "category", names[code], int(code)) for code in sorted(common)]


def _values(values: NDArray[np.float32], feature: Feature) -> Floats:
    missing = ~np.isfinite(values)
    found: NDArray[Any]
    if feature.kind == "category":
        found = values == feature.code
    elif feature.kind == "missing":
        found = missing
    else:
        found = np.where(missing, np.float32(feature.fill), values)
    return np.asarray(found, dtype=np.float32)


def conditions(path: Sequence[tuple[int, float, bool]], features: Features) -> list[Condition]:
    """A way down a tree as one condition a column, in the order in which the columns are first asked about.

    Each names its `column` and holds some of: `above` and `at_most` (numbers), `missing` (only, or true beside bounds:
    also rows without a value), `is` (a category) or `is_not` (categories).
    """
    found: dict[int, Condition] = {}
    for number, threshold, at_most in path:
        feature = features.features[number]
        condition = found.setdefault(feature.column, {"column": feature.name})
        if feature.kind == "number":
            _bound(condition, threshold, at_most=at_most)
        elif feature.kind == "missing":
            condition["missing"] = not at_most
        elif at_most:
            condition.setdefault("is_not", []).append(feature.category)
        else:
            condition["is"] = feature.category
    for feature in features.features:
        if feature.kind == "number" and feature.column in found:
            _mind_gaps(found[feature.column], feature)
    for condition in found.values():
        if "is" in condition:
            condition.pop("is_not", None)
    return list(found.values())


def _bound(condition: Condition, threshold: float, *, at_most: bool) -> None:
    if at_most:
        condition["at_most"] = min(threshold, condition.get("at_most", threshold))
    else:
        condition["above"] = max(threshold, condition.get("above", threshold))


def _mind_gaps(condition: Condition, feature: Feature) -> None:
    """A missing number counts as the mean: said where that lies within the bounds and nothing else was said."""
    bounded = "above" in condition or "at_most" in condition
    if condition.get("missing") is True:
        condition.pop("above", None)
        condition.pop("at_most", None)
    elif condition.get("missing") is False and bounded:
        del condition["missing"]
    elif bounded and feature.gaps:
        above, at_most = condition.get("above", -np.inf), condition.get("at_most", np.inf)
        if above < feature.fill <= at_most:
            condition["missing"] = True
