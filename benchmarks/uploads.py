"""Large files in and out: how fast, and how much memory the web process takes for them."""

import hashlib
import http.client
import os
import statistics
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.row import Row
from tests.e2e.portal import Portal, Scripter, digits_zip

MIB = 1024**2
SIZE = 1024 * MIB
CLIENTS = 8
ROUNDS = 3
PIECE = os.urandom(MIB)
GOAL_MB_S = 100
GOAL_GROWTH_MB = 64


def measure(portal: Portal) -> list[Row]:
    member = portal.member("bulk")
    dataset = member.post("/datasets", {"name": "Bulk", "task": "image-classification"})["id"]
    tus(member, dataset, 16 * MIB)  # what a first upload loads for good is no growth
    stored = large_model(portal, member)
    return [
        by_tus(portal, member, dataset),
        row(
            f"{CLIENTS} × 128 MiB by tus at once, in pieces of 8 MiB",
            portal,
            lambda: at_once(member, dataset),
        ),
        row("1 GiB as a form, in one request", portal, lambda: one_request(member, dataset)),
        row("1 GiB downloaded", portal, lambda: download(member, stored)),
    ]


def by_tus(portal: Portal, member: Scripter, dataset: str) -> Row:
    """The two take turns: the disk is not equally fast from one minute to the next."""
    rates, plain = [], []
    with growth_of(portal) as growth:
        for _round in range(ROUNDS):
            plain.append(written_and_hashed())
            rates.append(timed(SIZE, lambda: tus(member, dataset, SIZE)))
    ours, theirs = statistics.median(rates), statistics.median(plain)
    return Row(
        "1 GiB by tus over loopback, in one PATCH, median",
        f"{ours:.0f} MB/s, web process + {max(growth):.0f} MB",
        f"the bytes written, hashed and synced by a loop in Python: {theirs:.0f} MB/s",
        f"{ours / theirs:.2f}",
        f"≥ {GOAL_MB_S} MB/s, + ≤ {GOAL_GROWTH_MB} MB",
        ours >= GOAL_MB_S and max(growth) <= GOAL_GROWTH_MB,
    )


def row(what: str, portal: Portal, work: Callable[[], object]) -> Row:
    """What moves 1 GiB: its speed is told, the memory is judged."""
    with growth_of(portal) as growth:
        rate = timed(SIZE, work)
    return Row(
        what,
        f"{rate:.0f} MB/s, web process + {max(growth):.0f} MB",
        goal=f"+ ≤ {GOAL_GROWTH_MB} MB",
        met=max(growth) <= GOAL_GROWTH_MB,
    )


def timed(size: int, work: Callable[[], object]) -> float:
    """MB (a million bytes) a second."""
    began = time.perf_counter()
    work()
    return size / 1e6 / (time.perf_counter() - began)


def written_and_hashed() -> float:
    """The least that taking in a file means, in MB/s."""
    digest = hashlib.sha256()

    def work() -> None:
        for _ in range(SIZE // MIB):
            digest.update(PIECE)
            file.write(PIECE)
        os.fsync(file.fileno())

    with tempfile.NamedTemporaryFile(buffering=0) as file:
        return timed(SIZE, work)


@contextmanager
def growth_of(portal: Portal) -> Iterator[list[float]]:
    """How many MB the web process's resident memory grew by, sampled while the body runs."""
    web = psutil.Process(portal.child("uvicorn").pid)
    before, samples, over = web.memory_info().rss, [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            samples.append((web.memory_info().rss - before) / MIB)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        over.set()
        watcher.join()


def tus(member: Scripter, dataset: str, size: int, piece: int = SIZE) -> None:
    """An upload of `size` random bytes, in PATCHes of `piece` bytes."""
    metadata = f"dataset {b64encode(dataset.encode()).decode()}"
    made = member.http.post(
        "/uploads",
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": metadata},
    )
    assert made.status_code == 201, made.text
    with connected(member) as wire:
        for offset in range(0, size, piece):
            patch(wire, member, urlsplit(made.headers["Location"]).path, offset, min(piece, size - offset))


def patch(wire: http.client.HTTPConnection, member: Scripter, path: str, offset: int, length: int) -> None:
    wire.putrequest("PATCH", path)
    for name, value in {
        "Authorization": f"Token {member.token}",
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(length),
    }.items():
        wire.putheader(name, value)
    wire.endheaders()
    send(wire, length)
    answer = wire.getresponse()
    said = answer.read()
    assert answer.status == 204, said


def send(wire: http.client.HTTPConnection, length: int) -> None:
    for _ in range(length // MIB):
        wire.send(PIECE)


@contextmanager
def connected(member: Scripter) -> Iterator[http.client.HTTPConnection]:
    wire = http.client.HTTPConnection("127.0.0.1", member.portal.port, timeout=300)
    try:
        yield wire
    finally:
        wire.close()


def at_once(member: Scripter, dataset: str) -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        for done in [clients.submit(tus, member, dataset, SIZE // CLIENTS, 8 * MIB) for _ in range(CLIENTS)]:
            done.result()


def one_request(member: Scripter, dataset: str) -> None:
    """What `curl -F file=@…` sends."""
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="bulk.zip"\r\n\r\n'
    tail = b"\r\n--edge--\r\n"
    with connected(member) as wire:
        wire.putrequest("POST", f"/api/v1/datasets/{dataset}/versions")
        wire.putheader("Authorization", f"Token {member.token}")
        wire.putheader("Content-Type", "multipart/form-data; boundary=edge")
        wire.putheader("Content-Length", str(len(head) + SIZE + len(tail)))
        wire.endheaders()
        wire.send(head)
        send(wire, SIZE)
        wire.send(tail)
        answer = wire.getresponse()
        assert answer.status == 202, answer.read()


def large_model(portal: Portal, member: Scripter) -> str:
    """The address of a model's file, in whose place 1 GiB of random bytes is put."""
    dataset = member.dataset("Digits", "image-classification", "digits.zip", digits_zip(200))
    body = {"recipe": "image-classifier", "dataset": dataset, "params": {"epochs": 1, "early_stop": False}}
    model = member.ended(member.post("/jobs", body))["model"]
    file = Path(portal.home) / "large"
    with file.open("wb") as stream:
        for _ in range(SIZE // MIB):
            stream.write(PIECE)
    portal.manage(
        "shell", "-c",
        "from pathlib import Path; from jobs.bundles.models import TrainedModel; from portal.core import storage; "
        f"TrainedModel.objects.filter(pk={model!r}).update(keras=storage.adopt(Path({str(file)!r})))",
    )  # fmt: skip
    return str(member.get(f"/models/{model}")["keras"])


def download(member: Scripter, address: str) -> None:
    with member.http.stream("GET", address) as answer:
        assert sum(map(len, answer.iter_raw(MIB))) == SIZE
