"""Sessions: new at sign-in, over at sign-out, with another password and with suspension; open websockets too."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.cache import cache
from django.test import Client

from jobs.queue.models import Job
from portal.members import services, tokens, watch
from portal.members.models import Member
from tests.contract.test_socket import Socket
from tests.queue.conftest import node, submit, version  # noqa: F401 - fixtures

PASSWORD = "correct horse battery"
Submit = Callable[..., Job]


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


def signed_in(client: Client) -> bool:
    return client.get("/account").status_code == 200


@pytest.mark.django_db
def test_a_session_that_was_there_before_sign_in_is_not_the_one_after(alice: Member, cora: Member) -> None:
    client = Client()
    link = services.invite(actor=cora)[1]
    client.get(link)
    before = client.cookies["sessionid"].value
    csrf = client.get("/account/login/").cookies["csrftoken"].value
    client.post("/account/login/", {"login": "alice", "password": PASSWORD})
    assert signed_in(client)
    assert client.cookies["sessionid"].value != before
    assert client.cookies["csrftoken"].value != csrf
    stolen = Client()
    stolen.cookies["sessionid"] = before
    assert not signed_in(stolen)


@pytest.mark.django_db
def test_a_session_is_over_after_sign_out(client_for: Callable[..., Client], alice: Member) -> None:
    client = client_for(alice)
    kept = client.cookies["sessionid"].value
    client.post("/account/logout/")
    again = Client()
    again.cookies["sessionid"] = kept
    assert not signed_in(again)


@pytest.mark.django_db
def test_who_is_let_in_again_has_to_sign_in_again(
    client_for: Callable[..., Client], alice: Member, bob: Member, cora: Member
) -> None:
    alices, bobs = client_for(alice), client_for(bob)
    services.suspend(actor=cora, member=alice)
    assert not signed_in(alices)
    services.reinstate(actor=cora, member=alice)
    assert not signed_in(alices)
    assert signed_in(bobs)


@async_to_sync
async def closed_by(path: str, headers: Any, end: Callable[[], object]) -> Any:
    """What the socket says last, once `end` was done to who opened it."""
    async with Socket(path, headers) as socket:
        said = [await socket.message() for _ in range(3)]
        assert [each and each["type"] for each in said] == [None, "status", "progress"]
        await asyncio.sleep(0.3)
        assert await socket.receive_nothing()
        await sync_to_async(end)()
        return await socket.message()


def ends(alice: Member, cora: Member, client: Client, row: Any) -> dict[str, Callable[[], object]]:
    return {
        "sign-out": lambda: client.post("/account/logout/"),
        "suspended": lambda: services.suspend(actor=cora, member=alice),
        "revoked": lambda: tokens.revoke(token=row, actor=alice),
        "password": lambda: (alice.set_password("another one entirely"), alice.save()),
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("way", "how"),
    [
        ("session", "sign-out"),
        ("session", "suspended"),
        ("session", "password"),
        ("token", "revoked"),
        ("token", "suspended"),
    ],
)
def test_an_open_socket_is_closed_within_seconds(
    way: str,
    how: str,
    submit: Submit,  # noqa: F811
    alice: Member,
    cora: Member,
    client_for: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "EVERY_S", 0.1)
    client = client_for(alice)
    row, text = tokens.create(member=alice, name="socket")
    session = f"sessionid={client.cookies['sessionid'].value}".encode()
    headers = {
        "session": [(b"cookie", session), (b"origin", b"http://testserver"), (b"host", b"testserver")],
        "token": [(b"authorization", f"Token {text}".encode())],
    }[way]
    path = f"/ws/jobs/{submit().pk}"
    assert closed_by(path, headers, ends(alice, cora, client, row)[how]) == watch.SHUT_OUT
