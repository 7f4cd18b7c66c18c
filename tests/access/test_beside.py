"""The rest of the matrix, through the real ASGI application: websockets, tus, probes, metrics, static files."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator

from jobs.datasets import uploads
from jobs.datasets.models import Dataset, Upload
from jobs.queue.consumers import NOT_FOUND, NOT_SIGNED_IN
from portal.asgi import application
from portal.members.models import AuditEntry
from portal.site import probes
from tests.access.conftest import CSRF, PEOPLE, World
from tests.access.routes import sockets
from tests.access.table import BESIDE, UPLOADS, Row, rows
from tests.contract.test_socket import REFUSED, first

pytestmark = pytest.mark.django_db(transaction=True)
HERE = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
Headers = list[tuple[bytes, bytes]]
SOCKETS = {
    "^ws/jobs/(?P<job_id>[^/\\0]+)/?$": {
        "owner": "status", "steward": "status", "other": NOT_FOUND, "team": NOT_FOUND, "outside": NOT_SIGNED_IN,
    },
}  # fmt: skip
"""What each person is told first: where the job is, or the code by which they are turned away."""


def by_session(world: World, person: str) -> Headers:
    cookies = f"csrftoken={CSRF}; sessionid={world.sessions.get(person, '')}"
    return [*HERE, (b"cookie", cookies.encode()), (b"x-csrftoken", CSRF.encode())]


def by_token(world: World, person: str) -> Headers:
    given = [(b"authorization", f"Token {world.tokens[person]}".encode())] if person in world.tokens else []
    return [(b"host", b"testserver"), *given]


WAYS: dict[str, Callable[[World, str], Headers]] = {"session": by_session, "token": by_token}


def test_every_socket_has_a_row() -> None:
    assert set(sockets()) == set(SOCKETS), "Say in SOCKETS of tests/access/test_beside.py who may open it."


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("route", SOCKETS)
def test_who_may_open_a_socket(route: str, way: str, world: World) -> None:
    path = world.path(route, "queued").replace("/?", "")
    for person in PEOPLE:
        wanted = SOCKETS[route].get(person, SOCKETS[route]["outside"])
        said = first(path, WAYS[way](world, person))
        got = said["type"] if isinstance(said, dict) else said
        if way == "token" and wanted == NOT_SIGNED_IN and person != "anonymous":
            wanted = REFUSED  # a bad credential is refused before the handshake
        assert got == wanted, (person, way)


@async_to_sync
async def ask(method: str, path: str, headers: Headers, body: bytes = b"") -> tuple[int, dict[str, str]]:
    """The status and the heads that the whole application answers with."""
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }  # fmt: skip
    call = ApplicationCommunicator(application, scope)
    await call.send_input({"type": "http.request", "body": body, "more_body": False})
    start = await call.receive_output(timeout=20)
    more = True
    while more:
        more = (await call.receive_output(timeout=20)).get("more_body", False)
    await call.wait(timeout=20)
    return start["status"], {name.decode().lower(): value.decode() for name, value in start["headers"]}


def tus_headers(world: World, row: Row) -> Headers:
    dataset = base64.b64encode(world.ids.get(row.thing, "").encode()).decode()
    said = {
        "tus-resumable": "1.0.0",
        "upload-length": "10",
        "upload-metadata": f"dataset {dataset}",
        "upload-offset": "0",
        "content-type": "application/offset+octet-stream",
    }
    return [(name.encode(), value.encode()) for name, value in said.items()]


def tus_path(world: World, row: Row) -> str:
    if row.route == "uploads":
        return "/api/v1/uploads"
    dataset = Dataset.objects.get(pk=world.ids["private"])
    upload: Upload = uploads.begin(
        member=dataset.owner, dataset_id=dataset.pk, filename="x.zip", label_column="", length=10, metadata=""
    )
    return f"/api/v1/uploads/{upload.pk}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", rows(UPLOADS), ids=lambda row: f"{row.method} {row.route} {row.thing}")
def test_who_may_upload_by_tus(row: Row, way: str, world: World) -> None:
    for person in PEOPLE:
        headers = [*WAYS[way](world, person), *tus_headers(world, row)]
        status, _heads = ask(
            row.method, tus_path(world, row), headers, b"x" if row.method == "PATCH" else b""
        )
        assert str(status) == row.expected(person), (person, way)


@pytest.mark.parametrize("path", ["/api/v1/uploads", "/api/v1/uploads/x"])
def test_tus_has_no_other_methods(path: str, world: World) -> None:
    listed = {row.method for row in rows(UPLOADS) if ("/" in row.route) == path.endswith("/x")}
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - listed:
        headers = [*by_token(world, "owner"), (b"tus-resumable", b"1.0.0")]
        status, heads = ask(method, path, headers)
        assert status == 405, method
        assert set(heads["allow"].split(", ")) == listed | {"OPTIONS"}


def test_tus_by_session_needs_the_pages_token(world: World) -> None:
    for row in rows(UPLOADS):
        if row.method in {"POST", "PATCH", "DELETE"}:
            headers = [each for each in by_session(world, "owner") if each[0] != b"x-csrftoken"]
            status, _heads = ask(row.method, tus_path(world, row), [*headers, *tus_headers(world, row)], b"x")
            assert status == 403, row


@pytest.mark.parametrize(
    ("method", "body", "action"),
    [("PATCH", b"0123456789", "dataset.version_added"), ("DELETE", b"", "upload.given_up")],
)
def test_what_a_steward_does_to_anothers_upload_is_noted(
    method: str, body: bytes, action: str, world: World
) -> None:
    row = next(row for row in rows(UPLOADS) if row.method == method)
    for person, noted in (("owner", False), ("steward", True)):
        path = tus_path(world, row)
        status, _heads = ask(method, path, [*by_token(world, person), *tus_headers(world, row)], body)
        assert status == 204
        entries = AuditEntry.objects.filter(action=action, actor=world.members[person])
        assert entries.exists() == noted, person


@pytest.mark.parametrize("path", [probes.HEALTH, probes.READY])
def test_probes_answer_anyone_and_tell_nothing(path: str, world: World) -> None:
    for person in PEOPLE:
        assert ask("GET", path, by_token(world, person))[0] in {200, 503}
        for method in ("POST", "DELETE", "TRACE", "BREW"):
            assert ask(method, path, by_token(world, person))[0] == 405


def test_metrics_are_for_stewards_and_the_monitoring(world: World, settings: Any) -> None:
    assert "metrics" in BESIDE
    settings.METRICS_TOKEN = "the monitoring's"
    wanted = {"steward": 200, "owner": 403, "other": 403, "team": 403}
    for person in PEOPLE:
        assert ask("GET", "/metrics", by_session(world, person))[0] == wanted.get(person, 401), person
        assert ask("GET", "/metrics", by_token(world, person))[0] == 401, person
        assert ask("POST", "/metrics", by_session(world, person))[0] in {403, 405}
    for said, status in (("the monitoring's", 200), ("the monitorings", 401), ("", 401)):
        bearer = [(b"host", b"testserver"), (b"authorization", f"Bearer {said}".encode())]
        assert ask("GET", "/metrics", bearer)[0] == status


def test_static_files_are_read_and_never_listed(world: World) -> None:
    host = [(b"host", b"testserver")]
    assert ask("GET", "/static/src/mark.svg", host)[0] == 200
    for path in ("/static/", "/static/src/", "/static/../portal/settings.py", "/static/%2e%2e/manage.py"):
        assert ask("GET", path, host)[0] == 404, path
    assert ask("POST", "/static/src/mark.svg", host)[0] in {403, 405}


@pytest.mark.parametrize(
    "host", [b"evil.example", b"testserver.evil.example", b"evil.example:80", b"a b", b""]
)
def test_a_strangers_name_for_us_gets_no_address_back(host: bytes, world: World) -> None:
    """Else the links in answers, and in mails, could be made to lead there."""
    token = [each for each in by_token(world, "owner") if each[0] != b"host"]
    for method, path in (("GET", "/api/v1/bundles"), ("GET", "/"), ("POST", "/api/v1/uploads")):
        headers = [*token, (b"host", host), *tus_headers(world, rows(UPLOADS)[0])]
        status, heads = ask(method, path, headers)
        assert status == 400, (method, path)
        assert "location" not in heads


def test_a_socket_of_nobodys_is_refused(world: World) -> None:
    for path in ("/ws/", "/ws/jobs", "/ws/admin", "/api/v1/jobs"):
        assert first(path, by_token(world, "steward")) == REFUSED
