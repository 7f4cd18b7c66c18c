"""What ran over the end of a month is in both months, by the time that it ran in each."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.ledger import queries, services, spans, statements
from portal.ledger.models import LedgerEntry
from portal.ledger.services import Cost
from portal.members.models import Member

HOUR = timedelta(hours=1)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
MOMENTS = st.integers(-5000, 5000).map(lambda minutes: FIRST + timedelta(minutes=minutes))


def ran(member: Member, attempt: str, began: datetime, ended: datetime, **more: Any) -> LedgerEntry:
    """An attempt on two accelerators of price 3."""
    given_ = {"kind": "gpu", "refunded": False} | more
    cost = Cost(weight=3.0, energy_kwh=8.0, began_at=began)
    seconds = 2 * (ended - began).total_seconds()
    entry = services.charge(member=member, attempt_id=attempt, device_seconds=seconds, cost=cost, **given_)
    LedgerEntry.objects.filter(pk=entry.pk).update(created_at=ended)
    return entry


def month(name: str) -> statements.Month:
    return statements.parse_month(name, now=FIRST)


@pytest.mark.django_db
def test_statements_and_costs_divide_it_and_nothing_is_lost(alice: Member, bob: Member) -> None:
    ran(alice, "a", FIRST - 6 * HOUR, FIRST + 2 * HOUR)
    ran(bob, "b", FIRST + HOUR, FIRST + 3 * HOUR)
    before, after = (statements.statement(alice, month(name)) for name in ("2026-10", "2026-11"))
    assert (before.hours["gpu"], after.hours["gpu"]) == (pytest.approx(12.0), pytest.approx(4.0))
    assert (before.weighted_hours, after.weighted_hours) == (pytest.approx(36.0), pytest.approx(12.0))
    assert (before.energy_kwh, after.energy_kwh) == (pytest.approx(6.0), pytest.approx(2.0))
    assert statements.statement(alice, month("2026-12")).entries == []
    assert statements.statement(alice, month("2026-09")).entries == []
    split = {
        name: [(part.username, part.weighted_hours) for part in statements.cost_split(month(name), 100)]
        for name in ("2026-10", "2026-11", "2026-12")
    }
    assert split == {
        "2026-10": [("alice", pytest.approx(36.0))],
        "2026-11": [("alice", pytest.approx(12.0)), ("bob", pytest.approx(12.0))],
        "2026-12": [],
    }


@pytest.mark.django_db
def test_what_it_lost_at_its_end_is_given_back_in_the_months_in_which_it_ran(alice: Member) -> None:
    """Three quarters of eight hours, two of which were in the second month."""
    entry = ran(alice, "a", FIRST - 6 * HOUR, FIRST + 2 * HOUR)
    entry.refresh_from_db()
    services.give_back_lost(entry, part=0.75, reason="lost")
    before, after = (statements.statement(alice, month(name)) for name in ("2026-10", "2026-11"))
    assert (before.hours["gpu"], after.hours["gpu"]) == (pytest.approx(4.0), pytest.approx(0.0))
    assert (before.refunded_hours, after.refunded_hours) == (pytest.approx(8.0), pytest.approx(4.0))


@pytest.mark.django_db
def test_a_months_quota_is_charged_what_ran_in_it(alice: Member, api_for: Callable[..., Any]) -> None:
    began = queries.month_start(timezone.now())
    ended = timezone.now()
    hours = (ended - began) / HOUR
    ran(alice, "a", began - timedelta(hours=10), ended)
    told = api_for(alice).get("/api/v1/me").json()["usage"]["device_hours"]
    assert told["gpu"] == pytest.approx(2 * hours, abs=0.01)
    ran(alice, "b", began - timedelta(hours=10), ended, refunded=True)
    LedgerEntry.objects.filter(attempt="a").update(began_at=None)
    assert queries.usage(alice).device_hours["gpu"] == pytest.approx(2 * (hours + 10), abs=0.01)


@given(MOMENTS, MOMENTS, st.lists(MOMENTS, max_size=4))
def test_the_parts_of_what_ran_add_up_to_the_whole(
    one: datetime, other: datetime, edges: list[datetime]
) -> None:
    began, ended = sorted((one, other))
    cuts = [FIRST - timedelta(days=9), *sorted(edges), FIRST + timedelta(days=9)]
    parts = [spans.part(began, ended, since, until) for since, until in pairwise(cuts)]
    assert sum(parts) == pytest.approx(1.0)
    assert spans.part(began, ended, cuts[0]) == 1.0
    assert spans.part(None, ended, cuts[0], ended) == 0.0
    assert spans.part(None, ended, ended) == 1.0
