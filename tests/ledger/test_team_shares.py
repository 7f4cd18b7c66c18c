"""A team's share of the machine."""

from collections.abc import Callable

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from portal.ledger import queries, shares
from portal.ledger.models import Quota, TeamShare
from portal.members.models import AuditEntry, Member, Team

NAMES = "abcde"
SHARES = st.floats(0.0, 100.0)
TEAMS = st.lists(st.tuples(SHARES, st.sets(st.sampled_from(NAMES + "xy"))), max_size=4)


@given(st.dictionaries(st.sampled_from(NAMES), SHARES, min_size=1), TEAMS)
def test_what_a_team_has_goes_to_its_members_and_nowhere_else(
    own: dict[str, float], teams: list[tuple[float, set[str]]]
) -> None:
    found = shares.with_teams(own, teams)
    split = sum(share for share, members in teams if members & own.keys())
    assert sum(found.values()) == pytest.approx(sum(own.values()) + split)
    for member, share in own.items():
        parts = [whole / len(members & own.keys()) for whole, members in teams if member in members]
        assert found[member] == pytest.approx(share + sum(parts))
    fractions = shares.entitled(found, {})
    assert sum(fractions.values()) == pytest.approx(1.0 if sum(found.values()) else 0.0)


@pytest.mark.django_db
def test_a_team_of_two_with_twice_the_share_has_as_much_as_two_others(
    alice: Member, bob: Member, cora: Member
) -> None:
    team = Team.objects.create(name="bees")
    team.members.set([alice, bob])
    TeamShare.objects.create(team=team, share=2.0)
    for member in (alice, bob):
        Quota.objects.create(member=member, share=0.0)
    everyones = queries.entitlements()
    whole = sum(everyones.values())
    assert whole == pytest.approx(1.0)
    assert everyones[alice.pk] == everyones[bob.pk] == pytest.approx(everyones[cora.pk])
    assert queries.share_of(alice).share == pytest.approx(everyones[alice.pk])
    assert queries.worth([alice.pk, cora.pk])[alice.pk] == pytest.approx(queries.worth([cora.pk])[cora.pk])
    standing = queries.standing([alice.pk, cora.pk])
    assert standing[alice.pk].share == standing[cora.pk].share == pytest.approx(0.5)
    Member.objects.filter(pk=bob.pk).update(is_active=False)
    assert queries.entitlements()[alice.pk] == pytest.approx(2 * queries.entitlements()[cora.pk])


@pytest.mark.django_db
def test_without_teams_and_gifts_a_member_is_worth_the_share_that_was_set(alice: Member, bob: Member) -> None:
    Quota.objects.create(member=alice, share=2.5)
    assert queries.worth([alice.pk, bob.pk]) == {alice.pk: pytest.approx(2.5), bob.pk: pytest.approx(1.0)}


@pytest.mark.django_db
def test_stewards_give_it_in_the_admin_and_it_is_noted(
    alice: Member, cora: Member, client_for: Callable[..., Client]
) -> None:
    team = Team.objects.create(name="bees")
    form = {
        "name": "bees", "members": [alice.pk], "machine_share-TOTAL_FORMS": "1", "machine_share-INITIAL_FORMS": "0",
        "machine_share-0-team": team.pk, "machine_share-0-share": "3",
    }  # fmt: skip
    page = f"/admin/members/team/{team.pk}/change/"
    assert client_for(cora).get(page).status_code == 200
    assert client_for(cora).post(page, form | {"machine_share-0-share": "-1"}).status_code == 200
    assert not TeamShare.objects.exists()
    assert client_for(cora).post(page, form).status_code == 302
    assert TeamShare.objects.get().share == 3.0
    noted = AuditEntry.objects.get(action="team_share.set")
    assert (noted.actor, noted.subject, noted.detail) == (cora, "bees", {"share": {"old": 0.0, "new": 3.0}})
