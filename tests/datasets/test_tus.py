"""Uploads by tus against the real web server: resumed whatever breaks, refused whatever is wrong."""

import base64
import hashlib
import http.client
import io
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from tusclient.client import TusClient

from tests.datasets.server import Server

MIB = 1024 * 1024
PIECE = random.Random(1).randbytes(MIB)
BODY = "application/offset+octet-stream"


def b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def create(
    server: Server, length: int, *, who: str = "alice", dataset: str = "", **headers: str
) -> requests.Response:
    dataset = dataset or server.cast[who]["dataset"]
    metadata = f"filename {b64('../../étc/<leaves>.zip')},dataset {b64(dataset)}"
    sent = server.headers(who, **{"Upload-Length": str(length), "Upload-Metadata": metadata, **headers})
    return requests.post(f"{server.url}/api/v1/uploads", headers=sent, timeout=20)


def patch(
    server: Server, url: str, body: bytes, offset: int, who: str = "alice", **headers: str
) -> requests.Response:
    sent = server.headers(who, **{"Upload-Offset": str(offset), "Content-Type": BODY, **headers})
    return requests.patch(url, data=body, headers=sent, timeout=60)


def offset(server: Server, url: str) -> int:
    return int(requests.head(url, headers=server.headers(), timeout=20).headers["Upload-Offset"])


def half_a_patch(
    server: Server, url: str, body: bytes, *, length: int, **more: str
) -> http.client.HTTPConnection:
    """Begin a PATCH of `length` bytes from 0, and send only `body` of it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.putrequest("PATCH", url.removeprefix(server.url))
    headers = {"Upload-Offset": "0", "Content-Type": BODY, "Content-Length": str(length), **more}
    for name, value in server.headers(**headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(body)
    return connection


def until(true: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def test_options_names_what_it_can(server: Server) -> None:
    answer = requests.options(f"{server.url}/api/v1/uploads", timeout=20)
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,checksum,expiration,termination"
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha256,sha1,md5"


def test_tuspy_uploads_in_pieces_with_checksums(server: Server) -> None:
    content = os.urandom(3 * MIB + 17)
    client = TusClient(f"{server.url}/api/v1/uploads", headers=server.headers())
    uploader = client.uploader(
        file_stream=io.BytesIO(content), chunk_size=MIB, upload_checksum=True,
        metadata={"filename": "leaves.zip", "dataset": server.cast["alice"]["dataset"]},
    )  # fmt: skip
    uploader.upload()
    state = server.get(str(uploader.url))
    assert state["state"] == "complete"
    version = server.get(state["version"])
    assert version["sha256"] == hashlib.sha256(content).hexdigest()
    assert (version["bytes"], version["state"], version["filename"]) == (
        len(content),
        "validating",
        "leaves.zip",
    )


def test_tuspy_goes_on_after_a_kill(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "leaves.zip"
    file.write_bytes(PIECE * 4)
    client = TusClient(f"{server.url}/api/v1/uploads", headers=server.headers())
    known = {"filename": file.name, "dataset": server.cast["alice"]["dataset"]}
    first = client.uploader(str(file), chunk_size=MIB, metadata=known)
    first.upload(stop_at=2 * MIB)
    server.kill()
    server.start()
    second = client.uploader(str(file), url=first.url, chunk_size=MIB)
    assert second.offset == 2 * MIB
    second.upload()
    version = server.get(server.get(str(first.url))["version"])
    assert version["sha256"] == hashlib.sha256(PIECE * 4).hexdigest()


def test_when_it_expires_is_told_and_kept(server: Server) -> None:
    made = create(server, 5)
    url, told = made.headers["Location"], parsedate_to_datetime(made.headers["Upload-Expires"])
    assert 23 < (told - datetime.now(UTC)).total_seconds() / 3600 <= 24
    expire = "from jobs.datasets.models import Upload; Upload.objects.update(expires_at='2020-01-01T00:00Z')"
    server.python(f"import django; django.setup(); {expire}")
    assert requests.head(url, headers=server.headers(), timeout=20).status_code == 410
    answer = patch(server, url, b"12345", 0)
    assert (answer.status_code, answer.json()["code"]) == (410, "expired")


def test_location_is_absolute_and_the_final_patch_made_the_version(server: Server) -> None:
    content = b"short"
    made = create(server, len(content))
    assert made.status_code == 201
    url = made.headers["Location"]
    assert url.startswith(f"{server.url}/api/v1/uploads/")
    assert server.get(url) == {"state": "receiving", "version": None}
    done = patch(server, url, content, 0)
    assert (done.status_code, done.headers["Upload-Offset"]) == (204, "5")
    version = server.get(server.get(url)["version"])
    assert version["sha256"] == hashlib.sha256(content).hexdigest()
    assert version["filename"] == "<leaves>.zip"
    assert not (server.home / "uploads" / f"{url.rsplit('/', 1)[1]}.part").exists()


def test_an_upload_of_nothing_is_complete_at_once(server: Server) -> None:
    url = create(server, 0).headers["Location"]
    assert server.get(server.get(url)["version"])["bytes"] == 0


def test_a_broken_connection_keeps_what_came(server: Server) -> None:
    content = PIECE * 5
    url = create(server, len(content)).headers["Location"]
    connection = half_a_patch(server, url, content[: 3 * MIB + 5], length=len(content))
    time.sleep(0.3)
    connection.close()
    assert until(lambda: offset(server, url) == 3 * MIB + 5)
    assert patch(server, url, content[3 * MIB + 5 :], 3 * MIB + 5).status_code == 204
    version = server.get(server.get(url)["version"])
    assert version["sha256"] == hashlib.sha256(content).hexdigest()


def test_killed_in_the_middle_of_a_patch_it_goes_on_from_what_is_on_disk(server: Server) -> None:
    content = PIECE * 8
    url = create(server, len(content)).headers["Location"]
    connection = half_a_patch(server, url, content[: 5 * MIB], length=len(content))
    assert until(lambda: offset(server, url) >= 3 * MIB)
    server.kill()
    connection.close()
    server.start()
    at = offset(server, url)
    assert 3 * MIB <= at <= 5 * MIB
    assert patch(server, url, content[at:], at).status_code == 204  # at once: no lease to wait for
    version = server.get(server.get(url)["version"])
    assert version["sha256"] == hashlib.sha256(content).hexdigest()


def test_killed_between_the_last_byte_and_the_version_it_is_finished_when_asked(server: Server) -> None:
    content = PIECE
    url = create(server, len(content)).headers["Location"]
    part = server.home / "uploads" / f"{url.rsplit('/', 1)[1]}.part"
    part.write_bytes(content)  # as a server killed just then leaves it
    assert offset(server, url) == len(content)
    version = server.get(server.get(url)["version"])
    assert version["sha256"] == hashlib.sha256(content).hexdigest()


def test_only_one_may_write(server: Server) -> None:
    url = create(server, 4 * MIB).headers["Location"]
    connection = half_a_patch(server, url, PIECE, length=4 * MIB)
    assert until(lambda: offset(server, url) > 0)
    second = patch(server, url, PIECE, offset(server, url))
    assert (second.status_code, second.json()["code"]) == (423, "locked")
    assert requests.delete(url, headers=server.headers(), timeout=20).status_code == 423
    connection.close()


def test_a_wrong_checksum_throws_the_piece_away(server: Server) -> None:
    url = create(server, 2 * MIB).headers["Location"]
    right = {"Upload-Checksum": f"sha256 {b64(hashlib.sha256(PIECE).digest())}"}
    wrong = {"Upload-Checksum": f"md5 {b64(hashlib.md5(b'other', usedforsecurity=False).digest())}"}
    assert patch(server, url, PIECE, 0, **right).status_code == 204
    answer = patch(server, url, PIECE, MIB, **wrong)
    assert (answer.status_code, answer.json()["code"]) == (460, "checksum_mismatch")
    assert offset(server, url) == MIB
    assert patch(server, url, PIECE, MIB, **right).status_code == 204
    assert server.get(server.get(url)["version"])["sha256"] == hashlib.sha256(PIECE * 2).hexdigest()
    assert (
        patch(
            server, create(server, 5).headers["Location"], b"12345", 0, **{"Upload-Checksum": "crc32 x"}
        ).status_code
        == 400
    )


def test_what_a_checksum_could_not_vouch_for_does_not_count_after_a_kill(server: Server) -> None:
    url = create(server, 4 * MIB).headers["Location"]
    part = server.home / "uploads" / f"{url.rsplit('/', 1)[1]}.part"
    checksum = f"sha256 {b64(hashlib.sha256(PIECE * 4).digest())}"
    connection = half_a_patch(server, url, PIECE * 2, length=4 * MIB, **{"Upload-Checksum": checksum})
    assert until(lambda: part.exists() and part.stat().st_size > 0)
    server.kill()
    connection.close()
    server.start()
    assert part.stat().st_size > 0
    assert offset(server, url) == 0
    assert patch(server, url, PIECE * 4, 0).status_code == 204
    assert server.get(server.get(url)["version"])["sha256"] == hashlib.sha256(PIECE * 4).hexdigest()


def test_delete_frees_the_bytes(server: Server) -> None:
    url = create(server, 2 * MIB).headers["Location"]
    patch(server, url, PIECE, 0)
    part = server.home / "uploads" / f"{url.rsplit('/', 1)[1]}.part"
    assert part.stat().st_size == MIB
    assert requests.delete(url, headers=server.headers(), timeout=20).status_code == 204
    assert not part.exists()
    assert requests.head(url, headers=server.headers(), timeout=20).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Offset": "1"}, 409),
        ({"Upload-Offset": "-1"}, 400),
        ({"Content-Type": "application/octet-stream"}, 415),
        ({"Tus-Resumable": "0.2.2"}, 412),
    ],
)
def test_patches_that_break_the_protocol_are_refused(
    server: Server, headers: dict[str, str], status: int
) -> None:
    url = create(server, MIB).headers["Location"]
    answer = patch(server, url, PIECE, 0, **headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert offset(server, url) == 0


def test_more_than_was_announced_is_refused(server: Server) -> None:
    url = create(server, MIB).headers["Location"]
    assert patch(server, url, PIECE * 2, 0).status_code == 413
    chunked = requests.patch(
        url, data=iter([PIECE, PIECE]), timeout=20,
        headers=server.headers(**{"Upload-Offset": "0", "Content-Type": BODY}),
    )  # fmt: skip
    assert chunked.status_code == 413
    assert offset(server, url) <= MIB
    assert server.get(url)["version"] is None or offset(server, url) == MIB


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Length": ""}, 400),
        ({"Upload-Length": "1e9"}, 400),
        ({"Upload-Length": str(10**17)}, 413),
        ({"Upload-Length": str(150 * 1024**3)}, 403),  # the quota
        ({"Upload-Metadata": "filename eA=="}, 400),
        ({"Upload-Metadata": "dataset !!"}, 400),
        ({"Upload-Metadata": f"dataset {b64(b'no-such')}"}, 404),
        ({"Upload-Metadata": f"dataset {b64(bytes([255, 254]))}"}, 400),
        ({"Host": "a b"}, 400),
    ],
)
def test_uploads_that_cannot_be_are_refused(server: Server, headers: dict[str, str], status: int) -> None:
    answer = create(server, 5, **headers)
    assert answer.status_code == status
    assert answer.json()["status"] == status


def test_room_is_set_aside_before_the_bytes_come(server: Server) -> None:
    gib = 1024**3
    first = create(server, 15 * gib, who="bob")
    assert first.status_code == 201
    second = create(server, 15 * gib, who="bob")
    assert (second.status_code, second.json()["code"]) == (403, "quota_storage")
    requests.delete(first.headers["Location"], headers=server.headers("bob"), timeout=20)
    again = create(server, 15 * gib, who="bob")
    assert again.status_code == 201
    requests.delete(again.headers["Location"], headers=server.headers("bob"), timeout=20)


def test_others_see_nothing_of_it(server: Server) -> None:
    url = create(server, 5).headers["Location"]
    bob, nobody = server.headers("bob"), {"Tus-Resumable": "1.0.0"}
    for method in ("HEAD", "GET", "DELETE"):
        assert requests.request(method, url, headers=bob, timeout=20).status_code == 404
        assert requests.request(method, url, headers=nobody, timeout=20).status_code == 401
    assert patch(server, url, b"12345", 0, who="bob").status_code == 404
    assert create(server, 5, who="bob", dataset=server.cast["alice"]["dataset"]).status_code == 404
    assert requests.post(f"{server.url}/api/v1/uploads", headers=nobody, timeout=20).headers[
        "WWW-Authenticate"
    ]


def test_a_browsers_session_needs_the_pages_csrf_token(server: Server) -> None:
    session = server.cast["alice"]["session"]
    metadata = f"dataset {b64(server.cast['alice']['dataset'])}"
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": metadata}
    secret = "a" * 32
    cookies = {"sessionid": session, "csrftoken": secret}
    url = f"{server.url}/api/v1/uploads"
    assert requests.post(url, headers=headers, cookies=cookies, timeout=20).status_code == 403
    made = requests.post(url, headers={**headers, "X-CSRFToken": secret}, cookies=cookies, timeout=20)
    assert made.status_code == 201
    sent = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": BODY}
    forged = {**sent, "X-HTTP-Method-Override": "PATCH"}
    target = made.headers["Location"]
    assert requests.get(target, headers=forged, data=b"12345", cookies=cookies, timeout=20).status_code == 200
    assert requests.head(target, headers=headers, cookies=cookies, timeout=20).headers["Upload-Offset"] == "0"
    assert (
        requests.post(target, headers=forged, data=b"12345", cookies=cookies, timeout=20).status_code == 403
    )
    right = {**forged, "X-CSRFToken": secret}
    assert requests.post(target, headers=right, data=b"12345", cookies=cookies, timeout=20).status_code == 204


def test_django_still_answers_beside_it(server: Server) -> None:
    assert server.get("/api/v1/datasets/")["results"]
    assert (
        requests.get(f"{server.url}/api/v1/uploads", headers=server.headers(), timeout=20).status_code == 405
    )


def send_much(server: Server, url: str, mib: int) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        lines = [f"PATCH {url.removeprefix(server.url)} HTTP/1.1", "Host: localhost"]
        headers = {"Upload-Offset": "0", "Content-Type": BODY, "Content-Length": str(mib * MIB)}
        lines += [f"{name}: {value}" for name, value in server.headers(**headers).items()]
        wire.sendall("\r\n".join([*lines, "", ""]).encode())
        for _ in range(mib):
            wire.sendall(PIECE)
        assert wire.recv(100).startswith(b"HTTP/1.1 204")


def test_memory_stays_flat_however_much_comes(server: Server) -> None:
    url = create(server, 256 * MIB).headers["Location"]
    before, most = server.memory_bytes, 0
    sender = threading.Thread(target=send_much, args=(server, url, 256))
    sender.start()
    while sender.is_alive():
        most = max(most, server.memory_bytes)
        time.sleep(0.01)
    sender.join()
    assert most - before < 64 * MIB
    assert server.get(url)["state"] == "complete"


def test_websockets_are_refused_without_credentials(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        lines = [
            "GET /ws/jobs/x HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Authorization: Token no",
        ]  # fmt: skip
        wire.sendall("\r\n".join([*lines, "", ""]).encode())
        assert b" 403 " in wire.recv(200)


def test_parts_are_the_owners_alone(server: Server) -> None:
    url = create(server, MIB).headers["Location"]
    patch(server, url, b"1", 0)
    part = Path(server.home, "uploads", f"{url.rsplit('/', 1)[1]}.part")
    assert part.stat().st_mode & 0o077 == 0
