"""The numbers that the policy is made of. Tuned on two traces by `jobs.scheduler.simulate`; held back are others."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a job weighs, and when it may take another's place. A job's weight is the product of

    - (age + `age_offset_s`)^`age_power` and gang^`gang_power`;
    - urgency^`urgency_power`: urgency is the Gittins index at the work done so far, in 1/s; once a job has run for
      `known_after_s` and its remaining time R is estimated, it is 1 / (R + `tail_s`);
    - fair: (û + `fair_floor`)^-`fair_power`, û the member's part of all use over what they are entitled to;
    - (1 + b / `beyond_s`)^-`beyond_power`, b what their other jobs used beyond that, in seconds of this job: with
      it cutting a job to pieces gains nothing, where urgency alone would favour the pieces;
    - `probe` while a job has run for less than `probe_s`: the unknown show themselves;
    - what a steward raised it by.
    """

    age_offset_s: float = 3600.0
    age_power: float = 0.4
    gang_power: float = 0.78
    urgency_power: float = 0.45
    known_after_s: float = 120.0
    tail_s: float = 1200.0
    probe: float = 1.5
    probe_s: float = 300.0
    fair_power: float = 0.35
    fair_floor: float = 0.125
    beyond_s: float = 600.0
    beyond_power: float = 0.5
    charge_s: float = 3600.0  # what a placement is taken to use, when the next of the same member is weighed

    stay: float = 1.15  # what running is worth
    same: float = 1.4  # and what running on the same type is, on top
    protect_s: float = 300.0  # nobody is preempted sooner,
    protect_checkpoints: float = 10.0  # nor before the run has lasted so many times what its checkpoint costs

    overdue_s: float = 43_200.0  # who waits for longer than this
    overdue_lengths: float = 4.0  # and than so many times its own expected length reserves its place;
    overdue_beyond_s: float = (
        604_800.0  # while its member has had more than their share, longer than this too
    )

    sharers: int = 4  # jobs on one accelerator; 1: none shares

    full_every_s: float = 360.0  # between two full passes; arrivals fill what is idle at once
    full_soon_s: float = 120.0  # when an arrival waits or was put on a slow type
    slow: float = 0.5  # a type on which it runs at less than this of its best


DEFAULT = Policy()
