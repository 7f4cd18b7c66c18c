"""Celery's messages doubled, late and lost: they only hasten what the database says."""

import time
from collections.abc import Iterator

import pytest
from celery import Celery

from tests.e2e.portal import digits_zip
from tests.faults import phases, sound
from tests.faults.mill import Mill, Patient, until
from tests.faults.sending import checked


@pytest.fixture
def broker(mill: Mill) -> Iterator[Celery]:
    """The portal's own broker, to speak to by hand."""
    with Celery(broker=f"redis+socket://{mill.home}/run/redis.sock") as app:
        yield app


def _attempt(mill: Mill, job: phases.Job) -> tuple[str, str]:
    """The newest attempt's id, and the queue of its node."""
    sql = "SELECT id, node_name FROM queue_attempt WHERE job_id = ? ORDER BY number DESC LIMIT 1"
    (row,) = mill.rows(sql, job["id"])
    return str(row["id"]), f"node.{row['node_name']}"


def _children(mill: Mill) -> int:
    return len(list(mill._with("jobs.runner.warm_main", below=mill.part("node"))))


def test_a_doubled_message_starts_nothing_twice(mill: Mill, eve: Patient, data: str, broker: Celery) -> None:
    scene = phases.training(mill, eve, data)
    before = _children(mill)
    attempt, queue = _attempt(mill, scene.job)
    for _again in range(20):
        broker.send_task("queue.run_attempt", args=[attempt], queue=queue)
    until(lambda: _waiting(broker, queue) == 0, "the node does not read its messages")
    time.sleep(1)
    assert _children(mill) == before
    scene.release()
    sound.succeeded(mill, eve, scene.job, ["done"])


def test_a_late_message_changes_nothing(mill: Mill, eve: Patient, data: str, broker: Celery) -> None:
    job = phases.submit(eve, data, epochs=1)
    sound.succeeded(mill, eve, job, ["done"])
    before = _children(mill)
    attempt, queue = _attempt(mill, job)
    broker.send_task("queue.run_attempt", args=[attempt], queue=queue)
    broker.send_task("queue.run_attempt", args=["01" * 13], queue=queue)  # of a job that was deleted
    until(lambda: _waiting(broker, queue) == 0, "the node does not read its messages")
    time.sleep(1)
    assert _children(mill) == before
    sound.succeeded(mill, eve, job, ["done"])


def test_a_lost_message_costs_a_moment(mill: Mill, eve: Patient, data: str, broker: Celery) -> None:
    """Somebody else takes every message out of the queues before the workers do."""
    with mill.unheard("node", "helper"):
        job = phases.submit(eve, data, epochs=1)
        dataset = eve.post("/datasets", {"name": "Lost", "task": "image-classification"})["id"]
        eve.http.post(f"/datasets/{dataset}/versions", files={"file": ("digits.zip", digits_zip(60))})
        time.sleep(0.5)
        with broker.connection() as link:
            for queue in (_attempt(mill, job)[1], "gristmill"):
                link.default_channel.queue_purge(queue)
    sound.succeeded(mill, eve, job, ["done"])
    assert checked(eve, f"/datasets/{dataset}/versions/1")["state"] == "ready"


def test_a_celery_worker_that_ends_costs_its_node_nothing(
    mill: Mill, eve: Patient, data: str, broker: Celery
) -> None:
    """It can break when Redis goes away, and be ended by a message. The job runs on, and messages are heard again."""
    scene = phases.training(mill, eve, data)
    node, queue = mill.part("node"), _attempt(mill, scene.job)[1]
    broker.control.shutdown(destination=[queue.replace("node.", "node@", 1)])
    time.sleep(3)
    broker.send_task("queue.run_attempt", args=["01" * 13], queue=queue)
    until(lambda: _waiting(broker, queue) == 0, "no worker reads its messages", within=10)
    scene.release()
    sound.succeeded(mill, eve, scene.job, ["done"])
    assert mill.part("node") == node


def test_a_check_that_is_asked_for_twice_is_made_once(mill: Mill, eve: Patient, broker: Celery) -> None:
    scene = phases.checking(mill, eve, "Twice", digits_zip(60))
    sql = "SELECT id FROM datasets_version WHERE dataset_id = ?"
    version = mill.value(sql, scene.job["dataset"])
    for _again in range(5):
        broker.send_task("datasets.validate_version", args=[version], queue="gristmill")
    until(lambda: _waiting(broker, "gristmill") == 0, "the helper does not read its messages")
    scene.release()
    assert checked(eve, scene.job["path"])["state"] == "ready"
    assert mill.value("SELECT tries FROM datasets_version WHERE id = ?", version) == 1
    broker.send_task("datasets.validate_version", args=[version], queue="gristmill")
    until(lambda: _waiting(broker, "gristmill") == 0, "the helper does not read its messages")
    time.sleep(1)
    assert mill.value("SELECT tries FROM datasets_version WHERE id = ?", version) == 1


def _waiting(broker: Celery, queue: str) -> int:
    with broker.connection() as link:
        return int(link.default_channel._size(queue))
