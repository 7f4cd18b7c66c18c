"""Steering what runs, and what happens to a job when its processes are killed: nothing is lost, nothing runs twice."""

import time

import psutil
import pytest

from tests.e2e.portal import Portal, Scripter


@pytest.fixture
def long_job(ada: Scripter, digits: str) -> dict:
    """A job that would run for many minutes, and has begun to learn."""
    params = {"epochs": 1000, "early_stop": False}
    job = ada.post("/jobs", {"recipe": "image-classifier", "dataset": digits, "params": params})
    return ada.wait(f"/jobs/{job['id']}", lambda j: j["metrics"] or j["status"] == "failed")


def test_cancel_ends_it_within_seconds(ada: Scripter, long_job: dict) -> None:
    asked = time.monotonic()
    ada.post(f"/jobs/{long_job['id']}/cancel", status=202)
    job = ada.ended(long_job, timeout_s=20)
    assert (job["status"], job["end_reason"]) == ("cancelled", "cancelled")
    assert time.monotonic() - asked < 15
    ada.post(f"/jobs/{long_job['id']}/cancel", status=409)


def test_stop_keeps_the_best_so_far(ada: Scripter, long_job: dict) -> None:
    ada.post(f"/jobs/{long_job['id']}/stop", status=202)
    job = ada.ended(long_job, timeout_s=60)
    assert job["status"] == "succeeded", ada.trail(f"/jobs/{job['id']}")
    assert ada.get(f"/models/{job['model']}")["metrics"]["test"]["accuracy"] > 0.1


def test_a_killed_training_process_goes_on_from_its_checkpoint(
    ada: Scripter, portal: Portal, long_job: dict
) -> None:
    path = f"/jobs/{long_job['id']}"
    seen = ada.wait(f"{path}/metrics", lambda rows: len(rows) >= 4)
    portal.child("jobs.runner.warm_main", newest=True).kill()
    job = ada.wait(path, lambda j: len(j["attempts"]) == 2 and j["status"] == "running")
    rows = ada.wait(f"{path}/metrics", lambda found: len(found) > len(seen) + 1)
    steps = [row["step"] for row in rows]
    assert steps == sorted(set(steps))
    assert job["attempts"][0]["end_reason"] in {"crashed", "node_lost"}
    ada.post(f"{path}/cancel", status=202)
    ada.ended(long_job, timeout_s=30)


def test_a_killed_node_worker_leaves_no_child_and_the_job_goes_on(
    ada: Scripter, portal: Portal, long_job: dict
) -> None:
    path = f"/jobs/{long_job['id']}"
    ada.wait(f"{path}/metrics", lambda rows: len(rows) >= 2)
    node = portal.child("manage.py", "node")
    children = node.children(recursive=True)
    node.kill()
    _gone, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    job = ada.wait(path, lambda j: len(j["attempts"]) == 2 and j["status"] == "running", timeout_s=120)
    assert job["attempts"][0]["end_reason"] == "node_lost"
    ada.post(f"{path}/cancel", status=202)
    ada.ended(long_job, timeout_s=30)
