"""Who gets in, and how: sign-up, approval, invitations."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.kit.errors import UserError
from portal.members import services
from portal.members.models import AuditEntry, Invitation, Member

PASSWORD = "millstones turn slowly"


def sign_up(client: Client, name: str, **more: str) -> Any:
    data = {"username": name, "password1": PASSWORD, "password2": PASSWORD, **more}
    return client.post(reverse("account_signup"), data)


def sign_in(client: Client, name: str, password: str = PASSWORD) -> Any:
    return client.post(reverse("account_login"), {"login": name, "password": password})


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def test_who_signs_up_waits_and_is_told_so(client: Client, cora: Member) -> None:
    answer = sign_up(client, "dora", about="Sort my beans")
    assert answer.status_code == 302
    assert answer.url == reverse("pending")
    dora = Member.objects.get(username="dora")
    assert dora.is_pending
    assert dora.about == "Sort my beans"
    assert sign_in(client, "dora").url == reverse("pending")
    assert client.get("/").wsgi_request.user.is_anonymous

    assert services.approve(actor=cora, member=dora)
    assert sign_in(client, "dora").url == "/"
    assert actions() == ["member.signed_up", "sign_in.failed", "member.approved", "sign_in"]


def test_approving_twice_counts_once(alice: Member, cora: Member) -> None:
    pending = services.sign_up(member=Member(username="dora"))
    assert services.approve(actor=cora, member=pending)
    assert not services.approve(actor=cora, member=pending)
    assert not services.approve(actor=cora, member=alice)
    assert actions().count("member.approved") == 1


def test_nobody_signs_up_as_a_steward(client: Client, db: None) -> None:
    sign_up(client, "mallory", is_staff="on", is_superuser="on", is_active="on", approved_at="2020-01-01")
    mallory = Member.objects.get(username="mallory")
    assert (mallory.is_staff, mallory.is_superuser, mallory.is_active) == (False, False, False)


@pytest.mark.parametrize("name", ["ALICE", "alice", "alice@mill.example"])
def test_a_name_that_could_be_mistaken_for_alice_is_refused(client: Client, alice: Member, name: str) -> None:
    answer = sign_up(client, name)
    assert answer.status_code == 200
    assert Member.objects.count() == 1


def test_the_database_holds_names_apart_when_two_come_at_once(alice: Member) -> None:
    with pytest.raises(UserError) as caught:
        services.sign_up(member=Member(username="Alice"))
    assert caught.value.code == "name_taken"


def test_an_invitation_lets_one_in_at_once(client: Client, cora: Member) -> None:
    invitation, path = services.invite(actor=cora, note="Dora")
    secret = path.rsplit("/", 1)[1]
    assert secret not in invitation.secret_sha256
    assert client.get(path).url == reverse("account_signup")
    assert client.get(reverse("account_signup")).context["invited"] is True

    answer = sign_up(client, "dora")
    assert answer.url == "/"
    dora = Member.objects.get(username="dora")
    assert dora.is_active
    assert not dora.is_staff
    assert client.get(reverse("account")).wsgi_request.user == dora
    invitation.refresh_from_db()
    assert invitation.used_by == dora

    again = Client()
    again.get(path)
    assert sign_up(again, "eve").url == reverse("pending")


def test_an_expired_or_made_up_invitation_lets_nobody_in(client: Client, cora: Member) -> None:
    _row, path = services.invite(actor=cora, expires_at=timezone.now() - timedelta(seconds=1))
    for link in (path, reverse("join", args=["made-up"])):
        client.get(link)
        assert "invitation_sha256" not in client.session
    assert sign_up(client, "dora").url == reverse("pending")


def test_an_invitation_that_expires_while_the_form_is_filled_in_leads_to_waiting(
    client: Client, cora: Member
) -> None:
    invitation, path = services.invite(actor=cora)
    client.get(path)
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert sign_up(client, "dora").url == reverse("pending")


def test_a_failed_form_does_not_use_up_the_invitation(client: Client, cora: Member) -> None:
    _row, path = services.invite(actor=cora)
    client.get(path)
    assert client.post(reverse("account_signup"), {"username": "dora"}).status_code == 200
    assert sign_up(client, "dora").url == "/"


@pytest.mark.django_db(transaction=True)
def test_of_many_who_use_an_invitation_at_once_one_gets_in() -> None:
    _row, path = services.invite(actor=None)
    digest = services.sha256_of(path.rsplit("/", 1)[1])

    def join(number: int) -> bool:
        try:
            return services.sign_up(member=Member(username=f"m{number}"), invitation_sha256=digest).is_active
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(join, range(6))) == [False] * 5 + [True]


def test_a_refused_sign_up_is_gone_but_a_member_is_never_removed_so(alice: Member, cora: Member) -> None:
    pending = services.sign_up(member=Member(username="dora"))
    assert services.refuse(actor=cora, member=pending)
    assert not Member.objects.filter(username="dora").exists()
    assert not services.refuse(actor=cora, member=alice)
    assert Member.objects.filter(pk=alice.pk).exists()


def test_a_suspended_member_is_out_at_once(
    client_for: Callable[..., Client], alice: Member, cora: Member
) -> None:
    client = client_for(alice)
    assert client.get(reverse("account")).status_code == 200
    assert services.suspend(actor=cora, member=alice)
    assert client.get(reverse("account")).status_code == 302
    assert sign_in(Client(), "alice", "correct horse battery").url == reverse("account_inactive")
    alice.refresh_from_db()
    assert not alice.is_pending
    assert services.reinstate(actor=cora, member=alice)
    assert sign_in(Client(), "alice", "correct horse battery").url == "/"


def test_a_withdrawn_invitation_lets_nobody_in(client: Client, cora: Member) -> None:
    invitation, path = services.invite(actor=cora)
    assert services.withdraw(actor=cora, invitation=invitation)
    client.get(path)
    assert sign_up(client, "dora").url == reverse("pending")
