"""`/ws/jobs/{id}`: by token or by session, for those who may see the job."""

import json
from collections.abc import Callable
from typing import Any, Self

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.test import Client

from jobs.queue.consumers import NOT_FOUND, NOT_SIGNED_IN
from jobs.queue.lifecycle import group_of
from jobs.queue.models import Job
from portal.asgi import application
from portal.members.models import ApiToken, Member

pytestmark = pytest.mark.django_db(transaction=True)
REFUSED = 1000
HERE = [(b"origin", b"http://testserver"), (b"host", b"testserver")]
Headers = list[tuple[bytes, bytes]]
Submit = Callable[..., Job]


def by_token(member: Member) -> Headers:
    _row, token = ApiToken.objects.create(user=member, name="socket")
    return [(b"authorization", f"Token {token}".encode())]


class Socket(ApplicationCommunicator):
    def __init__(self, path: str, headers: Headers) -> None:
        scope = {
            "type": "websocket",
            "path": path,
            "headers": headers,
            "query_string": b"",
            "subprotocols": [],
        }
        super().__init__(application, scope)

    async def __aenter__(self) -> Self:
        await self.send_input({"type": "websocket.connect"})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(timeout=5)

    async def message(self) -> Any:
        """The next message's JSON; the code of a close; None for the handshake that was accepted."""
        output = await self.receive_output(timeout=5)
        if output["type"] == "websocket.close":
            return output.get("code", 1000)
        return json.loads(output["text"]) if output["type"] == "websocket.send" else None


@async_to_sync
async def first(path: str, headers: Headers) -> Any:
    """The first message, or the code of the close before (refused) or after (turned away) the handshake."""
    async with Socket(path, headers) as socket:
        return await socket.message() or await socket.message()


@pytest.mark.parametrize("ending", ["", "/"])
def test_who_may_see_the_job_is_told_where_it_is(ending: str, submit: Submit, alice: Member) -> None:
    path = f"/ws/jobs/{submit().pk}{ending}"
    assert first(path, by_token(alice)) == {
        "type": "status",
        "status": "queued",
        "reason": "",
        "sentence": "",
    }


def test_a_session_will_do(submit: Submit, alice: Member, client_for: Callable[[Member], Client]) -> None:
    session = client_for(alice).cookies["sessionid"].value
    headers = [(b"cookie", f"sessionid={session}".encode()), *HERE]
    assert first(f"/ws/jobs/{submit().pk}", headers)["type"] == "status"


def test_a_session_will_not_do_for_another_sites_page(
    submit: Submit, alice: Member, client_for: Callable[[Member], Client]
) -> None:
    session = client_for(alice).cookies["sessionid"].value
    for origin in (b"http://evil.example", b"null", b"http://testserver.evil.example"):
        headers = [
            (b"cookie", f"sessionid={session}".encode()),
            (b"host", b"testserver"),
            (b"origin", origin),
        ]
        assert first(f"/ws/jobs/{submit().pk}", headers) == REFUSED


def test_others_are_turned_away(submit: Submit, bob: Member) -> None:
    path = f"/ws/jobs/{submit().pk}"
    assert first(path, by_token(bob)) == NOT_FOUND
    assert first(path, HERE) == NOT_SIGNED_IN
    assert first(path, [(b"authorization", b"Token none")]) == REFUSED


@pytest.mark.parametrize("path", ["/", "/ws/nothing", "/ws/jobs/", "/ws/jobs/x\0y", "/ws/jobs/a/b"])
def test_where_no_job_is_it_is_refused(path: str, alice: Member) -> None:
    assert first(path, by_token(alice)) == REFUSED


def test_messages_follow(submit: Submit, alice: Member) -> None:
    job, headers = submit(), by_token(alice)

    @async_to_sync
    async def seen() -> list[Any]:
        async with Socket(f"/ws/jobs/{job.pk}", headers) as socket:
            before = [await socket.message() for _ in range(3)]
            log = {"type": "log", "text": "x"}
            await get_channel_layer().group_send(group_of(job.pk), {"type": "forward", "payload": log})
            return [*before[1:], await socket.message()]

    assert [message["type"] for message in seen()] == ["status", "progress", "log"]
