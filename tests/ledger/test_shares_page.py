"""The page on which all see how all stand, and the month's cost with each member's part of it."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.core.templatetags.ui import percent
from portal.kit.errors import UserError
from portal.ledger import costs, queries, registry, statements
from portal.ledger.models import Donation, LedgerEntry, MonthCost, Quota
from portal.members.models import AuditEntry, Member

pytestmark = pytest.mark.django_db
Browser = Callable[[Member], Client]


def used(member: Member, hours: float, *, weight: float = 1.0) -> None:
    LedgerEntry.objects.create(
        member=member, attempt=member.username, kind="cpu", device_seconds=hours * 3600, weight=weight
    )


def text(answer: Any) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def this_month() -> statements.Month:
    return statements.parse_month("", now=timezone.now())


def test_all_see_the_figures_that_each_is_told_of_themselves(
    alice: Member, bob: Member, cora: Member, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    Quota.objects.create(member=alice, share=3.0)
    Donation.objects.create(
        member=bob,
        node="mill",
        day=timezone.now().date() - timedelta(days=7),
        node_seconds=72_000,
        weight=2.0,
    )
    used(alice, 6.0, weight=10.0)
    used(cora, 20.0)
    monkeypatch.setattr(registry, "RIVALS", {"some": lambda: {alice.pk, bob.pk}})
    stands = {each.username: each for each in queries.everyones_stand()}
    assert [*stands] == ["alice", "bob", "cora"]
    for member in (alice, bob, cora):
        mine, stand = queries.share_of(member), stands[member.username]
        assert (stand.share, stand.used_fraction, stand.fair_factor) == pytest.approx(
            (mine.share, mine.used_fraction, mine.fair_factor)
        )
    assert [each.used_hours for each in stands.values()] == pytest.approx([60, 0, 20])
    assert [each.given_hours for each in stands.values()] == pytest.approx([0, 20, 0])
    page = text(client_for(bob).get("/ledger/shares"))
    share, factor = percent(stands["alice"].share), f"{stands['alice'].fair_factor:.2f}"
    assert f"alice {share} 75.0 % 60.0 0.0 {factor}" in page
    assert "bob you" in page


def test_the_suspended_are_not_listed_and_many_take_no_more_queries(
    make_member: Callable[[str], Member], client_for: Browser
) -> None:
    client, counts = client_for(make_member("eve")), []
    for batch in "abc":
        for number in range(3):
            used(make_member(f"{batch}{number}"), 1.0)
        with CaptureQueriesContext(connection) as asked:
            page = client.get("/ledger/shares")
        counts.append(len(asked))
    assert counts[1] == counts[2]
    assert "c2" in text(page)
    Member.objects.filter(username="c2").update(is_active=False)
    assert "c2" not in text(client.get("/ledger/shares"))


def test_the_months_cost_is_entered_once_and_each_has_their_part(
    alice: Member, bob: Member, cora: Member, client_for: Browser, api_for: Callable[[Member], Any]
) -> None:
    used(alice, 3.0)
    used(bob, 1.0)
    steward, month = client_for(cora), this_month().name
    assert api_for(alice).get("/api/v1/me/statement").json()["cost"] is None
    assert "Enter" not in text(steward.get("/ledger/costs"))
    assert f"Enter 100.00 for {month}" in text(steward.get("/ledger/costs?cost=100"))
    told = steward.post("/ledger/costs", {"month": month, "cost": "100", "seen": ""}, follow=True)
    assert "100.00 stands as entered by cora" in text(told)
    assert "alice 3.00 75.0 % 75.00" in text(told)
    assert "your part of the month’s cost of 100.00 75.00" in text(client_for(alice).get("/ledger"))
    told = api_for(bob).get("/api/v1/me/statement").json()
    assert (told["cost"], told["cost_part"]) == ("100.00", "25.00")
    assert api_for(cora).get("/api/v1/me/statement").json()["cost_part"] == "0.00"
    assert steward.get("/ledger/costs.csv").content.decode().splitlines()[1] == "alice,3.0,0.75,75"
    [entry] = AuditEntry.objects.filter(action="cost.entered")
    assert (entry.actor, entry.subject, entry.detail) == (
        cora,
        month,
        {"cents": {"old": None, "new": 10_000}},
    )


def test_of_two_stewards_the_second_is_told(cora: Member) -> None:
    month = this_month()
    costs.enter(month, 10_000, actor=cora, seen=None)
    costs.enter(month, 10_000, actor=cora, seen=None)
    with pytest.raises(UserError) as refused:
        costs.enter(month, 5_000, actor=cora, seen=None)
    assert refused.value.code == "changed_meanwhile"
    costs.enter(month, 5_000, actor=cora, seen=10_000)
    assert MonthCost.objects.get().cents == 5_000
    noted = AuditEntry.objects.filter(action="cost.entered").order_by("id")
    assert [entry.detail["cents"]["new"] for entry in noted] == [10_000, 5_000]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"cost": ""}, "Write the cost as a number"),
        ({"cost": "-1"}, "Write the cost as a number"),
        ({"cost": "5", "month": "2999-01"}, "yet to come"),
        ({"cost": "5", "month": "soon"}, "Write the month as in"),
        ({"cost": "5", "seen": "much"}, "Write the cost as a number"),
    ],
)
def test_what_makes_no_cost_is_refused_in_words(
    typed: dict[str, str], sentence: str, cora: Member, client_for: Browser
) -> None:
    answer = client_for(cora).post("/ledger/costs", typed)
    assert answer.status_code == 400
    assert sentence in text(answer)
    assert not MonthCost.objects.exists()


def test_a_month_has_one_cost(cora: Member) -> None:
    before = this_month().before
    costs.enter(before, 300, actor=cora, seen=None)
    assert statements.cost_of(this_month()) is None
    assert MonthCost.objects.get().month == date(before.start.year, before.start.month, 1)
