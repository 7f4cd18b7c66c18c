"""What it is worth to run each job now."""

import numpy as np

from jobs.scheduler.policy import Policy
from jobs.scheduler.snapshot import NOWHERE, Floats, Ints, Owners, Snapshot


def weigh(snapshot: Snapshot, policy: Policy) -> tuple[Floats, Ints]:
    """(the weight of each job, its rank among its member's jobs, from 0).

    Members are charged within the pass: the next job of a member weighs as if the ones before it, by weight, had run
    for `policy.charge_s` already, so that a burst counts at once and cutting a job to pieces gains nothing.
    """
    jobs = snapshot.jobs
    plain = _plain(snapshot, policy)
    favoured = np.where(jobs.pool == NOWHERE, plain, plain * policy.stay * policy.same)
    order = np.lexsort((-favoured, jobs.owner))
    rank, before = _within_owner(jobs.owner[order], jobs.gang[order].astype(np.float64))
    fair = np.empty_like(plain)
    fair[order] = _fair(snapshot.owners, jobs.owner[order], before * policy.charge_s, policy)
    ranks = np.empty(len(plain), dtype=np.int64)
    ranks[order] = rank
    return plain * fair, ranks


def _plain(snapshot: Snapshot, policy: Policy) -> Floats:
    jobs = snapshot.jobs
    age = np.maximum(snapshot.now - jobs.submitted_at, 0.0)
    waits_or_new = (jobs.ran < policy.probe_s).astype(np.float64)
    probe: Floats = 1.0 + (policy.probe - 1.0) * waits_or_new
    return np.asarray(
        (age + policy.age_offset_s) ** policy.age_power
        * jobs.gang**policy.gang_power
        * urgency(snapshot, policy) ** policy.urgency_power
        * probe
        * jobs.boost
    )


def urgency(snapshot: Snapshot, policy: Policy) -> Floats:
    """In 1/s: by the life table, or where a job's remaining time is known by that. One that overruns its estimate is
    taken to need as long again as it has had.
    """
    jobs = snapshot.jobs
    known = np.isfinite(jobs.remaining) & (jobs.ran >= policy.known_after_s)
    left = np.where(jobs.remaining > 0, jobs.remaining, jobs.attained)
    return np.where(known, 1.0 / (left + policy.tail_s), snapshot.lives.gittins(jobs.attained))


def _within_owner(owner: Ints, gang: Floats) -> tuple[Ints, Floats]:
    """For rows sorted by owner: (the rank of each in its owner's rows, the accelerators of those before it)."""
    if len(owner) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    starts = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    lengths = np.diff(np.append(starts, len(owner)))
    rank = np.arange(len(owner)) - np.repeat(starts, lengths)
    before = np.cumsum(gang) - gang
    return rank, before - np.repeat(before[starts], lengths)


def _fair(owners: Owners, owner: Ints, charged: Floats, policy: Policy) -> Floats:
    """(û + floor)^-f, û the member's share of all use over their entitled share."""
    whole = owners.usage.sum() + policy.charge_s
    used = (owners.usage[owner] + charged) / (whole + charged)
    entitled = np.maximum(owners.share[owner], 1e-6)
    over = used / entitled
    return np.asarray(
        (over + policy.fair_floor) ** -policy.fair_power * np.maximum(over, 1.0) ** -policy.over_power
    )


def is_overdue(snapshot: Snapshot, policy: Policy) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Waiting jobs that have waited past their bound, which grows with their own length: they reserve their place."""
    jobs = snapshot.jobs
    length = np.where(
        np.isfinite(jobs.remaining),
        jobs.remaining + jobs.attained,
        jobs.attained + 1.0 / snapshot.lives.gittins(jobs.attained),
    )
    waited = snapshot.now - jobs.submitted_at - jobs.ran
    bound = np.maximum(policy.overdue_s, policy.overdue_lengths * length)
    return np.asarray((jobs.pool == NOWHERE) & (waited > bound))
