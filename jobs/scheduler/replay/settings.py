"""What may be tried in a replay, as people write it: `half_life=3d`, `fair_power=0.5`, `share.ada=2`."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from jobs.scheduler.policy import DEFAULT, Policy

UNITS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
HALF_LIFE: Final = "half_life"
SHARE: Final = "share."
SECONDS: Final = "_s"
LEAST: Final = {
    "full_every_s": 10.0,
    "full_soon_s": 1.0,
    "sharers": 1.0,
    "stay": 1.0,
    "same": 1.0,
    "age_offset_s": 1.0,
}
LEAST_HALF_LIFE_S: Final = 60.0
MOST: Final = 1e9
NUMBER = re.compile(r"(?P<number>[0-9.]+(?:e-?[0-9]+)?)\s*(?P<unit>[a-z]*)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """half_life_s: after so long half of a member's use is forgotten. shares: of those members (by name) who shall have
    another one than they have.
    """

    policy: Policy = DEFAULT
    half_life_s: float = 7 * UNITS["d"]
    shares: Mapping[str, float] = field(default_factory=dict)


def parse(changes: Sequence[str], base: Settings | None = None) -> Settings:
    """`base` with these changes, each written as name=value. ValueError in a sentence for what there is not, or what
    can't be read.
    """
    found = base or Settings()
    for change in changes:
        name, is_one, value = (part.strip() for part in change.partition("="))
        if not is_one or not value:
            raise ValueError(f"{change}: write it as name=value. {there_is()}")
        found = _with(found, name, value)
    return found


def there_is() -> str:
    """What can be set, in a sentence."""
    names = ", ".join([HALF_LIFE, *sorted(_numbers()), SHARE + "NAME"])
    return f"There are: {names}. Lengths of time are written as 300s, 10min, 12h, 3d or 1w."


def seconds(text: str, name: str, *, bare: bool) -> float:
    """A length of time; `bare`: a number without a unit is seconds. ValueError in a sentence."""
    match = NUMBER.fullmatch(text)
    unit = match["unit"].lower() if match else ""
    if match is None or not (unit in UNITS or (bare and not unit)):
        raise ValueError(
            f"{name}={text}: write a length of time with its unit, as 300s, 10min, 12h, 3d or 1w."
        )
    return _number(match["number"], name, text) * UNITS.get(unit, 1.0)


def _with(settings: Settings, name: str, value: str) -> Settings:
    if name in {HALF_LIFE, HALF_LIFE + SECONDS}:
        length = seconds(value, name, bare=name.endswith(SECONDS))
        return replace(settings, half_life_s=_at_least(length, LEAST_HALF_LIFE_S, name, value))
    if name.startswith(SHARE) and name != SHARE:
        share = _number(value, name, value)
        return replace(settings, shares={**settings.shares, name.removeprefix(SHARE): share})
    return replace(settings, policy=_policy_with(settings.policy, name, value))


def _policy_with(policy: Policy, name: str, value: str) -> Policy:
    known = _numbers()
    full = name if name in known else name + SECONDS
    if full not in known:
        raise ValueError(f"There is no setting {name or '(without a name)'}. {there_is()}")
    kind = known[full]
    read = seconds(value, name, bare=name == full) if full.endswith(SECONDS) else _number(value, name, value)
    if kind is int and not read.is_integer():
        raise ValueError(f"{name}={value}: this is a whole number.")
    changed: dict[str, Any] = {full: kind(_at_least(read, LEAST.get(full, 0.0), name, value))}
    return replace(policy, **changed)


def _numbers() -> dict[str, type[int] | type[float]]:
    """The policy's numbers and what each is."""
    values = {each.name: getattr(DEFAULT, each.name) for each in fields(Policy)}
    return {name: type(value) for name, value in values.items() if type(value) in {int, float}}


def _number(text: str, name: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MOST:  # nor NaN
        raise ValueError(f"{name}={whole}: this is a number from 0 on.")
    return value


def _at_least(value: float, least: float, name: str, text: str) -> float:
    if value < least:
        raise ValueError(
            f"{name}={text}: this is at least {least:g}{' s' if name.endswith(SECONDS) or name == HALF_LIFE else ''}."
        )
    return value
