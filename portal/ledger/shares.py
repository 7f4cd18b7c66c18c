"""The arithmetic of fairness: use fades, and who used less than their share goes first."""

HALF_LIFE_DAYS = 7.0
EXPONENT = 0.25
FLOOR = 1 / 8
MOST_OVER = 1000.0


def faded(amount: float, age_days: float) -> float:
    """What is left of an amount used `age_days` ago."""
    return float(amount * 0.5 ** (max(0.0, age_days) / HALF_LIFE_DAYS))


def fair_factor(used_fraction: float, share: float) -> float:
    """`(û + 1/8)^-f`, û being the used fraction over the entitled one (both 0..1); 1.0 near û = 7/8.

    û is taken as at most 1000, which also holds for members without a share.
    """
    over = min(MOST_OVER, used_fraction / share) if share > 0 else MOST_OVER
    return float((over + FLOOR) ** -EXPONENT)
