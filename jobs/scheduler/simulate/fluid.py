"""The yardstick of fairness: every job gets an equal share of every type of accelerator, as if they were a fluid."""

import numpy as np

from jobs.scheduler.simulate.trace import Trace
from jobs.scheduler.snapshot import Floats

ROUNDING = 1e-9


def equal_share_times(trace: Trace, capacity: Floats) -> Floats:
    """Seconds from arrival to completion of each job when at any time each of N open jobs has 1/N of every type: for
    a share of the time it runs on each, in all never more than always. What finish-time fairness compares with
    (Mahajan et al., Themis, NSDI 2020).
    """
    left, ends = trace.steps.copy(), np.zeros(len(trace.steps))
    is_open = np.zeros(len(left), dtype=np.bool_)
    now, came = 0.0, 0
    while came < len(left) or is_open.any():
        if not is_open.any():
            now = max(now, float(trace.arrival[came]))
        while came < len(left) and trace.arrival[came] <= now:
            is_open[came] = True
            came += 1
        rows = np.flatnonzero(is_open)
        speed = _speeds(trace, rows, capacity)
        until_next = trace.arrival[came] - now if came < len(left) else np.inf
        step = min(float((left[rows] / speed).min()), until_next)
        now, left[rows] = now + step, left[rows] - speed * step
        over = rows[left[rows] <= ROUNDING * trace.steps[rows]]
        ends[over], is_open[over] = now, False
    return ends - trace.arrival


def _speeds(trace: Trace, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]", capacity: Floats) -> Floats:
    """Steps per second of each open job."""
    times = capacity / (len(rows) * trace.gang[rows, None])
    times /= np.maximum(times.sum(axis=1), 1.0)[:, None]
    return np.asarray((times * trace.rate[rows]).sum(axis=1))
