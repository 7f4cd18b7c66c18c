"""A full disk: what can't be taken is refused in words, what was taken is kept, and when there is room all goes on."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.faults import phases, sound
from tests.faults.conftest import Eves, mended
from tests.faults.disks import MIB, Disk, can_mount, disk
from tests.faults.mill import Mill, Patient
from tests.faults.sending import COMPLETE, Tus, checked, form, padded_digits, sha256
from tests.faults.test_transfers import emptied

FULL = 507
pytestmark = pytest.mark.skipif(not can_mount(), reason="a small disk has to be mounted, which root may")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with disk(tmp_path_factory.mktemp("small"), mib=128) as made:
        yield made


@pytest.fixture(scope="module")
def mill(small: Disk) -> Iterator[Mill]:
    """A portal whose whole home is on that disk: the database, the uploads, the store and the node's folders."""
    made = Mill(small.place, extra={"GRISTMILL_NODE_DISK_RESERVE_MB": "8"})
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def eve(mill: Mill, eves: Eves) -> Iterator[Patient]:
    yield eves.of(mill)[0]
    mended(mill, eves.of(mill)[0])


def lives(mill: Mill, eve: Patient) -> bool:
    """Pages and the API answer."""
    return mill.answers() and eve.http.get("/me").status_code == httpx.codes.OK


def test_an_upload_by_tus_is_refused_in_words_and_goes_on(mill: Mill, eve: Patient, small: Disk) -> None:
    upload = Tus(eve, emptied(eve, "tus on a full disk"), padded_digits("full tus"))
    upload.begin()
    with small.full(but_for=3 * MIB):
        answer = upload.patch(0).ended_with(upload.content)
        assert answer is not None
        assert (answer[0], json.loads(answer[1])["code"]) == (FULL, "disk_full")
        assert lives(mill, eve)
    at = upload.known_offset()
    assert MIB <= at <= 3 * MIB
    assert upload.patch(at).ended_with(upload.content[at:]) == (COMPLETE, b"")
    version = upload.version()
    assert (version["state"], version["sha256"]) == ("ready", sha256(upload.content))
    sound.tidy(mill, eve)


def test_an_upload_in_one_request_is_refused_in_words(mill: Mill, eve: Patient, small: Disk) -> None:
    dataset, content = emptied(eve, "form on a full disk"), padded_digits("full form")
    with small.full(but_for=3 * MIB):
        request, body = form(eve, dataset, content)
        answer = request.ended_with(body)
        assert answer is not None
        assert (answer[0], json.loads(answer[1])["code"]) == (FULL, "disk_full")
        assert lives(mill, eve)
        assert mill.left_lying() == []
    request, body = form(eve, dataset, content)
    assert request.ended_with(body) is not None
    assert checked(eve, f"/datasets/{dataset}/versions/1")["state"] == "ready"
    sound.tidy(mill, eve)


def test_a_job_on_a_disk_that_is_full_for_a_while(mill: Mill, eve: Patient, data: str, small: Disk) -> None:
    """Not even the database can be written: the job waits for it, or is tried again, and ends well."""
    scene = phases.training(mill, eve, data)
    with small.full():
        scene.release()
        for _second in range(6):
            time.sleep(1)
            assert lives(mill, eve)
    done = eve.ended(scene.job)
    reasons = [attempt["end_reason"] for attempt in done["attempts"]]
    ran = [reason for reason in reasons if reason != "drained"]  # given back, as the disk was full still
    assert ran in (["done"], ["disk_full", "done"])
    sound.succeeded(mill, eve, scene.job, reasons)
    sound.succeeded(mill, eve, phases.submit(eve, data, epochs=1), ["done"])
