"""What stewards put right: entries of their own, with a reason, that everything counts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.kit.errors import UserError
from portal.ledger import adjustments, queries, services, statements
from portal.ledger.models import LedgerEntry
from portal.ledger.services import Cost
from portal.members.models import AuditEntry, Member

pytestmark = pytest.mark.django_db
HOUR = 3600.0


def charge(member: Member, attempt: str, hours: float, **more: Any) -> LedgerEntry:
    given = {"kind": "cpu", "refunded": False, "cost": Cost(weight=2.0, node="mill-1")} | more
    return services.charge(member=member, attempt_id=attempt, device_seconds=hours * HOUR, **given)


def hours(member: Member) -> float:
    return queries.usage(member).device_hours["cpu"]


def this_month(member: Member) -> statements.Statement:
    return statements.statement(member, statements.parse_month("", now=timezone.now()))


def test_hours_are_charged_and_given_back_with_a_reason_that_the_member_reads(
    alice: Member, cora: Member, api_for: Callable[..., Any], client_for: Callable[..., Client]
) -> None:
    charge(alice, "a", 3.0)
    adjustments.adjust(member=alice, kind="cpu", hours=-2.5, reason=" the disk was slow ", actor=cora)
    assert hours(alice) == pytest.approx(0.5)
    adjustments.adjust(member=alice, kind="cpu", hours=1.0, reason="ran by hand", actor=cora)
    found = this_month(alice)
    assert (found.hours["cpu"], found.refunded_hours) == (pytest.approx(1.5), pytest.approx(2.5))
    told = api_for(alice).get("/api/v1/me/statement").json()["entries"]
    assert [(entry["reason"], entry["attempt"]) for entry in told] == [
        ("ran by hand", ""),
        ("the disk was slow", ""),
        ("", "a"),
    ]
    assert "the disk was slow" in client_for(alice).get("/ledger").content.decode()
    assert "the disk was slow" in client_for(alice).get("/ledger/statement.csv").content.decode()
    noted = AuditEntry.objects.filter(action="ledger.adjust", actor=cora, subject="alice")
    assert [entry.detail["hours"] for entry in noted.order_by("id")] == [-2.5, 1.0]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reason": "  "}, "reason"),
        ({"kind": "abacus"}, "kind"),
        ({"hours": 0.0}, "hours"),
        ({"hours": float("nan")}, "hours"),
        ({"hours": 1e7}, "hours"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(
    changes: dict[str, Any], field: str, alice: Member, cora: Member
) -> None:
    given = {"member": alice, "kind": "cpu", "hours": 1.0, "reason": "why"} | changes
    with pytest.raises(UserError) as refused:
        adjustments.adjust(**given, actor=cora)
    assert [each.field for each in refused.value.errors] == [field]
    assert not LedgerEntry.objects.exists()


def test_an_entry_is_given_back_whole_and_once(alice: Member, bob: Member, cora: Member) -> None:
    entry = charge(alice, "a", 3.0)
    charge(bob, "b", 1.0)
    made = adjustments.give_back(entry, reason="broken data set of ours", actor=cora)
    assert (made.corrects, made.attempt, made.weighted_hours) == (entry, "a", pytest.approx(-6.0))
    assert hours(alice) == pytest.approx(0.0)
    assert queries.share_of(alice).used_fraction == pytest.approx(0.0)
    assert queries.standing([alice.pk, bob.pk])[alice.pk].used_s == pytest.approx(0.0)
    parts = statements.cost_split(statements.parse_month("", now=timezone.now()), 100)
    assert [(part.username, part.cents) for part in parts] == [("bob", 100)]
    with pytest.raises(UserError, match="given back already"):
        adjustments.give_back(entry, reason="again", actor=cora)
    with pytest.raises(UserError, match="correction itself"):
        adjustments.give_back(made, reason="back again", actor=cora)
    assert charge(alice, "a", 9.0) == entry  # the attempt is charged still, and no second time


def test_what_the_platform_broke_is_given_back_already(alice: Member, cora: Member) -> None:
    lost = charge(alice, "a", 3.0, refunded=True)
    with pytest.raises(UserError, match="given back already"):
        adjustments.give_back(lost, reason="why", actor=cora)


def test_what_was_given_back_in_part_is_no_more_given_back_whole(alice: Member, cora: Member) -> None:
    entry = charge(alice, "a", 4.0)
    for _twice in range(2):
        services.give_back_lost(entry, part=0.25, reason="lost")
    services.give_back_lost(charge(alice, "b", 5.0, refunded=True), part=0.5, reason="lost")
    assert hours(alice) == pytest.approx(3.0)
    assert this_month(alice).refunded_hours == pytest.approx(6.0)
    with pytest.raises(UserError, match=r"1\.00 hours of it were given back already"):
        adjustments.give_back(entry, reason="why", actor=cora)


def test_what_is_given_back_counts_on_the_day_of_what_it_undoes(
    alice: Member, bob: Member, cora: Member
) -> None:
    """A week ago counts half: with today's date it would take away twice what is left of it."""
    old = charge(alice, "a", 2.0)
    charge(alice, "b", 2.0)
    LedgerEntry.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=7))
    before = queries.standing([alice.pk, bob.pk])[alice.pk].used_s
    adjustments.give_back(old, reason="why", actor=cora)
    after = queries.standing([alice.pk, bob.pk])[alice.pk].used_s
    assert (before, after) == (pytest.approx(6 * HOUR, rel=0.01), pytest.approx(4 * HOUR, rel=0.01))


def test_stewards_do_both_in_the_admin(
    alice: Member, cora: Member, client_for: Callable[..., Client]
) -> None:
    entry, client = charge(alice, "a", 3.0), client_for(cora)
    page = "/admin/ledger/ledgerentry/"
    form = {"member": alice.pk, "kind": "cpu", "hours": "-1.5", "reason": "a gift"}
    assert client.get(f"{page}add/").status_code == 200
    assert "less than" not in client.post(f"{page}add/", form | {"hours": "0"}).content.decode()
    assert LedgerEntry.objects.count() == 1
    assert client.post(f"{page}add/", form).status_code == 302
    assert hours(alice) == pytest.approx(1.5)
    chosen = {"action": "give_back", "_selected_action": [entry.pk]}
    assert client.post(page, chosen, follow=True).status_code == 200
    assert hours(alice) == pytest.approx(-1.5)
    assert LedgerEntry.objects.get(corrects=entry).entered_by == cora
    assert "given back already" in client.post(page, chosen, follow=True).content.decode()
