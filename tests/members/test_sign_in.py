"""Signing in, the second factor, passwords: what works, what is refused, what the audit log says."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from portal.members import services
from portal.members.models import AuditEntry, Member

PASSWORD = "correct horse battery"
NEW = "a quite different one"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


def sign_in(client: Client, name: str, password: str = PASSWORD) -> Any:
    return client.post(reverse("account_login"), {"login": name, "password": password})


def test_sign_in_and_its_failure_are_noted_without_what_was_typed(client: Client, alice: Member) -> None:
    assert sign_in(client, "alice", "wrong pass phrase").status_code == 200
    assert sign_in(client, "typed my pass phrase here", "wrong").status_code == 200
    assert sign_in(client, "Alice").url == "/"
    rows = list(AuditEntry.objects.order_by("id").values_list("action", "subject", "actor__username"))
    assert rows == [
        ("sign_in.failed", "alice", None),
        ("sign_in.failed", "", None),
        ("sign_in", "alice", "alice"),
    ]
    assert "pass phrase" not in repr(list(AuditEntry.objects.values()))
    assert AuditEntry.objects.first().detail == {"ip": "127.0.0.1"}


def test_guessing_is_slowed_down(client: Client, alice: Member) -> None:
    for _try in range(5):
        sign_in(client, "alice", "wrong")
    assert sign_in(client, "alice").status_code in {200, 429}
    assert client.get("/").wsgi_request.user.is_anonymous


def test_the_second_factor_is_asked_for(client: Client, alice: Member) -> None:
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(alice, secret)
    answer = sign_in(client, "alice")
    assert answer.url == reverse("mfa_authenticate")
    assert client.get("/").wsgi_request.user.is_anonymous
    code = totp.format_hotp_value(totp.hotp_value(secret, next(iter(totp.yield_hotp_counters_from_time()))))
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    assert client.post(answer.url, {"code": wrong}).status_code == 200
    assert client.post(answer.url, {"code": code}).url == "/"
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "second_factor.failed",
        "sign_in",
    ]


def test_the_second_factor_can_be_set_up_without_a_mail_address(client: Client, alice: Member) -> None:
    sign_in(client, "alice")
    page = reverse("mfa_activate_totp")
    again = client.get(page)
    assert client.post(again.url, {"password": PASSWORD}).url == page
    assert client.get(page).status_code == 200
    secret = client.session["mfa.totp.secret"]
    code = totp.format_hotp_value(totp.hotp_value(secret, next(iter(totp.yield_hotp_counters_from_time()))))
    assert client.post(page, {"code": code}).status_code == 302
    kinds = set(Authenticator.objects.filter(user=alice).values_list("type", flat=True))
    assert kinds == {"totp", "recovery_codes"}
    assert get_adapter().is_mfa_enabled(alice)


def test_without_a_mail_server_the_reset_page_sends_one_to_a_steward(client: Client, alice: Member) -> None:
    page = reverse("account_reset_password")
    answer = client.get(page)
    assert answer.status_code == 200
    assert answer.context["mail_configured"] is False
    assert client.post(page, {"email": "a@b.example"}).status_code == 405
    assert mail.outbox == []


def test_with_a_mail_server_the_link_comes_by_mail(client: Client, alice: Member, settings: Settings) -> None:
    settings.MAIL_CONFIGURED = True
    Member.objects.filter(pk=alice.pk).update(email="alice@mill.example")
    page = reverse("account_reset_password")
    assert client.get(page).context["mail_configured"] is True
    assert client.post(page, {"email": "alice@mill.example"}).status_code == 302
    assert [message.to for message in mail.outbox] == [["alice@mill.example"]]
    assert "/account/password/reset/key/" in mail.outbox[0].body
    client.post(page, {"email": "nobody@mill.example"})
    assert len(mail.outbox) == 1


def choose_password(path: str, password: str) -> int:
    client = Client()
    answer = client.get(path)
    if answer.status_code != 302:
        return answer.status_code
    return client.post(answer.url, {"password1": password, "password2": password}).status_code


def test_a_stewards_link_sets_a_password_once(alice: Member, cora: Member) -> None:
    path = services.reset_link(actor=cora, member=alice)
    assert choose_password(path, NEW) == 302
    assert sign_in(Client(), "alice").status_code == 200
    assert sign_in(Client(), "alice", NEW).url == "/"
    assert choose_password(path, "another one again") == 200
    entry = AuditEntry.objects.get(action="member.reset_link")
    assert (entry.actor, entry.subject) == (cora, "alice")
    assert path.rsplit("-", 1)[1].strip("/") not in repr(list(AuditEntry.objects.values()))


def test_changing_the_password_is_noted_and_ends_other_sessions(
    client_for: Callable[..., Client], alice: Member
) -> None:
    here, elsewhere = client_for(alice), client_for(alice)
    data = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert here.post(reverse("account_change_password"), data).url == "/account"
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    assert AuditEntry.objects.get().action == "password.changed"


def test_sign_out_needs_a_press_of_the_button(client_for: Callable[..., Client], alice: Member) -> None:
    client = client_for(alice)
    client.get(reverse("account_logout"))
    assert client.get("/account").status_code == 200
    client.post(reverse("account_logout"))
    assert client.get("/account").status_code == 302


def test_a_new_mail_address_needs_the_password_once_more(client: Client, alice: Member, bob: Member) -> None:
    sign_in(client, "alice")
    client.post("/account", {"first_name": "Alice", "email": ""})
    alice.refresh_from_db()
    assert alice.first_name == "Alice"

    asked = client.post("/account", {"first_name": "Al", "email": "Alice@mill.example"})
    alice.refresh_from_db()
    assert alice.email == ""
    client.post(asked.url, {"password": PASSWORD})
    alice.refresh_from_db()
    assert (alice.first_name, alice.email) == ("Al", "alice@mill.example")
    assert sign_in(Client(), "alice@mill.example").url == "/"
    assert AuditEntry.objects.filter(action="email.changed", actor=alice).count() == 1

    other = Client()
    sign_in(other, "bob")
    answer = other.post("/account", {"first_name": "", "email": "ALICE@mill.example"})
    assert answer.status_code == 400
    assert "email" in answer.context["profile_form"].errors
