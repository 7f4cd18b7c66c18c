"""Stewards: the first one, the last one, and who becomes one."""

import pytest
from django.test import Client
from django.urls import reverse

from portal.kit.errors import UserError
from portal.members import services
from portal.members.models import AuditEntry, Invitation, Member

PASSWORD = "millstones turn slowly"


def path_of(link: str | None) -> str:
    assert link is not None
    assert link.startswith("http://mill.example/")
    return link.removeprefix("http://mill.example")


def join(path: str, name: str) -> Member:
    client = Client()
    client.get(path)
    client.post(reverse("account_signup"), {"username": name, "password1": PASSWORD, "password2": PASSWORD})
    return Member.objects.get(username=name)


def test_the_first_link_makes_the_first_steward_and_only_that_one(db: None) -> None:
    older = path_of(services.first_steward_link(base="http://mill.example"))
    link = path_of(services.first_steward_link(base="http://mill.example/"))
    assert join(older, "eve").is_pending
    first = join(link, "cora")
    assert first.is_active
    assert first.is_staff
    assert services.first_steward_link() is None
    assert join(link, "mallory").is_pending


def test_a_steward_made_otherwise_ends_the_first_link(db: None) -> None:
    link = path_of(services.first_steward_link(base="http://mill.example"))
    services.create_member(name="cora", password=PASSWORD, steward=True)
    assert join(link, "mallory").is_pending


def test_a_steward_may_invite_a_steward(cora: Member) -> None:
    _row, path = services.invite(actor=cora, steward=True)
    assert join(path, "dan").is_staff


def test_the_last_steward_stays(alice: Member, cora: Member) -> None:
    for act in (
        lambda: services.set_steward(actor=cora, member=cora, steward=False),
        lambda: services.suspend(actor=cora, member=cora),
    ):
        with pytest.raises(UserError) as caught:
            act()
        assert caught.value.code == "last_steward"
    services.set_steward(actor=cora, member=alice, steward=True)
    services.set_steward(actor=alice, member=cora, steward=False)
    cora.refresh_from_db()
    assert not cora.is_staff
    log = list(AuditEntry.objects.order_by("id").values_list("actor__username", "action", "subject"))
    assert log == [("cora", "steward.made", "alice"), ("alice", "steward.removed", "cora")]


def test_who_cannot_sign_in_does_not_become_a_steward(cora: Member) -> None:
    pending = services.sign_up(member=Member(username="dora"))
    with pytest.raises(UserError) as caught:
        services.set_steward(actor=cora, member=pending, steward=True)
    assert caught.value.code == "not_active"


def test_no_secret_is_in_the_database(cora: Member) -> None:
    _row, path = services.invite(actor=cora)
    secret = path.rsplit("/", 1)[1]
    rows = [*Invitation.objects.values(), *AuditEntry.objects.values()]
    assert secret not in repr(rows)
