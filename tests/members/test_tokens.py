"""API tokens: made, used, revoked; and what each bad credential is answered."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from portal.kit.errors import UserError
from portal.members import services, tokens
from portal.members.models import ApiToken, AuditEntry, Member

ME = "/api/v1/me"


def with_token(text: str, scheme: str = "Token") -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"{scheme} {text}")
    return client


def test_a_token_opens_the_api(alice: Member) -> None:
    row, text = tokens.create(member=alice, name="laptop")
    assert text.startswith("gm_")
    assert text not in repr(ApiToken.objects.values())
    for scheme in ("Token", "token", "TOKEN"):
        answer = with_token(text, scheme).get(ME)
        assert answer.status_code == 200
        assert answer.json()["username"] == "alice"
    assert row.expiry is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Token",
        "Token ",
        "Token nonsense",
        "Token a b c",
        "Token \xff\xfe",
        "Token " + "x" * 5000,
        "Basic YTpi",
    ],
)
def test_bad_credentials_are_401_in_words(client: Client, alice: Member, header: str) -> None:
    answer = client.get(ME, HTTP_AUTHORIZATION=header) if header else client.get(ME)
    assert answer.status_code == 401
    assert answer["Content-Type"].startswith("application/problem+json")
    assert answer["WWW-Authenticate"] == "Token"
    assert answer.json()["status"] == 401
    assert answer.json()["detail"]


def test_a_revoked_token_and_a_suspended_member_are_401(alice: Member, cora: Member) -> None:
    row, text = tokens.create(member=alice, name="laptop")
    _other, kept = tokens.create(member=alice, name="pi")
    tokens.revoke(token=row, actor=alice)
    assert with_token(text).get(ME).status_code == 401
    assert with_token(kept).get(ME).status_code == 200
    services.suspend(actor=cora, member=alice)
    assert with_token(kept).get(ME).status_code == 401
    assert tokens.find_by_header(f"Token {kept}") is None


def test_a_request_costs_one_query_and_notes_its_use_once_a_minute(
    alice: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row, text = tokens.create(member=alice, name="laptop")
    assert row.last_used_at is None
    with django_assert_num_queries(2):
        tokens.find(text)
    row.refresh_from_db()
    first = row.last_used_at
    assert timezone.now() - first < timedelta(seconds=10)
    with django_assert_num_queries(1):
        tokens.find(text)
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    tokens.find(text)
    row.refresh_from_db()
    assert row.last_used_at >= first


def test_a_session_reads_and_writes_only_with_the_pages_token(alice: Member) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert browser.get(ME).status_code == 200
    answer = browser.post(ME, {}, content_type="application/json")
    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"
    assert "CSRF" in answer.json()["detail"]


def test_the_header_is_found_without_rest_framework(alice: Member) -> None:
    _row, text = tokens.create(member=alice, name="laptop")
    assert tokens.find_by_header(f"Token {text}").user == alice
    assert tokens.find_by_header(f"Device {text}") is None
    assert tokens.find_by_header("") is None


def test_a_name_is_needed_and_used_once(alice: Member, bob: Member) -> None:
    tokens.create(member=alice, name="laptop")
    tokens.create(member=bob, name="laptop")
    for name, code in ((" laptop ", "name_taken"), ("  ", "invalid"), ("x" * 81, "invalid")):
        with pytest.raises(UserError) as caught:
            tokens.create(member=alice, name=name)
        assert caught.value.code == code
    assert alice.auth_token_set.count() == 1


def test_the_account_page_shows_a_token_once(client_for: Callable[..., Client], alice: Member) -> None:
    client = client_for(alice)
    answer = client.post("/account/tokens", {"name": "<b>laptop</b>"})
    text = answer.context["new_token"]
    page = answer.content.decode()
    assert text in page
    assert "<b>laptop" not in page
    assert "&lt;b&gt;laptop" in page
    assert text not in client.get("/account").content.decode()
    assert with_token(text).get(ME).status_code == 200
    assert "no-store" in answer["Cache-Control"]


def test_a_bad_name_is_said_beside_the_field(client_for: Callable[..., Client], alice: Member) -> None:
    client = client_for(alice)
    assert client.post("/account/tokens", {"name": ""}).status_code == 400
    client.post("/account/tokens", {"name": "laptop"})
    answer = client.post("/account/tokens", {"name": "laptop"})
    assert answer.status_code == 409
    assert "name" in answer.context["token_form"].errors


def test_one_revokes_ones_own_tokens_only(
    client_for: Callable[..., Client], alice: Member, bob: Member
) -> None:
    row, text = tokens.create(member=alice, name="laptop")
    path = f"/account/tokens/{row.id}/revoke"
    assert client_for(bob).post(path).status_code == 404
    assert client_for(alice).get(path).status_code == 405
    assert with_token(text).get(ME).status_code == 200
    assert client_for(alice).post(path).url == "/account"
    assert with_token(text).get(ME).status_code == 401
    done = list(AuditEntry.objects.order_by("id").values_list("action", "subject"))
    assert done == [("token.created", "alice · laptop"), ("token.revoked", "alice · laptop")]
    assert text not in repr(list(AuditEntry.objects.values()))


def test_the_number_of_tokens_does_not_change_the_number_of_queries(
    client_for: Callable[..., Client], alice: Member, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(40):
        tokens.create(member=alice, name=f"token {number}")
    client = client_for(alice)
    cache.clear()
    with django_assert_max_num_queries(20):
        assert client.get("/account").status_code == 200
