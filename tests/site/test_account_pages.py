"""Every page around the account renders, with the security policy of member pages."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from portal.members.models import Member

OPEN = [
    "home",
    "account_login",
    "account_signup",
    "account_reset_password",
    "account_reset_password_done",
    "pending",
    "account_inactive",
    "account_reset_password_from_key_done",
]
CLOSED = [
    "home",
    "machine",
    "account",
    "account_change_password",
    "account_email",
    "account_logout",
    "mfa_index",
    "account_reauthenticate",
]


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.mark.parametrize("name", OPEN)
def test_visitors_pages(client: Client, db: None, name: str) -> None:
    answer = client.get(reverse(name))
    assert answer.status_code == 200
    assert "default-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("name", CLOSED)
def test_members_pages(client_for: Callable[..., Client], alice: Member, name: str) -> None:
    answer = client_for(alice).get(reverse(name))
    assert answer.status_code == 200
    assert "default-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/account", "/account/tokens", "/machine", "/account/2fa/"])
def test_members_pages_send_visitors_to_sign_in(client: Client, db: None, path: str) -> None:
    assert client.get(path).url.startswith(reverse("account_login"))


def test_the_account_has_one_address(client_for: Callable[..., Client], alice: Member) -> None:
    assert client_for(alice).get("/account/").url == "/account"


def test_a_broken_link_to_a_new_password_is_explained(client: Client, db: None) -> None:
    assert client.get("/account/password/reset/key/nobody-1-x/").status_code == 200
