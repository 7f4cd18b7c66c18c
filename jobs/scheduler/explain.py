"""Why a job stands where it stands: the factors of its weight, and its place among those that wait."""

from dataclasses import dataclass

import numpy as np

from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.snapshot import NOWHERE, Blocker, Floats, Plan, Snapshot
from jobs.scheduler.weight import urgency


@dataclass(frozen=True)
class Why:
    """Of one waiting job. position: 1 is next. The factors multiply to its weight but for its gang, each 1 for a job
    that was just submitted, of which nothing is known, by a member who uses just their share: `share` above 1 for
    who used less, `length` for what is expected to end soon, `waiting` for what has waited.
    """

    job: str
    position: int
    blocker: Blocker
    share: float
    length: float
    waiting: float


def explain(snapshot: Snapshot, made: Plan, policy: Policy = DEFAULT) -> list[Why]:
    """For each job that the plan leaves waiting, by position."""
    jobs, placed = snapshot.jobs, {each.job for each in made.placements}
    waits = [row for row in np.flatnonzero(jobs.pool == NOWHERE) if jobs.ids[row] not in placed]
    rows = np.array(sorted(waits, key=lambda row: (-made.weight[row], row)), dtype=np.int64)
    waiting, length = _waiting(snapshot, policy), _length(snapshot, policy)
    share = _share(snapshot, made.weight, waiting * length, policy)
    return [
        Why(
            job=jobs.ids[row],
            position=place,
            blocker=Blocker(int(made.blocker[row])),
            share=float(share[row]),
            length=float(length[row]),
            waiting=float(waiting[row]),
        )
        for place, row in enumerate(rows, start=1)
    ]


def _waiting(snapshot: Snapshot, policy: Policy) -> Floats:
    age = np.maximum(snapshot.now - snapshot.jobs.submitted_at, 0.0)
    return np.asarray((age / policy.age_offset_s + 1.0) ** policy.age_power)


def _length(snapshot: Snapshot, policy: Policy) -> Floats:
    """Against a job that has not run; what has run for a while does without the favour of the unknown."""
    new = float(snapshot.lives.gittins(np.zeros(1))[0])
    known = np.where(snapshot.jobs.ran < policy.probe_s, 1.0, 1.0 / policy.probe)
    return np.asarray((urgency(snapshot, policy) / new) ** policy.urgency_power * known)


def _share(snapshot: Snapshot, weight: Floats, others: Floats, policy: Policy) -> Floats:
    """What is left of the weight, against that of a member who has used just what they are entitled to."""
    jobs = snapshot.jobs
    new = float(snapshot.lives.gittins(np.zeros(1))[0]) ** policy.urgency_power
    plain = (
        policy.age_offset_s**policy.age_power * new * policy.probe * jobs.gang**policy.gang_power * jobs.boost
    )
    even = (1.0 + policy.fair_floor) ** -policy.fair_power
    return np.asarray(weight / (plain * others * even))
