"""What people write after --set."""

import re

import pytest

from jobs.scheduler.policy import DEFAULT
from jobs.scheduler.replay.settings import Settings, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300s", 300), ("10min", 600), ("1.5h", 5400), ("3d", 259_200), ("1w", 604_800), ("2 D", 172_800)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse([f"half_life={text}"]).half_life_s == seconds


def test_the_policys_numbers() -> None:
    found = parse(
        ["fair_power=0.5", "sharers=2", "protect_s=60", "full_every=10min", "share.ada=2", "share.bob=0"]
    )
    assert found.policy.fair_power == 0.5
    assert (found.policy.sharers, type(found.policy.sharers)) == (2, int)
    assert (found.policy.protect_s, found.policy.full_every_s) == (60.0, 600.0)
    assert dict(found.shares) == {"ada": 2.0, "bob": 0.0}
    assert found.policy.age_power == DEFAULT.age_power


def test_later_ones_win_and_nothing_changes_nothing() -> None:
    assert parse([]) == Settings()
    assert parse(["fair_power=1", "fair_power=2"]).policy.fair_power == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("speed=3", "There is no setting speed. There are: half_life, age_offset_s, "),
        ("half_life", "name=value"),
        ("half_life=", "name=value"),
        ("half_life=3", "with its unit"),
        ("half_life=3 fortnights", "with its unit"),
        ("half_life=1s", "at least 60 s"),
        ("half_life=-3d", "with its unit"),
        ("protect=300", "with its unit"),
        ("fair_power=much", "a number from 0 on"),
        ("fair_power=nan", "a number from 0 on"),
        ("fair_power=-1", "a number from 0 on"),
        ("fair_power=1e99", "a number from 0 on"),
        ("sharers=1.5", "whole number"),
        ("sharers=0", "at least 1"),
        ("full_every_s=0", "at least 10"),
        ("share.=2", "There is no setting"),
        ("share.ada=x", "a number from 0 on"),
        ("=2", "without a name"),
        ("protect_s=1..2", "a number from 0 on"),
    ],
)
def test_what_it_does_not_know_is_said_in_a_sentence(change: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse([change])
