"""What dies in the night, in a portal of its own: each time the job goes on, and ends once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.portal import Portal, Scripter, digits_zip

Job = dict[str, Any]


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal that is treated badly."""
    made = Portal(tmp_path_factory.mktemp("mill"))
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="module")
def eve(mill: Portal) -> Scripter:
    return mill.member("eve")


@pytest.fixture(scope="module")
def data(eve: Scripter) -> str:
    return eve.dataset("Digits", "image-classification", "digits.zip", digits_zip())


@pytest.fixture
def job(eve: Scripter, data: str) -> Iterator[Job]:
    """A job that would run for many minutes, and has learnt for some epochs; cancelled at last."""
    made = submit(eve, data, epochs=1000)
    eve.wait(f"/jobs/{made['id']}/metrics", lambda rows: len(rows) >= 3)
    yield made
    eve.post(f"/jobs/{made['id']}/cancel", status=202)
    assert eve.ended(made, timeout_s=30)["status"] == "cancelled"


def submit(eve: Scripter, data: str, *, epochs: int) -> Job:
    params = {"epochs": epochs, "early_stop": False}
    made: Job = eve.post("/jobs", {"recipe": "image-classifier", "dataset": data, "params": params})
    return made


def went_on(eve: Scripter, job: Job, *, reasons: list[str], within: float = 60) -> None:
    """It runs again after its attempts ended so, and repeated nothing but the steps since its last checkpoint."""
    path = f"/jobs/{job['id']}"
    wanted = len(reasons) + 1
    now = eve.wait(
        path, lambda j: len(j["attempts"]) == wanted and j["status"] == "running", timeout_s=within
    )
    assert [attempt["end_reason"] for attempt in now["attempts"]] == [*reasons, None]
    seen = len(eve.get(f"{path}/metrics"))
    rows = eve.wait(f"{path}/metrics", lambda found: len(found) > seen, timeout_s=within)
    steps = [row["step"] for row in rows]
    assert steps == sorted(set(steps))


@contextmanager
def kept_down(mill: Portal, word: str) -> Iterator[None]:
    """Whatever of the portal has that word in its command line is killed whenever it comes up."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.05):
            for process in mill.processes():
                try:
                    if word in " ".join(process.cmdline()):
                        process.kill()
                except psutil.Error:
                    continue

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


def test_without_redis_all_goes_on_a_little_slower(mill: Portal, eve: Scripter, data: str, job: Job) -> None:
    with kept_down(mill, "redis-server"):
        time.sleep(1)
        seen = len(eve.get(f"/jobs/{job['id']}/metrics"))
        eve.wait(f"/jobs/{job['id']}/metrics", lambda rows: len(rows) > seen + 2, timeout_s=20)
        assert httpx.get(f"{mill.address}/account/login/").status_code == 200
        eve.post(f"/jobs/{job['id']}/cancel", status=202)
        assert eve.ended(job, timeout_s=20)["status"] == "cancelled"
        after = submit(eve, data, epochs=1)
        assert eve.ended(after, timeout_s=60)["status"] == "succeeded"
    job["id"] = submit(eve, data, epochs=1000)["id"]


def test_a_worker_that_is_asked_to_end_saves_and_gives_back(mill: Portal, eve: Scripter, job: Job) -> None:
    mill.child("manage.py", "node").terminate()
    went_on(eve, job, reasons=["drained"])


def test_a_killed_worker_is_missed_at_once_and_leaves_no_folder(
    mill: Portal, eve: Scripter, job: Job
) -> None:
    killed = time.monotonic()
    mill.child("manage.py", "node").kill()
    eve.wait(f"/jobs/{job['id']}", lambda j: j["attempts"][0]["end_reason"] == "node_lost", timeout_s=25)
    assert time.monotonic() - killed < 25  # its lease would have lasted for thirty
    went_on(eve, job, reasons=["node_lost"])
    folders = list((mill.home / "node" / "attempts").iterdir())
    assert len(folders) == 1


def test_a_killed_scheduler_comes_back_and_leads(mill: Portal, eve: Scripter, data: str) -> None:
    mill.child("manage.py", "scheduler").kill()
    assert eve.ended(submit(eve, data, epochs=1), timeout_s=60)["status"] == "succeeded"


def test_the_portal_ends_and_starts_with_a_job_running(mill: Portal, eve: Scripter, job: Job) -> None:
    assert mill.stop() == 0
    mill.start()
    went_on(eve, job, reasons=["drained"])


def test_a_power_cut(mill: Portal, eve: Scripter, job: Job) -> None:
    tree = mill.processes()
    for process in tree:
        process.kill()
    psutil.wait_procs(tree, timeout=10)
    assert mill.process is not None
    mill.process.wait()
    mill.start()
    went_on(eve, job, reasons=["node_lost"])
    assert list((Path(mill.home) / "blobs" / "incoming").iterdir()) == []
