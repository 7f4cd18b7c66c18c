"""Bodies of one request, against the real server: refused before they are read, and never in the pages' way."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from portal.site.door import TAKES_FILES
from tests.datasets.server import Server

HUGE = 50 * 1024**3
MIB = 1024**2


@contextmanager
def opened(server: Server, method: str, path: str, *headers: str) -> Iterator[socket.socket]:
    """A connection on which the head of a request was sent, and nothing of its body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
        head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *headers, "", ""]
        wire.sendall("\r\n".join(head).encode())
        yield wire


def answered(wire: socket.socket) -> tuple[int, str]:
    """The status and all that was said until the connection was closed."""
    said = b""
    while piece := wire.recv(65536):
        said += piece
    return int(said.split()[1]), said.decode()


def as_alice(server: Server) -> list[str]:
    return [
        f"Authorization: Token {server.cast['alice']['token']}",
        "Content-Type: multipart/form-data; boundary=B",
    ]


def versions(server: Server, who: str = "alice") -> str:
    return f"/api/v1/datasets/{server.cast[who]['dataset']}/versions"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/jobs", "/api/v1/datasets/x/versions", "/api/v1/models", "/models/new", "/account/login/"],
)
@pytest.mark.parametrize("length", [f"Content-Length: {HUGE}", "Content-Length: 300000"])
def test_who_is_not_signed_in_is_refused_before_the_body(server: Server, path: str, length: str) -> None:
    began = time.monotonic()
    with opened(server, "POST", path, length, "Content-Type: multipart/form-data; boundary=B") as wire:
        status, said = answered(wire)
    assert status == 401
    assert "connection: close" in said.lower()
    assert time.monotonic() - began < 5


def test_a_bad_token_is_refused_before_the_body(server: Server) -> None:
    with opened(
        server, "POST", versions(server), f"Content-Length: {HUGE}", "Authorization: Token gm_none"
    ) as wire:
        assert answered(wire)[0] == 401


def test_more_than_the_quota_is_refused_before_the_body(server: Server) -> None:
    with opened(server, "POST", versions(server), f"Content-Length: {HUGE * 100}", *as_alice(server)) as wire:
        status, said = answered(wire)
    assert status == 403
    assert "quota_storage" in said


def test_what_is_no_file_may_not_be_large(server: Server) -> None:
    with opened(server, "POST", "/api/v1/jobs", f"Content-Length: {20 * MIB}", *as_alice(server)) as wire:
        status, said = answered(wire)
    assert status == 413
    assert "too_large" in said


def test_a_model_may_be_as_large_as_its_member_has_room_for(server: Server) -> None:
    files, labels = {"file": ("my.keras", bytes(6 * MIB))}, {"labels": '["oak", "ash"]'}
    url = f"{server.url}/api/v1/models"
    answer = requests.post(url, files=files, data=labels, headers=token(server), timeout=20)
    assert (answer.status_code, answer.json()["state"]) == (202, "checking")
    assert TAKES_FILES.fullmatch("/models/new")
    with opened(server, "POST", "/api/v1/models", f"Content-Length: {HUGE * 100}", *as_alice(server)) as wire:
        assert "quota_storage" in answered(wire)[1]


def test_a_visitors_chunks_are_refused_once_they_are_too_many(server: Server) -> None:
    with opened(server, "POST", "/account/login/", "Transfer-Encoding: chunked") as wire:
        for _chunk in range(4):
            wire.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        wire.sendall(b"1\r\nx\r\n")
        assert answered(wire)[0] == 401


def bodies_on_disk(server: Server) -> list[Path]:
    return [file for file in (server.home / "uploads").rglob("*") if file.is_file()]


def test_forty_slow_senders_stop_nobody(server: Server) -> None:
    """More than Django has threads; each sends a byte now and then, as who has not signed in and as who has."""
    wires = []
    try:
        for number in range(40):
            wire = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            wires.append(wire)
            large = number % 2
            head = [
                f"POST {versions(server) if large else '/account/login/'} HTTP/1.1",
                f"Host: 127.0.0.1:{server.port}",
                f"Content-Length: {5 * MIB if large else 5000}",
                *(as_alice(server) if large else []),
            ]
            wire.sendall("\r\n".join([*head, "", ""]).encode() + b"x")
        time.sleep(1)
        for _round in range(3):
            for wire in wires:
                wire.sendall(b"y")
            began = time.monotonic()
            answer = requests.get(f"{server.url}/account/login/", timeout=10)
            assert answer.status_code == 200
            assert (
                requests.get(f"{server.url}/api/v1/me", headers=token(server), timeout=10).status_code == 200
            )
            assert time.monotonic() - began < 5
    finally:
        for wire in wires:
            wire.close()


def test_one_members_slow_bodies_do_not_take_all_the_places(server: Server) -> None:
    head = [*as_alice(server), f"Content-Length: {5 * MIB}"]
    wires = []
    try:
        for _number in range(20):
            wire = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            wires.append(wire)
            first = [f"POST {versions(server)} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *head, "", ""]
            wire.sendall("\r\n".join(first).encode() + b"--B\r\n")
        time.sleep(1)
        files = {"file": ("x.zip", bytes(2 * MIB))}
        answer = requests.post(
            f"{server.url}{versions(server, 'bob')}", files=files, headers=token(server, "bob"), timeout=20
        )
        assert answer.status_code == 202, answer.text
    finally:
        for wire in wires:
            wire.close()


def token(server: Server, who: str = "alice") -> dict[str, str]:
    return {"Authorization": f"Token {server.cast[who]['token']}"}


def test_a_body_that_breaks_off_makes_no_version(server: Server) -> None:
    head = [*as_alice(server), f"Content-Length: {3 * MIB}"]
    with opened(server, "POST", versions(server), *head) as wire:
        start = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.zip"\r\n\r\n'
        wire.sendall(start + bytes(2 * MIB))
        time.sleep(0.5)
    time.sleep(1)
    path = f"{server.url}/api/v1/datasets/{server.cast['alice']['dataset']}"
    assert requests.get(path, headers=token(server), timeout=10).json()["versions"] == []
    assert bodies_on_disk(server) == []


@pytest.mark.parametrize(("pieces", "status"), [(1, 202), (8, 411)])
def test_chunks_are_taken_as_long_as_they_are_few(server: Server, pieces: int, status: int) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.zip"\r\n\r\n'
        for _piece in range(pieces):
            yield bytes(100_000)
        yield b"\r\n--B--\r\n"

    heads = {**token(server, "bob"), "Content-Type": "multipart/form-data; boundary=B"}
    url = f"{server.url}{versions(server, 'bob')}"
    try:
        answer = requests.post(url, data=chunks(), headers=heads, timeout=30)
    except requests.ConnectionError:  # closed while we still sent, and the answer was lost on the way
        assert status == 411
    else:
        assert answer.status_code == status, answer.text


def test_small_bodies_arrive_whole(server: Server) -> None:
    text = "x" * 3000
    body = {"name": "Small", "task": "image-classification", "description": text}
    answer = requests.post(f"{server.url}/api/v1/datasets", json=body, headers=token(server), timeout=20)
    assert answer.status_code == 201
    medium = {"recipe": "x", "dataset": "y", "name": "z" * 400_000}
    answer = requests.post(f"{server.url}/api/v1/jobs", json=medium, headers=token(server), timeout=20)
    assert answer.status_code in {400, 404}, answer.text
