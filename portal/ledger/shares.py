"""The arithmetic of fairness: use fades, who used less than their share goes first, and who gives gets a larger one.

Of two members with the same share in `Quota`, one gives a node: what it is worth fades as use does, and is counted in
accelerators of price 1 (a CPU) given round the clock. Each of those earns as much as one share. It is counted by the
second, so that nothing is gained by giving under two names. All that is earned together is held to all that was set,
in proportion: nobody who has nothing to give has less than half of what they would have had without gifts.

A team's share is split evenly among its active members, on top of their own: who is in two teams has a part of each,
and the others of both have less by it. Members who are to have no more than their team's are given none of their own.
"""

from collections.abc import Collection, Iterable, Mapping

from jobs.scheduler.policy import DEFAULT, Policy

HALF_LIFE_DAYS = 7.0
LEAST_SHARE = 1e-6  # of whom has none, as `jobs.scheduler.weight` has it
REMEMBERED_DAYS = 8 * HALF_LIFE_DAYS
DAY_S = 86_400.0


def faded(amount: float, age_days: float) -> float:
    """What is left of an amount used `age_days` ago."""
    return float(amount * 0.5 ** (max(0.0, age_days) / HALF_LIFE_DAYS))


def fair_factor(used_s: float, everyones_s: float, share: float, policy: Policy = DEFAULT) -> float:
    """`(û + 1/8)^-f` as the scheduler weighs by it: û is the member's part of what all who have jobs used (weighted
    seconds) over the fraction that they are entitled to among these (0 to 1).
    """
    over = used_s / (everyones_s + policy.charge_s) / max(share, LEAST_SHARE)
    return float((over + policy.fair_floor) ** -policy.fair_power)


ROUND_THE_CLOCK_S = sum(faded(DAY_S, float(age)) for age in range(1, int(REMEMBERED_DAYS) + 1))


def with_teams(own: Mapping[str, float], teams: Iterable[tuple[float, Collection[str]]]) -> dict[str, float]:
    """The members' `own` shares and their parts of those of their teams, each (share, members). Members that are not
    among `own` have no part; what a team without any was given is nobody's.
    """
    found = dict(own)
    for share, members in teams:
        active = [member for member in set(members) if member in own]
        for member in active:
            found[member] += share / len(active)
    return found


def entitled(given: Mapping[str, float], donated_s: Mapping[str, float]) -> dict[str, float]:
    """Each member's fraction of the machine: of the shares that stewards set (`given`, with teams') and those earned
    with `donated_s`, faded weighted seconds. The fractions sum to 1; all are 0 when nobody has a share.
    """
    earned = {
        member: max(0.0, donated_s.get(member, 0.0)) / ROUND_THE_CLOCK_S if share > 0 else 0.0
        for member, share in given.items()
    }
    set_, gained = sum(given.values()), sum(earned.values())
    scale = min(1.0, set_ / gained) if gained else 0.0
    whole = set_ + gained * scale
    return {
        member: (share + earned[member] * scale) / whole if whole else 0.0 for member, share in given.items()
    }
