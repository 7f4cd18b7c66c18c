"""The table in which stewards set all shares and quotas; of two who do so at once, neither undoes the other's."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.test import Client

from portal.ledger import services
from portal.ledger.models import GB, Quota, TeamShare
from portal.members.models import AuditEntry, Member, Team

pytestmark = pytest.mark.django_db
PAGE = "/ledger/quotas"
Sheet = dict[str, str]


@pytest.fixture
def steward(cora: Member, client_for: Callable[..., Client]) -> Client:
    return client_for(cora)


def shown(client: Client) -> Sheet:
    """What the table has, as a browser would send it back."""
    inputs = re.findall(r"<input [^>]*>", client.get(PAGE).content.decode())
    found = [(re.search(r' name="([^"]*)"', each), re.search(r' value="([^"]*)"', each)) for each in inputs]
    return {name[1]: unescape(value[1]) for name, value in found if name and value and "-" in name[1]}


def typed(sheet: Sheet, whose: Member | Team, **values: str) -> Sheet:
    return sheet | {f"{whose.pk}-{name}": value for name, value in values.items()}


def said(client: Client, sheet: Sheet) -> str:
    return unescape(client.post(PAGE, sheet, follow=True).content.decode())


def test_it_is_edited_in_place_and_noted(alice: Member, cora: Member, steward: Client) -> None:
    Quota.objects.create(member=cora)
    sheet = typed(shown(steward), alice, share="2", storage_gb="2", gpu_hours="0")
    answer = steward.post(PAGE, typed(sheet, cora, cpu_hours="1"))
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{PAGE}?page=1")
    quota = Quota.objects.get(member=alice)
    assert (quota.share, quota.storage_bytes, quota.gpu_hours) == (2.0, 2 * GB, 0.0)
    noted = AuditEntry.objects.filter(action="quota.set").order_by("id")
    assert [row.subject for row in noted] == ["alice", "cora"]
    assert noted[0].detail["share"] == {"old": 1.0, "new": 2.0}
    assert noted[1].detail == {"cpu_hours": {"old": 500.0, "new": 1.0}}
    assert "There was nothing to change." in said(steward, shown(steward))


def test_bytes_that_the_rounded_gigabytes_would_change_stay(alice: Member, steward: Client) -> None:
    Quota.objects.create(member=alice, storage_bytes=1_234_567_890)
    steward.post(PAGE, typed(shown(steward), alice, share="3"))
    assert Quota.objects.get(member=alice).storage_bytes == 1_234_567_890


def test_what_makes_no_quota_changes_nothing(alice: Member, cora: Member, steward: Client) -> None:
    Quota.objects.create(member=cora)
    sheet = typed(typed(shown(steward), cora, cpu_hours="1"), alice, share="-1")
    answer = steward.post(PAGE, sheet)
    assert answer.status_code == 400
    assert "less than nothing" in answer.content.decode()
    assert not Quota.objects.filter(member=alice).exists()
    assert Quota.objects.get(member=cora).cpu_hours == 500.0


def test_a_stale_page_undoes_nobodys_change(
    alice: Member, bob: Member, cora: Member, steward: Client
) -> None:
    stale = shown(steward)
    quota = Quota(member=alice, share=5.0)
    services.set_quota(quota=quota, actor=bob)
    page = said(steward, typed(stale, bob, share="2"))  # of Alice nothing was typed
    assert "Saved." in page
    assert "Another steward" not in page
    page = said(steward, typed(typed(stale, alice, cpu_hours="7"), cora, share="4"))
    assert "Another steward has changed the row of alice" in page
    assert "You typed: CPU hours a month 7.0." in page
    assert "Saved." in page
    found = {row.member.username: (row.share, row.cpu_hours) for row in Quota.objects.all()}
    assert found == {"alice": (5.0, 500.0), "bob": (2.0, 500.0), "cora": (4.0, 500.0)}
    services.set_quota(quota=Quota(member=bob, share=9.0), actor=cora)
    page = said(steward, typed(stale, bob, share="9"))  # they agree
    assert "Another steward" not in page


def test_a_page_that_does_not_say_what_it_showed_is_sent_back(alice: Member, steward: Client) -> None:
    sheet = typed(shown(steward), alice, share="3")
    assert steward.post(PAGE, {}).status_code == 400
    without = {name: value for name, value in sheet.items() if not name.endswith("-shown")}
    assert steward.post(PAGE, without).status_code == 400
    for mark in ("", "1.0", "x " * 7, "²" * 3):
        answer = steward.post(PAGE, typed(sheet, alice, shown=mark))
        assert (answer.status_code, "Load the page again" in answer.content.decode()) == (400, True)
    assert not Quota.objects.filter(member=alice).exists()


def test_who_joined_or_was_suspended_meanwhile_holds_up_nobody(
    alice: Member, steward: Client, make_member: Callable[..., Member]
) -> None:
    sheet = typed(shown(steward), alice, share="3")
    make_member("aaron")
    Member.objects.filter(pk=alice.pk).update(is_active=False)
    assert "Saved." in said(steward, sheet)
    assert Quota.objects.get().share == 3.0


def test_teams_have_their_share_in_the_same_table(alice: Member, cora: Member, steward: Client) -> None:
    bees, wasps = (Team.objects.create(name=name) for name in ("bees", "wasps"))
    TeamShare.objects.create(team=wasps, share=1.5)
    stale = shown(steward)
    assert (stale[f"{bees.pk}-share"], stale[f"{wasps.pk}-share"]) == ("0.0", "1.5")
    refused = steward.post(PAGE, typed(stale, bees, share="-2"))
    assert (refused.status_code, "greater than or equal" in refused.content.decode()) == (400, True)
    assert "Saved." in said(steward, typed(typed(stale, bees, share="2"), alice, share="4"))
    assert TeamShare.objects.get(team=bees).share == 2.0
    assert Quota.objects.get(member=alice).share == 4.0
    assert "row of bees" in said(steward, typed(stale, bees, share="7"))
    assert "Saved." in said(steward, typed(shown(steward), wasps, share="0"))
    assert list(TeamShare.objects.values_list("team__name", "share")) == [("bees", 2.0)]
    noted = AuditEntry.objects.filter(action="team_share.set").order_by("id")
    assert [(row.actor, row.subject, row.detail["share"]) for row in noted] == [
        (cora, "bees", {"old": 0.0, "new": 2.0}),
        (cora, "wasps", {"old": 1.5, "new": 0.0}),
    ]
