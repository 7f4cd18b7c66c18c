"""Downloads over HTTP, through the ASGI application as the portal serves it."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from jobs.bundles import downloads, services
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from jobs.bundles.ranges import Answer, decide
from portal.core import storage
from portal.members.models import ApiToken, Member

pytestmark = pytest.mark.django_db
CONTENT = os.urandom(2_500_000)  # several pieces
SIZE = len(CONTENT)
TAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'

Get = Callable[..., httpx.Response]


@pytest.fixture
def bundle(model: TrainedModel) -> Bundle:
    bundle, _made = services.request_bundle(model=model, target="linux-pc")
    bundle.state, bundle.zip, bundle.signature = BundleState.READY, storage.put_bytes(CONTENT), "c2ln"
    bundle.save()
    return bundle


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Requests use the test's own database connection, with its open transaction, and leave it open."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def get(bundle: Bundle, alice: Member, one_connection: None) -> Get:
    """A real HTTP client of Alice's, asking for the bundle."""
    _row, token = ApiToken.objects.create(user=alice, name="laptop")
    transport = httpx.WSGITransport(get_wsgi_application())

    def ask(path: str = "", method: str = "GET", **headers: str) -> httpx.Response:
        path = path or f"/api/v1/bundles/{bundle.pk}/download"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx.Client(transport=transport, base_url="http://testserver") as client:
            return client.request(method, path, headers={"Authorization": f"Token {token}"} | sent)

    return ask


def test_the_whole_zip(get: Get) -> None:
    answer = get()
    assert (answer.status_code, answer.content == CONTENT) == (200, True)
    assert answer.headers["etag"] == TAG
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-disposition"] == 'attachment; filename="pets-gorlitz-co-linux-pc.zip"'
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_nothing_is_406(get: Get) -> None:
    assert get(Accept="text/html").status_code == 200


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=1048570-1048590", 1048570, 1048591),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        ("bytes=2000000-", 2000000, SIZE),
        (f"bytes=100-{SIZE * 9}", 100, SIZE),
        ("bytes=-500", SIZE - 500, SIZE),
        (f"bytes=-{SIZE * 9}", 0, SIZE),
        ("Bytes= 5-9 ", 5, 10),
    ],
)
def test_a_range(get: Get, asked: str, start: int, stop: int) -> None:
    answer = get(Range=asked)
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.content == CONTENT[start:stop]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
def test_a_range_past_the_end(get: Get, asked: str) -> None:
    answer = get(Range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert answer.json()["code"] == "range_not_satisfiable"


@pytest.mark.parametrize("asked", ["bytes=9-5", "bytes=a-b", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "0-5"])
def test_what_is_no_single_range_gets_the_whole(get: Get, asked: str) -> None:
    assert get(Range=asked).status_code == 200


def test_a_broken_download_is_resumed(get: Get) -> None:
    first = get(Range="bytes=0-1234567").content
    rest = get(Range=f"bytes={len(first)}-", If_Range=TAG)
    assert rest.status_code == 206
    assert first + rest.content == CONTENT


@pytest.mark.parametrize(
    "condition", ['"another"', f"W/{TAG}", "Wed, 21 Oct 2026 07:28:00 GMT"], ids=["another", "weak", "date"]
)
def test_a_resumed_download_of_another_file_starts_over(get: Get, condition: str) -> None:
    answer = get(Range="bytes=100-", If_Range=condition)
    assert (answer.status_code, len(answer.content)) == (200, SIZE)


@pytest.mark.parametrize(
    "seen", [TAG, f"W/{TAG}", f'"x", {TAG}', "*"], ids=["the same", "weak", "among others", "any"]
)
def test_who_has_it_gets_304(get: Get, seen: str) -> None:
    answer = get(If_None_Match=seen, Range="bytes=0-5")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", TAG)


def test_who_has_another_gets_this_one(get: Get) -> None:
    assert get(If_None_Match='"x", W/"y"').status_code == 200


def test_if_match(get: Get) -> None:
    assert get(If_Match=TAG, Range="bytes=0-5").status_code == 206
    assert get(If_Match='"x"').status_code == 412


def test_head_says_how_large_it_is(get: Get) -> None:
    answer = get(method="HEAD", Range="bytes=0-5")
    assert (answer.status_code, answer.content) == (200, b"")
    assert (answer.headers["content-length"], answer.headers["etag"]) == (str(SIZE), TAG)


def test_it_is_not_there_until_it_is_ready(get: Get, bundle: Bundle) -> None:
    bundle.state, bundle.zip = BundleState.REFUSED, None
    bundle.reason = "It needs 900 MB."
    bundle.save()
    answer = get()
    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")
    assert "It needs 900 MB." in answer.json()["detail"]


def test_the_keras_file(get: Get, model: TrainedModel) -> None:
    answer = get(f"/api/v1/models/{model.pk}/keras")
    assert answer.content == storage.path_of(model.keras.sha256).read_bytes()
    assert "filename*=utf-8''pets%2C%20G%C3%B6rlitz%20%26%20co.keras" in answer.headers["content-disposition"]


def test_a_hostile_name_stays_a_name(get: Get, model: TrainedModel) -> None:
    model.name = '../../etc/"x"\r\nSet-Cookie: a=b'
    model.save()
    answer = get(f"/api/v1/models/{model.pk}/keras")
    assert "set-cookie" not in answer.headers
    assert "/" not in answer.headers["content-disposition"]
    assert get().headers["content-disposition"].count('"') == 2


def test_behind_nginx_the_bytes_are_its_to_send(get: Get, settings: Any) -> None:
    settings.ACCEL = True
    answer = get(Range="bytes=5-9")
    digest = TAG.strip('"')
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["x-accel-redirect"] == f"/_blobs/{digest[:2]}/{digest}"
    assert answer.headers["etag"] == TAG
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="pets-gorlitz-co-linux-pc.zip"'
    assert get(If_None_Match=TAG).status_code == 304
    assert get(If_Match='"x"').status_code == 412
    assert get(If_Match=TAG, Range="bytes=5-9").content == CONTENT[5:10]
    assert get(Range=f"bytes={SIZE}-").status_code == 416
    assert get(method="HEAD").headers["content-length"] == str(SIZE)


def test_others_may_not(
    bundle: Bundle, bob: Member, cora: Member, api_for: Callable[[Member], APIClient], client: Client
) -> None:
    path = f"/api/v1/bundles/{bundle.pk}/download"
    assert client.get(path).status_code == 401
    assert api_for(bob).get(path).status_code == 404
    assert api_for(bob).get(f"/api/v1/models/{bundle.model_id}/keras").status_code == 404
    assert api_for(cora).head(path).status_code == 200


def test_the_page_downloads_with_the_session(
    bundle: Bundle, alice: Member, client_for: Callable[[Member], Client]
) -> None:
    answer = client_for(alice).head(f"/bundles/{bundle.pk}/download")
    assert (answer.status_code, answer["ETag"], answer["Content-Length"]) == (200, TAG, str(SIZE))


def test_a_reader_who_leaves_midway_leaves_no_open_file(bundle: Bundle, rf: RequestFactory) -> None:
    assert bundle.zip is not None
    path = storage.path_of(bundle.zip.sha256)

    def leave_midway() -> bytes:
        assert bundle.zip is not None
        answer = downloads.send(rf.get("/"), bundle.zip, filename="x", content_type="x")
        first = next(iter(answer))
        assert path in opened()
        answer.close()
        return first

    def opened() -> set[Path]:
        return {link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}

    assert leave_midway() == CONTENT[: 1024**2]
    assert path not in opened()


def test_digits_of_other_scripts_are_no_digits() -> None:
    assert decide({"Range": "bytes=\u0663-\u0665"}, etag=TAG, size=SIZE)[0] is Answer.WHOLE
