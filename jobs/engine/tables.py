"""How a table's columns become features: learned from the training rows, kept inside the model as float arithmetic."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats.index import TableColumn

Floats = NDArray[np.float32]
LIMIT = 6.0


@dataclass(frozen=True)
class TableEncoding:
    """Features in this order: scaled numbers, a flag for each number column that has gaps, categories one-hot.

    `numbers` are column places; `means` and `factors` (1 / standard deviation, 0 for a constant) belong to them;
    `flagged` are places within `numbers`; `categories` are (column place, number of categories). A missing number
    becomes its mean, an unknown category (code -1) all zeros, and scaled numbers are cut to ±`limit`.
    """

    columns: int
    numbers: tuple[int, ...]
    means: Floats
    factors: Floats
    flagged: tuple[int, ...]
    categories: tuple[tuple[int, int], ...]
    target_mean: float = 0.0
    target_scale: float = 1.0
    limit: float = LIMIT

    @property
    def features(self) -> int:
        """How many features a row becomes."""
        return len(self.numbers) + len(self.flagged) + sum(count for _, count in self.categories)

    def encode(self, rows: Floats) -> Floats:
        """[n, columns] to [n, features]: the reference that the model's own `prepare` is tested against."""
        x = rows[:, list(self.numbers)]
        missing = np.isnan(x)
        scaled = (np.where(missing, self.means, x) - self.means) * self.factors
        found = [np.clip(scaled, -self.limit, self.limit), missing[:, list(self.flagged)]]
        found += [rows[:, [column]] == np.arange(count) for column, count in self.categories]
        return np.concatenate([part.astype(np.float32) for part in found], axis=1)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values: for a runner that encodes rows in numpy."""
        return {
            "numbers": list(self.numbers),
            "means": self.means.tolist(),
            "factors": self.factors.tolist(),
            "flagged": list(self.flagged),
            "categories": [list(pair) for pair in self.categories],
            "limit": self.limit,
            "target_mean": self.target_mean,
            "target_scale": self.target_scale,
        }


def learn_encoding(
    columns: list[TableColumn], x: Floats, y: NDArray[Any], *, regression: bool
) -> TableEncoding:
    """The encoding of training rows `x` [n, columns] with targets `y`."""
    numbers = tuple(place for place, column in enumerate(columns) if column["type"] == "number")
    categories = tuple(
        (place, max(len(column.get("categories", ())), 1))
        for place, column in enumerate(columns)
        if column["type"] == "category"
    )
    chosen = x[:, list(numbers)].astype(np.float64)
    present = np.isfinite(chosen)
    counts = np.maximum(present.sum(axis=0), 1)
    means = np.where(present, chosen, 0).sum(axis=0) / counts
    spread = np.sqrt((np.where(present, chosen - means, 0) ** 2).sum(axis=0) / counts)
    # A spread below float32's resolution of the mean is rounding, not information.
    constant = spread <= np.abs(means) * 1e-6
    factors = np.where(constant, 0.0, 1 / np.where(constant, 1.0, spread))
    return TableEncoding(
        columns=len(columns),
        numbers=numbers,
        means=means.astype(np.float32),
        factors=factors.astype(np.float32),
        flagged=tuple(int(place) for place in np.flatnonzero(np.isnan(chosen).any(axis=0))),
        categories=categories,
        target_mean=float(np.mean(y)) if regression else 0.0,
        target_scale=(float(np.std(y)) or 1.0) if regression else 1.0,
    )
