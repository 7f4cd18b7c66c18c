"""Why a job stands where it stands: the factors of its weight, and its place among those that wait."""

from dataclasses import dataclass

import numpy as np

from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.snapshot import NOWHERE, Blocker, Bools, Floats, Ints, Plan, Snapshot
from jobs.scheduler.vacancies import vacancies
from jobs.scheduler.weight import urgency

CONTENDING = (Blocker.ACCELERATOR, Blocker.RESERVED, Blocker.HOURS)


@dataclass(frozen=True)
class Why:
    """Of one waiting job. position: 1 is next. rivals: those before it that wait for something it could run on and may
    have it; the others before it are for other types, or held up by a quota. free_at_once, free_bytes: what is left for
    it on one node and on one accelerator, see `vacancies`. The factors multiply to its weight but
    for its gang, each 1 for a job that was just submitted, of which nothing is known, by a member who uses just their
    share: `share` above 1 for who used less, `length` for what is expected to end soon, `waiting` for what has waited.
    """

    job: str
    position: int
    rivals: int
    blocker: Blocker
    share: float
    length: float
    waiting: float
    free_at_once: int = 0
    free_bytes: int = 0


def explain(
    snapshot: Snapshot, made: Plan, policy: Policy = DEFAULT, *, most: int | None = None
) -> list[Why]:
    """For each job that the plan leaves waiting, by position; for `most` of them, the next ones."""
    jobs = snapshot.jobs
    waits = np.flatnonzero((jobs.pool == NOWHERE) & (made.blocker != Blocker.NONE))
    rows = waits[np.lexsort((waits, -made.weight[waits]))][:most]
    waiting, length = _waiting(snapshot, policy), _length(snapshot, policy)
    share = _share(snapshot, made.weight, waiting * length, policy)
    at_once, free_bytes = vacancies(snapshot, made, rows, policy)
    rivals = _rivals(jobs.speed[rows] > 0, np.isin(made.blocker[rows], CONTENDING))
    return [
        Why(
            job=jobs.ids[row],
            position=place,
            rivals=int(rivals[place - 1]),
            blocker=Blocker(int(made.blocker[row])),
            share=float(share[row]),
            length=float(length[row]),
            waiting=float(waiting[row]),
            free_at_once=int(at_once[place - 1]),
            free_bytes=int(free_bytes[place - 1]),
        )
        for place, row in enumerate(rows, start=1)
    ]


def _rivals(usable: Bools, contends: Bools) -> Ints:
    """For each row (jobs × types, in order), how many before it contend for a type that it could use."""
    kinds, which = np.unique(usable, axis=0, return_inverse=True)
    meets = kinds @ kinds.T
    found = np.zeros(len(usable), dtype=np.int64)
    for kind in range(len(kinds)):
        here = which.reshape(-1) == kind
        before = np.cumsum(contends & meets[kind][which.reshape(-1)])
        found[here] = before[here] - contends[here]
    return found


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
