"""What an accelerator of each type is worth, so that jobs go where they lose least.

The prices minimise the dual of the assignment of jobs to types, by coordinate descent: one type after the other gets
the price at which those who want it just fill it. The dual is
Σ capacity · price + Σ max(0, max (value − price · gang)).
"""

from typing import Final

import numpy as np

from jobs.scheduler.snapshot import Floats

SWEEPS: Final = 4
CLOSE: Final = 1e-3


def prices(value: Floats, gang: Floats, capacity: Floats) -> Floats:
    """The price of one accelerator of each type. value: jobs × types; gang: accelerators a job; capacity: a type's.

    value is 0 where a job can't run.
    """
    found = np.zeros(value.shape[1])
    if not capacity.any():  # only shared ones are left, and these are not worth more to one than to another
        return found
    by_type = np.ascontiguousarray(value.T)  # a maximum over whole columns is far faster than one in each row
    for _sweep in range(SWEEPS):
        before = found.copy()
        for kind in range(len(found)):
            found[kind] = _price(by_type, gang, found, kind, float(capacity[kind]))
        if np.allclose(before, found, rtol=CLOSE):
            break
    return found


def _price(by_type: Floats, gang: Floats, known: Floats, kind: int, capacity: float) -> float:
    otherwise = np.zeros(len(gang))  # the other choice: nothing, or the best of the other types
    for other in range(len(known)):
        if other != kind:
            np.maximum(otherwise, by_type[other] - known[other] * gang, out=otherwise)
    offer = (by_type[kind] - otherwise) / gang
    bidders = np.flatnonzero(offer > 0)
    order = bidders[np.argsort(-offer[bidders], kind="stable")]
    first_out = int(np.searchsorted(np.cumsum(gang[order]), capacity, side="right"))
    if first_out >= len(order):
        return 0.0
    last_in = max(first_out - 1, 0)  # between the two, so that neither is in doubt
    return float(offer[order[[last_in, first_out]]].mean())
