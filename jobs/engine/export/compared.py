"""Is an exported file worse than the float model, or is it chance? Both answer the same samples: the tests are paired.

Classes: McNemar's test in its exact form, a binomial test of the samples that one alone gets right (McNemar 1947,
Psychometrika 12, 153-157; Fagerland, Lydersen and Laake 2013, BMC Medical Research Methodology 13:91, equation 4), and
the interval of Bonett and Price (2012, Journal of Educational and Behavioral Statistics 37, 479-488). Numbers:
Student's t-test of the differences of squared errors, as Diebold and Mariano (1995, Journal of Business & Economic
Statistics 13, 253-263) compare forecasts, without their terms for series in time.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scikit-learn stands on it

LEVEL = 0.05
_NORMAL = 1.959964  # standard deviations to either side that hold 95 % of a normal distribution
MCNEMAR, PAIRED_T = "exact McNemar", "paired t of squared errors"


@dataclass(frozen=True)
class Compared:
    """A file beside the float model on `samples`. `drop` is what it loses of `metric` (accuracy or r2; below 0: gains),
    `low`..`high` its 95 % interval, `p` two-sided. `lost` counts what the float model alone gets right, `gained` what
    the file alone does; None for numbers.
    """

    metric: str
    test: str
    samples: int
    drop: float
    low: float
    high: float
    p: float
    lost: int | None = None
    gained: int | None = None

    @property
    def real(self) -> bool:
        """Whether it is worse, and chance alone would seldom make it so."""
        return self.drop > 0 and self.p < LEVEL

    def as_json(self) -> dict[str, Any]:
        """For the manifest and the bundle's metrics."""
        counts = {} if self.lost is None else {"lost": self.lost, "gained": self.gained}
        return {
            "with": "fp32",
            "metric": self.metric,
            "test": self.test,
            "samples": self.samples,
            **counts,
            "drop": self.drop,
            "low": self.low,
            "high": self.high,
            "p": self.p,
            "real": self.real,
        }


def compare(
    outputs: NDArray[np.float32], exact: NDArray[np.float32], y: NDArray[Any], *, classes: bool
) -> Compared:
    """Outputs (n, outputs) of a file beside `exact`, the float model's, for the n > 0 targets `y`."""
    if classes:
        right, exactly = outputs.argmax(axis=1) == y, exact.argmax(axis=1) == y
        return of_counts(int((exactly & ~right).sum()), int((right & ~exactly).sum()), len(y))
    squares, exactly = ((found.astype(np.float64).reshape(-1) - y) ** 2 for found in (outputs, exact))
    return _of_squares(squares - exactly, float(((y - y.mean(dtype=np.float64)) ** 2).sum()))


def of_counts(lost: int, gained: int, samples: int) -> Compared:
    """By how many of the `samples` the float model alone gets right (`lost`), and the file alone (`gained`)."""
    unlike = lost + gained
    p = min(1.0, 2 * float(special.bdtr(min(lost, gained), unlike, 0.5))) if unlike else 1.0
    more, less = (lost + 1) / (samples + 2), (gained + 1) / (samples + 2)
    half = _NORMAL * math.sqrt((more + less - (more - less) ** 2) / (samples + 2))
    drop = (lost - gained) / samples
    middle = more - less
    return Compared("accuracy", MCNEMAR, samples, drop, middle - half, middle + half, p, lost, gained)


def _of_squares(differences: NDArray[np.float64], spread: float) -> Compared:
    """By the file's squared errors less the float model's; `spread` is what R² divides the squares by."""
    count = len(differences)
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    p, half = 1.0, 0.0
    if error:
        p = 2 * float(special.stdtr(count - 1, -abs(mean) / error))
        half = error * float(special.stdtrit(count - 1, 1 - LEVEL / 2))
    unit = count / spread if spread else 0.0
    return Compared("r2", PAIRED_T, count, mean * unit, (mean - half) * unit, (mean + half) * unit, p)


def in_words(found: Mapping[str, Any]) -> str:
    """One sentence of what `Compared.as_json` wrote, for people."""
    if "lost" in found:
        start = (
            f"Of {found['samples']} test samples it gets {found['lost']} wrong that the float model has right, and "
            f"{found['gained']} right that the float model has wrong"
        )
    elif found["drop"] > 0:
        start = (
            f"It loses {found['drop']:.2g} of R² against the float model on {found['samples']} test samples"
        )
    else:
        start = f"It loses nothing of R² against the float model on {found['samples']} test samples"
    verdict = "a real drop" if found["real"] else "no drop that stands out from chance"
    return f"{start}: {verdict} ({found['test']} test, p {probability(found['p'])})."


def probability(p: float) -> str:
    """A p-value as people write it."""
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"  # noqa: PLR2004 - the custom's own bound
