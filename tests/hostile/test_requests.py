"""Requests that no honest client sends, to the web process as `manage.py up` starts it: refused, or taken as text.

Each time the portal answers below 500, once, and goes on.
"""

import base64
import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.e2e.portal import Portal, Scripter

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
ROWS = "".join(f"{n % 7},{n % 3},{'xy'[n % 2]}\n" for n in range(40))
TABLE = f"a,b,kind\n{ROWS}".encode()
Answers = list[int]
MIB = 2**20


@pytest.fixture(scope="module")
def dataset(mallory: Scripter) -> str:
    return mallory.dataset("Requests", "table-classification", "good.csv", TABLE)


@pytest.fixture(autouse=True)
def goes_on(mallory: Scripter) -> Iterator[None]:
    yield
    assert mallory.http.get("/me").status_code == 200


# --- headers ----------------------------------------------------------------------------------------------------------

READ = (
    "/api/v1/me",
    "/api/v1/datasets",
    "/api/v1/jobs",
    "/api/v1/schema",
    "/account/login/",
    "/",
    "/nothing",
)
WRITTEN = ("/api/v1/jobs", "/api/v1/datasets", "/api/v1/uploads", "/account/login/")
LONG, DIGITS = "x" * 30_000, "9" * 6_000
HEADERS = {
    "a long number in Range": {"Range": f"bytes={DIGITS}-"},
    "a long number at the end of Range": {"Range": f"bytes=0-{DIGITS}"},
    "many ranges": {"Range": "bytes=" + "0-0," * 3_000},
    "a range of nothing": {"Range": "bytes=-"},
    "a range backwards": {"Range": "bytes=9-1"},
    "many tags": {"If-None-Match": '"x",' * 5_000},
    "tags that never close": {"If-None-Match": '"' * 20_000},
    "a long key": {"Idempotency-Key": LONG},
    "a date that is none": {"If-Modified-Since": LONG, "If-Unmodified-Since": "\xff"},
    "many languages": {"Accept-Language": ",".join(f"x{n};q=0.{n}" for n in range(3_000))},
    "a long language": {"Accept-Language": "a-" * 10_000},
    "a long Accept": {"Accept": "a/b;" * 5_000},
    "another host": {"Host": "evil.example"},
    "a host of tags": {"Host": "<script>"},
    "a forwarded host": {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "Forwarded": "for=x;" * 9},
    "a forwarded address": {"X-Forwarded-For": "'; DROP TABLE--," * 999},
    "a session of text": {"Cookie": f"sessionid={LONG}; csrftoken={LONG}"},
    "a session that is none": {"Cookie": 'sessionid=../../etc/passwd; messages=[["__json_message"'},
    "many cookies": {"Cookie": ";".join(f"a{n}=b" for n in range(3_000))},
    "a token of text": {"Authorization": f"Token {LONG}"},
    "a token of odd bytes": {"Authorization": "Token \xff\xfe"},
    "two words of a token": {"Authorization": "Token a b c"},
    "another scheme": {"Authorization": "Basic Og=="},
    "a method by another name": {"X-HTTP-Method-Override": "DELETE"},
    "a length that is none": {"Content-Type": "a/b; charset=\xff"},
    "an odd htmx": {"HX-Request": "true", "HX-Current-URL": LONG, "HX-Target": "<script>"},
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name: str, portal: Portal, mallory: Scripter) -> None:
    own = {"Authorization": f"Token {mallory.token}"}
    headers = {key: value.encode("latin-1") for key, value in (own | HEADERS[name]).items()}
    for path in READ:
        assert httpx.get(f"{portal.address}{path}", headers=headers).status_code < 500, path
    for path in WRITTEN:
        assert httpx.post(f"{portal.address}{path}", headers=headers, content=b"{}").status_code < 500, path


PATHS = (
    "/api/v1/datasets?cursor=" + "a" * 20_000,
    "/api/v1/datasets?" + "a=b&" * 5_000,
    "/api/v1/datasets?cursor=" + base64.b64encode(b"p=" + b"9" * 5_000).decode(),
    "/api/v1/datasets?cursor=%00%ff",
    "/api/v1/datasets/%2e%2e/%2e%2e/me",
    "/api/v1/datasets/..%2f..%2fetc%2fpasswd",
    "/datasets/%00",
    "/datasets/%f0%28%8c%28",
    "/datasets?page=-1&q=%00&order=__class__",
    "/jobs/new?dataset=%00&recipe[]=x",
    "/static/../portal/settings.py",
    "/static/%2e%2e/%2e%2e/etc/passwd",
    "/join/" + "x" * 5_000,
    "/account/login/?next=//evil.example",
    "//evil.example/%2f..",
    "/;/admin/../",
)


@pytest.mark.parametrize("path", PATHS, ids=[path[:40] for path in PATHS])
def test_addresses(path: str, mallory: Scripter) -> None:
    answer = httpx.get(f"{mallory.portal.address}{path}", headers=mallory.http.headers)
    assert answer.status_code < 500
    assert not answer.headers.get("Location", "").startswith(("//evil", "http://evil", "https://evil"))
    assert "root:" not in answer.text
    assert "SECRET_KEY" not in answer.text


# --- uploads ----------------------------------------------------------------------------------------------------------


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ("filename ***,dataset {id}", 400),
        ("filename e,dataset {id}", 400),
        ("dataset {id},filename " + encoded(b"\xff\xfe"), 400),
        ("dataset " + encoded("x\0"), 400),
        ("dataset " + encoded("\udcff".encode("utf-8", "surrogatepass")), 400),
        ("dataset " + encoded("nothing"), 404),
        ("dataset", 400),
        (",,,,", 400),
        ("dataset {id}," + "k,k" * 20_000, 400),
        ("dataset {id},filename " + "QUFB" * 10_000, 400),
        ("dataset {id},filename " + encoded("../../etc/\r\nSet-Cookie: a=b\0.csv"), 201),
        ("dataset {id},filename " + encoded("<script>pwned=1</script>" * 50), 201),
        ("dataset {id},filename " + encoded("\u202e\ud83d".encode("utf-8", "surrogatepass")), 400),
        ("dataset {id},label_column " + encoded("x" * 900), 400),
        ("dataset {id},dataset " + encoded("nothing"), 404),
    ],
)
def test_metadata_of_uploads(metadata: str, status: int, mallory: Scripter, dataset: str) -> None:
    headers = {
        **mallory.http.headers,
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "10",
        "Upload-Metadata": metadata.replace("{id}", encoded(dataset)),
    }
    answer = httpx.post(f"{mallory.portal.address}/api/v1/uploads", headers=headers)
    assert answer.status_code == status, answer.text
    assert "Set-Cookie" not in answer.headers
    if status == 201:
        standing = httpx.head(answer.headers["Location"], headers=headers)
        assert standing.status_code == 200
        assert httpx.delete(answer.headers["Location"], headers=headers).status_code == 204


@pytest.mark.parametrize("length", ["-1", "1e9", "0x10", "9" * 400, "٣", "", "1 2"])
def test_lengths_of_uploads(length: str, mallory: Scripter, dataset: str) -> None:
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Metadata": f"dataset {encoded(dataset)}",
        **mallory.http.headers,
    }
    raw = {**headers, "Upload-Length": length.encode()}
    assert httpx.post(f"{mallory.portal.address}/api/v1/uploads", headers=raw).status_code == 400


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd", "..\\..\\x.csv", "C:\\x.csv", "x\r\nSet-Cookie: a=b.csv", "\u202egnp.csv", "--out=/x",
        "'; DROP TABLE--.csv", "<script>pwned=1</script>.csv", "x" * 5_000 + ".csv", " ", ".", "CON", "$(id).csv",
    ],
)  # fmt: skip
def test_names_of_uploaded_files(name: str, mallory: Scripter, dataset: str) -> None:
    answer = mallory.http.post(f"/datasets/{dataset}/versions", files={"file": (name, TABLE)})
    assert answer.status_code in {202, 400}, answer.text
    if answer.status_code == 202:
        path = f"/datasets/{dataset}/versions/{answer.json()['number']}"
        assert mallory.wait(path, lambda v: v["state"] != "validating")["state"] == "ready"


BODIES = (
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b'{"name": ' + b"9" * 20_000 + b"}",
    b'{"name": 1e99999}',
    b'{"name": Infinity}',
    b'{"name": "\\ud800"}',
    b"\xff\xfe\x00",
    b'{"name": "a", "name": "b", "task": []}',
    b'{"__proto__": {}}',
    bytes(5_000),
)


@pytest.mark.parametrize("body", BODIES, ids=[str(body[:20]) for body in BODIES])
def test_bodies(body: bytes, mallory: Scripter) -> None:
    for path in ("/datasets", "/jobs", "/bundles"):
        answer = mallory.http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text


# --- raw HTTP ---------------------------------------------------------------------------------------------------------

SMUGGLED = b"GET /api/v1/schema HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
RAW = {
    "length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 42\r\n\r\n" + SMUGGLED,
    "a list of lengths": POST + b"Content-Length: 0, 42\r\n\r\n" + SMUGGLED,
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "a length below nothing": POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "a length without end": POST + b"Content-Length: " + b"9" * 300 + b"\r\n\r\n" + SMUGGLED,
    "chunks by another name": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED,
    "chunks, and then not": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a folded header": POST + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk too large": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + SMUGGLED,
    "a chunk below nothing": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + SMUGGLED,
    "a zero byte in a header": POST + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a bare line end in a header": POST + b"X: a\rContent-Length: 0\r\n\r\n" + SMUGGLED,
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "an old request": b"GET /\r\n\r\n",
    "the next HTTP": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address elsewhere": b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a long address": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 2_000_000,
    "headers without end": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: a\r\n" * 200_000,
    "rubbish": b"\x16\x03\x01" + bytes(range(256)) * 20,
}  # fmt: skip


def answers_to(portal: Portal, sent: bytes) -> Answers:
    """The statuses of what came back, until the portal closed or said no more."""
    said = b""
    with socket.create_connection(("127.0.0.1", portal.port), timeout=3) as raw:
        try:
            raw.sendall(sent)
            while piece := raw.recv(65536):
                said += piece
        except (TimeoutError, ConnectionError):
            pass
    return [int(line.split()[1]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.")]


@pytest.mark.parametrize("name", RAW)
def test_requests_within_requests(name: str, portal: Portal) -> None:
    """The second request, where there is one, is the first one's body or nothing at all."""
    statuses = answers_to(portal, RAW[name])
    assert len(statuses) <= 1
    assert all(status < 500 for status in statuses)
    assert not RAW[name].endswith(SMUGGLED) or 200 not in statuses


# --- websockets -------------------------------------------------------------------------------------------------------


@pytest.fixture
def live(mallory: Scripter, portal: Portal, dataset: str) -> Iterator[ClientConnection]:
    job = mallory.post("/jobs", {"recipe": "table-classifier", "dataset": dataset})
    address = f"ws://127.0.0.1:{portal.port}/ws/jobs/{job['id']}"
    headers = {"Authorization": f"Token {mallory.token}"}
    # Without a limit: nobody reads what the job says, and behind a full queue no answer to a ping would be heard.
    with connect(address, additional_headers=headers, max_size=None, max_queue=None) as connection:
        assert json.loads(connection.recv())["type"] == "status"
        yield connection
    mallory.http.post(f"/jobs/{job['id']}/cancel")


def memory(portal: Portal) -> int:
    return int(portal.child("uvicorn").memory_info().rss)


def test_what_a_browser_says_is_not_read(live: ClientConnection) -> None:
    for said in ("not JSON", b"\0\xff", "[" * 30_000, "{}", ""):
        live.send(said)
    assert live.ping().wait(5)
    live.send("still there")


def send(live: ClientConnection, *, size: int, times: int) -> None:
    for _ in range(times):
        live.send("x" * size)


def test_a_frame_too_large_ends_the_connection(live: ClientConnection, portal: Portal) -> None:
    before = memory(portal)
    with pytest.raises(ConnectionClosed):
        send(live, size=10_000_000, times=50)
    assert memory(portal) - before < 32 * MIB


def flood(live: ClientConnection, portal: Portal, *, size: int, times: int) -> int:
    """Throw as many frames as make a megabyte on the wire, `times`; the most bytes of memory the web process held."""
    with live.protocol_mutex:
        frames = bytearray()
        while len(frames) < MIB:
            live.protocol.send_text(b"x" * size)
            frames += b"".join(live.protocol.data_to_send())
    most = 0
    for _ in range(times):
        live.socket.sendall(frames)
        most = max(most, memory(portal))
    return most


@pytest.mark.parametrize("size", [60_000, 500])
def test_a_flood_is_taken_only_as_fast_as_it_is_thrown_away(
    size: int, live: ClientConnection, portal: Portal
) -> None:
    """The web process never holds more than some buffers of it, whatever the frames would be once unpacked."""
    before = memory(portal)
    assert flood(live, portal, size=size, times=4) - before < 48 * MIB
    assert live.ping().wait(30)


NOWHERE = ("/ws/jobs/%00", "/ws/jobs/" + "x" * 5_000, "/ws/nothing", "/ws/jobs/..%2f", "/api/v1/me")


@pytest.mark.parametrize("path", NOWHERE, ids=[path[:20] for path in NOWHERE])
def test_sockets_that_lead_nowhere(path: str, portal: Portal, mallory: Scripter) -> None:
    headers = {"Authorization": f"Token {mallory.token}"}
    with (
        pytest.raises((ConnectionClosed, InvalidStatus)),
        connect(f"ws://127.0.0.1:{portal.port}{path}", additional_headers=headers) as connection,
    ):
        connection.recv(timeout=5)
