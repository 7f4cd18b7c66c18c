"""How long jobs last, learnt from those before: a life table, and the Gittins index it gives.

The index of a job that has had v seconds of work is the best ratio, over all horizons, of the chance that it ends
within the horizon to the work it is expected to take there (Gittins 1979; Aalto, Ayesta, Righter 2009): to serve the
highest first gives the least mean time on one server when lengths are unknown.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FIRST_S: Final = 60.0
PER_OCTAVE: Final = 4
OCTAVES: Final = 14  # up to eleven days
PSEUDO: Final = 3.0  # jobs' worth of prior in each bin
PRIOR_S: Final = 300.0  # the prior hazard is 1 / max(bin edge, this)

Column = NDArray[np.float64]
EDGES: Final[Column] = np.concatenate(
    [[0.0], FIRST_S * 2.0 ** (np.arange(PER_OCTAVE * OCTAVES) / PER_OCTAVE)]
)
WIDTHS: Final[Column] = np.append(np.diff(EDGES), EDGES[-1] * (2.0 ** (1 / PER_OCTAVE) - 1.0))


def _bins(work_s: Column) -> NDArray[np.int64]:
    return np.searchsorted(EDGES, work_s, side="right") - 1


@dataclass(frozen=True)
class LifeTable:
    """`ends`: the chance to end within a bin once it is reached; `index`: the Gittins index at a bin's left edge."""

    ends: Column
    index: Column

    def gittins(self, work_s: Column, power: float = 1.0) -> Column:
        """The index in 1/s, to a power, of jobs that have had `work_s` seconds of work."""
        return (self.index**power)[_bins(np.maximum(work_s, 0.0))]

    def remaining_s(self, work_s: Column, quantile: float | Column) -> Column:
        """The seconds of work within which a share `quantile` (one, or one for each row) of such jobs ends. Whole bins;
        the last one is open.
        """
        reached = _bins(np.maximum(work_s, 0.0))
        survival = np.concatenate([[1.0], np.cumprod(1.0 - self.ends)])
        wanted = survival[reached] * (1.0 - quantile)
        bins = np.searchsorted(-survival, -wanted, side="left")
        rights = np.append(EDGES, EDGES[-1] + WIDTHS[-1])
        return np.maximum(rights[np.minimum(bins, len(EDGES))] - work_s, 0.0)


def fit(finished_s: Column, running_s: Column) -> LifeTable:
    """The table of jobs that ended after `finished_s` seconds of work, and of such as run still after `running_s`
    (censored: they count as reached for half of their last bin).
    """
    died = np.bincount(_bins(finished_s), minlength=len(EDGES)).astype(np.float64)
    censored = np.bincount(_bins(running_s), minlength=len(EDGES)).astype(np.float64)
    reached = np.cumsum((died + censored)[::-1])[::-1] - censored / 2
    prior = 1.0 - np.exp(-WIDTHS / np.maximum(EDGES, PRIOR_S))
    ends = np.clip((died + PSEUDO * prior) / (reached + PSEUDO), 1e-6, 1.0 - 1e-9)
    return LifeTable(ends, np.array([_index(ends[first:], WIDTHS[first:]) for first in range(len(EDGES))]))


def _index(ends: Column, widths: Column) -> float:
    """The best ratio of chance to work over all horizons that end with a bin; who ends in one does so in its middle."""
    survival = np.concatenate([[1.0], np.cumprod(1.0 - ends)])
    work = np.cumsum(survival[:-1] * (1.0 - ends / 2) * widths)
    return float(np.max((1.0 - survival[1:]) / work))


EMPTY: Final = fit(np.array([]), np.array([]))
