"""Guessing is slow whoever guesses what, and tells nothing; also while Redis is away, and behind a proxy."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.core.cache import cache, caches
from django.test import Client, RequestFactory
from pytest_django import Settings

from portal.core.api import ReadThrottle
from portal.members import limits, services, tokens
from portal.members.models import Member

PASSWORD = "correct horse battery"
TOO_MANY = 429


@pytest.fixture(autouse=True)
def fresh_limits(db: None) -> None:
    cache.clear()


@pytest.fixture(params=["redis", "no redis"])
def with_and_without(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The same limits hold whether Redis is there or not."""
    if request.param == "no redis":
        default = caches["default"]
        monkeypatch.setattr(default, "_servers", [f"unix://{tmp_path}/absent"])
        default.__dict__.pop("_cache", None)
        default._own.clear()
    yield
    caches["default"].__dict__.pop("_cache", None)


def sign_in(name: str, password: str = PASSWORD, address: str = "10.0.0.1", **more: str) -> Any:
    client = Client(REMOTE_ADDR=address, **more)
    return client.post("/account/login/", {"login": name, "password": password})


def test_an_account_is_guessed_at_slowly_from_however_many_addresses(
    alice: Member, with_and_without: None
) -> None:
    for number in range(5):
        sign_in("alice", "wrong", f"10.0.1.{number}")
    assert sign_in("alice", address="10.0.2.1").status_code != 302


def test_an_address_guesses_slowly_at_however_many_accounts(
    make_member: Callable[[str], Member], with_and_without: None
) -> None:
    for number in range(10):
        sign_in(f"nobody{number}", "wrong")
    make_member("dora")
    assert sign_in("dora").status_code != 302
    assert sign_in("dora", address="10.9.9.9").status_code == 302


def test_codes_of_the_second_factor_are_guessed_slowly(alice: Member, with_and_without: None) -> None:
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(alice, secret)
    client = Client()
    client.post("/account/login/", {"login": "alice", "password": PASSWORD})
    for _try in range(5):
        client.post("/account/2fa/authenticate/", {"code": "000000"})
    code = totp.format_hotp_value(totp.hotp_value(secret, next(iter(totp.yield_hotp_counters_from_time()))))
    assert client.post("/account/2fa/authenticate/", {"code": code}).status_code != 302
    assert client.get("/account").status_code == 302


def test_invitations_are_guessed_slowly(cora: Member, settings: Settings, with_and_without: None) -> None:
    settings.JOIN_TRIES = "4/hour"
    link = services.invite(actor=cora)[1]
    for number in range(4):
        assert Client().get(f"/join/guess{number}").status_code == 302
    assert Client().get(link).status_code == TOO_MANY
    assert Client(REMOTE_ADDR="10.9.9.9").get(link).status_code == 302


def test_tokens_are_guessed_slowly_and_a_good_one_is_let_in(
    alice: Member, settings: Settings, with_and_without: None
) -> None:
    settings.BAD_TOKENS = "3/hour"
    bad, good = Client(HTTP_AUTHORIZATION="Token gm_guess"), tokens.create(member=alice, name="x")[1]
    assert [bad.get("/api/v1/me").status_code for _try in range(5)] == [401, 401, 401, TOO_MANY, TOO_MANY]
    refused = bad.get("/api/v1/me")
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.json()["code"] == "throttled"
    assert Client(HTTP_AUTHORIZATION=f"Token {good}").get("/api/v1/me").status_code == 200
    elsewhere = Client(HTTP_AUTHORIZATION="Token gm_guess", REMOTE_ADDR="10.9.9.9")
    assert elsewhere.get("/api/v1/me").status_code == 401


def test_password_reset_is_asked_for_slowly(alice: Member, settings: Settings) -> None:
    settings.MAIL_CONFIGURED = True
    asked = [
        Client().post("/account/password/reset/", {"email": f"x{n}@mill.example"}).status_code
        for n in range(12)
    ]
    assert asked[0] == 302
    assert asked[-1] == TOO_MANY


SPOOFED = ["1.2.3.4", "1.2.3.4, 5.6.7.8", "garbage", "10.0.0.1, 1.2.3.4"]


@pytest.mark.parametrize("said", SPOOFED)
def test_without_a_proxy_nobody_says_who_they_are(said: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=said)
    assert limits.address_of(request) == "10.0.0.1"
    assert ReadThrottle().get_ident(request) == "10.0.0.1"


@pytest.mark.parametrize("said", ["5.6.7.8", "1.2.3.4, 5.6.7.8", "x, 1.2.3.4, 5.6.7.8"])
def test_behind_a_proxy_its_word_counts_and_nobody_elses(said: str, settings: Settings) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=said)
    assert limits.address_of(request) == "5.6.7.8"


def text_of(answer: Any, *hidden: str) -> str:
    text = answer.content.decode()
    for word in hidden:
        text = text.replace(word, "…")
    return "\n".join(line for line in text.splitlines() if "csrf" not in line.lower())


def test_sign_in_says_the_same_of_who_is_there_and_who_is_not(alice: Member) -> None:
    there = sign_in("alice", "wrong", "10.0.3.1")
    nobody = sign_in("alicf", "wrong", "10.0.3.2")
    assert there.status_code == nobody.status_code == 200
    assert text_of(there, "alice") == text_of(nobody, "alicf")


def test_sign_in_says_of_a_suspended_member_no_more_without_the_password(alice: Member, cora: Member) -> None:
    services.suspend(actor=cora, member=alice)
    assert text_of(sign_in("alice", "wrong", "10.0.4.1"), "alice") == text_of(
        sign_in("alicf", "wrong", "10.0.4.2"), "alicf"
    )


def test_an_unknown_name_costs_the_time_of_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    from django.contrib.auth.hashers import MD5PasswordHasher

    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(
        MD5PasswordHasher,
        "encode",
        lambda self, password, salt: hashed.append(1) or encode(self, password, salt),
    )
    sign_in("nobody", "wrong")
    assert hashed


def test_reset_says_the_same_of_a_known_address(alice: Member, settings: Settings) -> None:
    settings.MAIL_CONFIGURED = True
    Member.objects.filter(pk=alice.pk).update(email="alice@mill.example")
    known = Client().post("/account/password/reset/", {"email": "alice@mill.example"}, follow=True)
    other = Client().post("/account/password/reset/", {"email": "other@mill.example"}, follow=True)
    assert text_of(known) == text_of(other)
