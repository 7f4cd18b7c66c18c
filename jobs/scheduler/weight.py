"""What it is worth to run each job now."""

from dataclasses import dataclass

import numpy as np

from jobs.scheduler.policy import Policy
from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Ints, Jobs, Owners, Snapshot

FEW_OWNERS = 2**16  # so many are sorted by radix


@dataclass(frozen=True)
class Weighed:
    """weight: of each job. order: the jobs by member, and of each member what runs and weighs most first."""

    weight: Floats
    order: Ints


def weigh(snapshot: Snapshot, policy: Policy) -> Weighed:
    """Members are charged within the pass: the next job of a member weighs as if the ones before it, by weight, had run
    for `policy.charge_s` already, so that a burst counts at once.
    """
    jobs = snapshot.jobs
    plain = aged(snapshot, policy) * urgency(snapshot, policy, policy.urgency_power) * _own(jobs, policy)
    beyond = beyond_share(snapshot)
    rows = np.flatnonzero(beyond > 0)
    plain[rows] *= (1.0 + beyond[rows] / policy.beyond_s) ** -policy.beyond_power
    favoured, running = plain.copy(), np.flatnonzero(jobs.pool != NOWHERE)
    favoured[running] *= policy.stay * policy.same
    order = _by_owner(jobs.owner, favoured)
    owner = jobs.owner[order]
    gang = jobs.gang[order].astype(np.float64)
    before = np.cumsum(gang) - gang
    fair = np.empty_like(plain)
    fair[order] = _fair(snapshot.owners, owner, (before - before[starts(owner)]) * policy.charge_s, policy)
    return Weighed(plain * fair, order)


def aged(snapshot: Snapshot, policy: Policy) -> Floats:
    """What having waited adds."""
    age = np.maximum(snapshot.now - snapshot.jobs.submitted_at, 0.0)
    return np.asarray((age + policy.age_offset_s) ** policy.age_power)


def urgency(snapshot: Snapshot, policy: Policy, power: float = 1.0) -> Floats:
    """In 1/s, to a power: by the life table, or where a job's remaining time is known by that. One that overruns its
    estimate is taken to need as long again as it has had.
    """
    jobs = snapshot.jobs
    found = snapshot.lives.gittins(jobs.attained, power)
    known = np.flatnonzero((jobs.ran >= policy.known_after_s) & np.isfinite(jobs.remaining))
    left = np.where(jobs.remaining[known] > 0, jobs.remaining[known], jobs.attained[known])
    found[known] = (left + policy.tail_s) ** -power
    return found


def beyond_share(snapshot: Snapshot) -> Floats:
    """What a job's member used beyond what they are entitled to, by other jobs than this one, in seconds of this job
    on all its accelerators; negative for who has something left. A piece of a job counts as if it had had what the
    other pieces have.
    """
    jobs, owners = snapshot.jobs, snapshot.owners
    of_owner = owners.usage - owners.share * owners.usage.sum()
    return np.asarray(of_owner[jobs.owner] / jobs.gang - jobs.ran)


def _own(jobs: Jobs, policy: Policy) -> Floats:
    """By what the job is: its gang, whether it has shown itself, what a steward raised it by."""
    of_gang = np.arange(int(jobs.gang.max(initial=0)) + 1) ** policy.gang_power
    probe = np.where(jobs.ran < policy.probe_s, policy.probe, 1.0)
    return np.asarray(of_gang[jobs.gang] * probe * jobs.boost)


def _by_owner(owner: Ints, favoured: Floats) -> Ints:
    order = _descending(favoured)
    few = owner.max(initial=0) < FEW_OWNERS
    keys = owner.astype(np.uint16) if few else owner
    return order[np.argsort(keys[order], kind="stable")]


def _descending(values: Floats) -> Ints:
    """The rows by their values, which are not negative; by row where these differ by less than one part in 2^30 or so.
    Positive floats are in the order of their bits: with the row in the last ones they sort faster than by argsort.
    """
    bits = max(len(values) - 1, 1).bit_length()
    keys = np.iinfo(np.int64).max - np.ascontiguousarray(values).view(np.int64)
    rows = np.arange(len(values), dtype=np.int64)
    return np.asarray(np.sort((keys >> bits << bits) | rows) & ((1 << bits) - 1))


def starts(owner: Ints) -> Ints:
    """For each of the rows that are sorted by owner, the first row of the same one."""
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    return np.repeat(first, np.diff(first, append=len(owner)))


def _fair(owners: Owners, owner: Ints, charged: Floats, policy: Policy) -> Floats:
    """(û + floor)^-f, û the member's share of all use over their entitled share."""
    whole = owners.usage.sum() + policy.charge_s
    used = (owners.usage[owner] + charged) / (whole + charged)
    over = used / np.maximum(owners.share, 1e-6)[owner]
    return np.asarray((over + policy.fair_floor) ** -policy.fair_power)


def is_overdue(snapshot: Snapshot, policy: Policy) -> Bools:
    """Waiting jobs that have waited past their bound, which grows with their own length: they reserve their place. It
    is longer while their member has had more than their share: what is cut to pieces would be due sooner than the
    whole otherwise. None that may take only what would be idle.
    """
    jobs = snapshot.jobs
    waited = snapshot.now - jobs.submitted_at - jobs.ran
    found = np.asarray((jobs.pool == NOWHERE) & (waited > policy.overdue_s) & ~jobs.spare)
    long = np.flatnonzero(found)
    if len(long):
        least = np.where(beyond_share(snapshot)[long] > 0, policy.overdue_beyond_s, 0.0)
        bound = np.maximum(policy.overdue_lengths * _length_s(snapshot, long), least)
        found[long] = waited[long] > bound
    return found


def _length_s(snapshot: Snapshot, rows: Ints) -> Floats:
    """Seconds of work in all, as far as anybody can tell."""
    remaining, attained = snapshot.jobs.remaining[rows], snapshot.jobs.attained[rows]
    expected = np.where(np.isfinite(remaining), remaining, 1.0 / snapshot.lives.gittins(attained))
    return np.asarray(attained + expected)
