"""The figures by which policies are compared."""

from dataclasses import asdict, dataclass

import numpy as np

from jobs.scheduler.simulate.trace import Trace
from jobs.scheduler.simulate.world import Outcome
from jobs.scheduler.snapshot import Floats

HOUR = 3600.0
SHORT_S = 600.0


@dataclass(frozen=True)
class Figures:
    """Hours unless the name says otherwise. rho: completion time over that under a fluid equal share. jain: of the
    members' mean rho. others_rho: of all jobs but those of member 0, the hog where there is one; NaN where there is no
    other. short_wait: until the first start of jobs that take less than ten minutes. Preemptions and
    migrations per job. first_had: accelerator-hours that member 0 had until `Conditions.mark_s`.
    """

    average: float
    median: float
    p99: float
    makespan: float
    utilisation: float
    rho_max: float
    rho_p99: float
    jain: float
    others_rho_mean: float
    others_rho_p99: float
    short_wait_p50_s: float
    short_wait_p95_s: float
    preemptions: float
    migrations: float
    first_had: float

    def as_row(self) -> dict[str, float]:
        return asdict(self)


def measure(trace: Trace, outcome: Outcome, fair_s: Floats, capacity: Floats) -> Figures:
    took = outcome.done - trace.arrival
    rho, wait = took / fair_s, outcome.first - trace.arrival
    short, others = wait[trace.length_s < SHORT_S], rho[trace.owner != 0]
    span = float(outcome.done.max() - trace.arrival.min())
    return Figures(
        average=float(took.mean() / HOUR),
        median=float(np.median(took) / HOUR),
        p99=float(np.percentile(took, 99) / HOUR),
        makespan=span / HOUR,
        utilisation=outcome.busy / (float(capacity.sum()) * span),
        rho_max=float(rho.max()),
        rho_p99=float(np.percentile(rho, 99)),
        jain=_jain(np.array([rho[trace.owner == who].mean() for who in np.unique(trace.owner)])),
        others_rho_mean=float(others.mean()) if len(others) else np.nan,
        others_rho_p99=float(np.percentile(others, 99)) if len(others) else np.nan,
        short_wait_p50_s=float(np.percentile(short, 50)) if len(short) else np.nan,
        short_wait_p95_s=float(np.percentile(short, 95)) if len(short) else np.nan,
        preemptions=float(outcome.preempted.mean()),
        migrations=float(outcome.migrated.mean()),
        first_had=float(outcome.had[0] / HOUR),
    )


def _jain(values: Floats) -> float:
    """Jain's fairness index (Jain, Chiu, Hawe 1984): 1 when all are equal, 1/n when one has it all."""
    return float(values.sum() ** 2 / (len(values) * (values**2).sum()))
