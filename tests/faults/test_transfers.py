"""Uploads and downloads while parts of the portal die: not a byte is lost that was taken, none is wrong."""

import json
import time

import httpx
import pytest

from tests.faults import phases, sound
from tests.faults.conftest import Eves, Ground, ground_for
from tests.faults.matrix import CELLS
from tests.faults.mill import Mill, Patient, until
from tests.faults.record import Record
from tests.faults.sending import COMPLETE, MIB, Download, Request, Tus, checked, form, padded_digits, sha256
from tests.faults.victims import VICTIMS, back

BREAKS = {"web", "all"}  # with whom a connection ends
TAKEN, UNAVAILABLE, PARTIAL = 202, 503, 206


@pytest.fixture
def ground(request: pytest.FixtureRequest, eves: Eves, victim: str) -> Ground:
    return ground_for(request, eves, victim)


def strike(mill: Mill, eve: Patient, victim: str, record: Record) -> None:
    began = time.time()
    VICTIMS[victim].strike(phases.Scene(mill, eve, {}, mill.warm()))
    back(mill, victim)
    until(mill.answers, "the portal does not answer")
    record("back", victim=victim, seconds=time.time() - began)


def in_words(answer: tuple[int, bytes] | None) -> bool:
    """A problem that says what to do, not a stack of errors."""
    assert answer is not None
    return answer[0] == UNAVAILABLE and "again" in json.loads(answer[1])["detail"].lower()


def emptied(eve: Patient, name: str) -> str:
    found: str = eve.post("/datasets", {"name": name, "task": "image-classification"})["id"]
    return found


@pytest.mark.parametrize("victim", [name for name in CELLS["upload"] if name != "postgres"])
def test_upload_by_tus(ground: Ground, victim: str, record: Record) -> None:
    mill, eve, _data = ground
    upload = Tus(eve, emptied(eve, f"tus and {victim}"), padded_digits(f"tus {victim}"))
    upload.begin()
    patch = upload.patch(0)
    patch.send(upload.content[: 4 * MIB])
    until(lambda: (upload.offset() or 0) >= 2 * MIB, "nothing is written")
    strike(mill, eve, victim, record)
    answer = patch.ended_with(upload.content[4 * MIB :])
    assert (answer is None) == (victim in BREAKS)
    at = upload.known_offset()
    assert 2 * MIB <= at <= 4 * MIB if victim in BREAKS else at == len(upload.content)
    if victim in BREAKS:
        assert upload.patch(at).ended_with(upload.content[at:]) == (COMPLETE, b"")
    version = upload.version()
    assert (version["state"], version["sha256"]) == ("ready", sha256(upload.content))
    sound.tidy(mill, eve)


@pytest.mark.parametrize("victim", ["postgres"])
def test_upload_by_tus_ends_while_there_is_no_database(ground: Ground) -> None:
    mill, eve, _data = ground
    assert mill.cluster is not None
    upload = Tus(eve, emptied(eve, "tus and postgres"), padded_digits("tus postgres"))
    upload.begin()
    patch = upload.patch(0)
    patch.send(upload.content[: 4 * MIB])
    until(lambda: (upload.offset() or 0) >= 2 * MIB, "nothing is written")
    mill.cluster.kill()
    assert in_words(patch.ended_with(upload.content[4 * MIB :]))
    mill.cluster.start()
    assert upload.known_offset() == len(upload.content)  # no byte has to be sent again
    version = upload.version()
    assert (version["state"], version["sha256"]) == ("ready", sha256(upload.content))
    sound.tidy(mill, eve)


@pytest.mark.parametrize("victim", CELLS["upload"])
def test_upload_in_one_request(ground: Ground, victim: str, record: Record) -> None:
    mill, eve, _data = ground
    dataset, content = emptied(eve, f"form and {victim}"), padded_digits(f"form {victim}")
    request, body = form(eve, dataset, content)
    request.send(body[: 4 * MIB])
    until(mill.left_lying, "nothing is written")
    answer = _struck(ground, victim, request, body[4 * MIB :], record)
    if victim == "redis":
        assert answer is not None
        assert answer[0] == TAKEN
    else:
        assert answer is None if victim in BREAKS else in_words(answer)
        assert eve.get(f"/datasets/{dataset}")["versions"] == []  # nothing of half a file
        again, body = form(eve, dataset, content)
        answer = again.ended_with(body)
    assert answer is not None
    version = checked(eve, f"/datasets/{dataset}/versions/{json.loads(answer[1])['number']}")
    assert (version["number"], version["state"]) == (1, "ready")
    assert version["sha256"] == sha256(content)
    sound.tidy(mill, eve)


def _struck(
    ground: Ground, victim: str, request: Request, rest: bytes, record: Record
) -> tuple[int, bytes] | None:
    """Kill, and send the rest: to PostgreSQL's portal while the database is away."""
    mill, eve, _data = ground
    if victim != "postgres":
        strike(mill, eve, victim, record)
        return request.ended_with(rest)
    assert mill.cluster is not None
    mill.cluster.kill()
    answer = request.ended_with(rest)
    mill.cluster.start()
    return answer


@pytest.fixture(scope="module")
def wide_models() -> dict[str, str]:
    """The large model of each portal, by its address."""
    return {}


@pytest.fixture
def large(ground: Ground, wide_models: dict[str, str]) -> Download:
    """A file that no buffer between us and the server holds."""
    mill, eve, data = ground
    if mill.address not in wide_models:
        params = {"epochs": 1, "early_stop": False, "width": 160, "batch_size": 256}
        job = eve.post("/jobs", {"recipe": "image-classifier", "dataset": data, "params": params})
        model = eve.ended(job)["model"]
        wide_models[mill.address] = httpx.URL(eve.get(f"/models/{model}")["keras"]).path
    return Download(eve, wide_models[mill.address])


@pytest.mark.parametrize("victim", CELLS["download"])
def test_download(ground: Ground, victim: str, large: Download, record: Record) -> None:
    mill, eve, _data = ground
    large.begin()
    large.read(MIB)
    strike(mill, eve, victim, record)
    assert large.read() == (victim not in BREAKS)
    if victim in BREAKS:
        assert MIB <= len(large.content) < large.size
        assert large.begin() == PARTIAL
        assert large.read()
    assert large.is_right
