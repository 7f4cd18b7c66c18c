"""The figures, against a database whose contents are known; and the page that explains them."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families as parse

from hardware.nodes.models import Accelerator, Node, NodeState
from jobs.datasets.models import Dataset, Upload, Version, VersionState
from jobs.queue import lifecycle
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import EndReason
from portal.core import leases, live, storage
from portal.core.telemetry import swept
from portal.members.models import Member
from portal.site import health
from portal.site.metrics import exposition, platform, queue
from tests.e2e.portal import ROOT

Figures = dict[str, float]


@pytest.fixture(autouse=True)
def begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a web process that just started."""
    monkeypatch.setattr(platform, "store", platform._Store())
    monkeypatch.setattr(queue, "recent", queue.Recent())
    monkeypatch.setattr(
        exposition, "close_old_connections", lambda: None
    )  # the test's own transaction is on it


def scrape() -> Figures:
    text = exposition.render("")[0].decode()
    return {
        sample.name.removeprefix("gristmill_")
        + "".join(f" {v}" for _k, v in sorted(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


@pytest.fixture
def node(db: None) -> Node:
    made = Node.objects.create(
        name="mill-1", key_sha256="0" * 64, last_seen_at=timezone.now() - timedelta(seconds=90)
    )
    Accelerator.objects.create(node=made, kind="cpu")
    Accelerator.objects.create(node=made, kind="gpu")
    Accelerator.objects.create(node=made, kind="gpu", index=1, enabled=False)
    return made


@pytest.fixture
def dataset(alice: Member) -> Dataset:
    return Dataset.objects.create(owner=alice, name="Leaves", task="image-classification")


@pytest.fixture
def job(dataset: Dataset) -> Callable[..., Job]:
    def make(*, age_s: float = 0, **fields: Any) -> Job:
        made = Job.objects.create(
            owner=dataset.owner, **{"kind": "train", "name": "x", "dataset": dataset, **fields}
        )
        Job.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(seconds=age_s))
        made.refresh_from_db()
        return made

    return make


def begun(job: Job, node: Node, index: int = 0) -> Attempt:
    return lifecycle.begin(job, node=node, accelerators=[node.accelerators.order_by("kind", "index")[index]])


def test_who_waits_for_what_and_how_long(job: Callable[..., Job], node: Node) -> None:
    job(age_s=100, accelerator="gpu")
    job(age_s=10, accelerator="gpu")
    job(kind="build")
    found = scrape()
    assert found["queue_jobs gpu train"] == 2
    assert found["queue_jobs any build"] == 1
    assert 99 < found["queue_oldest_seconds gpu train"] < 130
    assert (found["jobs queued"], found["jobs failed"]) == (3, 0)


def test_each_start_is_observed_once_with_its_wait(job: Callable[..., Job], node: Node) -> None:
    scrape()
    before = scrape().get("job_wait_seconds_sum train", 0.0)
    held = lifecycle.claim(begun(job(age_s=50), node).pk, holder="x")
    assert held is not None
    lifecycle.started(held)
    counts = [scrape()["job_wait_seconds_count train"] for _again in range(3)]
    assert len(set(counts)) == 1
    assert 49 < scrape()["job_wait_seconds_sum train"] - before < 80
    lifecycle.end(
        held, EndReason.PREEMPTED
    )  # what starts a second time has not waited since it was submitted
    again = lifecycle.claim(begun(Job.objects.get(), node).pk, holder="x")
    assert again is not None
    Job.objects.update(started_at=timezone.now() - timedelta(minutes=5))
    lifecycle.started(again)
    assert scrape()["job_wait_seconds_count train"] == counts[0]


def test_attempts_leases_and_the_leader(job: Callable[..., Job], node: Node) -> None:
    lost, ended = begun(job(), node), begun(job(), node, 1)
    lifecycle.withdraw(Attempt.objects.get(pk=ended.pk), EndReason.DRAINED)
    found = scrape()
    assert (found["attempts_total drained"], found["attempts_total hung"]) == (1, 0)
    assert (found["attempt_leases held"], found["attempt_leases expired"]) == (1, 0)
    Attempt.objects.filter(pk=lost.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    leases.take(leases.named("scheduler"), holder="x", ttl_s=60)
    found = scrape()
    assert (found["attempt_leases held"], found["attempt_leases expired"]) == (0, 1)
    assert (found["scheduler_leads"], found["scheduler_epoch"]) == (1, 1)
    leases.give_back(leases.named("scheduler"), epoch=1)
    assert scrape()["scheduler_leads"] == 0


def test_nodes_and_accelerators(job: Callable[..., Job], node: Node) -> None:
    begun(job(), node)
    assert 89 < scrape()["node_silent_seconds mill-1"] < 120
    Node.objects.update(last_seen_at=timezone.now())
    found = scrape()
    assert (found["nodes active"], found["nodes offline"]) == (1, 0)
    assert (found["accelerators cpu busy"], found["accelerators cpu free"]) == (1, 0)
    assert (found["accelerators gpu free"], found["accelerators gpu off"]) == (1, 1)
    Node.objects.update(state=NodeState.DRAINING)
    found = scrape()
    assert (found["accelerators cpu busy"], found["accelerators gpu off"]) == (1, 2)


def test_what_a_node_has_that_is_silent_or_in_trouble_is_not_free(
    job: Callable[..., Job], node: Node
) -> None:
    """Though no sweep has written down yet that it is offline."""
    begun(job(), node)
    found = scrape()
    assert (found["nodes active"], found["nodes offline"]) == (0, 1)
    assert (found["accelerators cpu busy"], found["accelerators gpu off"]) == (1, 2)
    Node.objects.update(last_seen_at=timezone.now(), trouble="Its disk is full.")
    found = scrape()
    assert (found["nodes active"], found["accelerators gpu free"]) == (1, 0)
    Node.objects.update(trouble="")
    assert scrape()["accelerators gpu free"] == 1


def test_store_uploads_and_checks(dataset: Dataset) -> None:
    blob = storage.put_bytes(b"12345")
    type(blob).objects.filter(pk=blob.pk).update(condemned_at=timezone.now())
    Upload.objects.create(
        owner=dataset.owner, dataset=dataset, filename="x", length=7, expires_at=timezone.now()
    )
    waiting = Version.objects.create(
        dataset=dataset, number=1, filename="x", upload=storage.put_bytes(b"a"), tries=2
    )
    Version.objects.filter(pk=waiting.pk).update(created_at=timezone.now() - timedelta(seconds=60))
    Version.objects.create(
        dataset=dataset, number=2, filename="x", upload=blob, tries=3, state=VersionState.REJECTED
    )
    found = scrape()
    assert (found["storage_blobs"], found["storage_bytes"], found["storage_condemned_bytes"]) == (2, 6, 5)
    assert (found["uploads_open"], found["uploads_open_bytes"]) == (1, 7)
    assert (found["validation_backlog"], found["validation_tries_max"], found["validation_running"]) == (
        1,
        2,
        0,
    )
    assert 59 < found["validation_oldest_seconds"] < 90


def test_the_broker_and_what_waits_in_it(node: Node) -> None:
    live.connection().delete("node.mill-1", swept.KEY)
    live.connection().rpush("node.mill-1", "x", "y")
    swept.told("freed_bytes", lambda: 42)()
    found = scrape()
    assert (found["broker_up"], found["broker_messages node.mill-1"], found["swept_total freed_bytes"]) == (
        1,
        2,
        42,
    )
    live.connection().delete("node.mill-1", swept.KEY)


def test_a_scrape_asks_as_much_of_a_full_database_as_of_an_empty_one(
    job: Callable[..., Job], node: Node
) -> None:
    scrape()
    with CaptureQueriesContext(connection) as few:
        scrape()
    for index in range(10):
        job(kind=f"kind-{index}")
        Node.objects.create(name=f"n{index}", key_sha256="0")
    with CaptureQueriesContext(connection) as many:
        scrape()
    assert len(few) == len(many) <= 20


def test_a_database_that_does_not_answer_is_told_and_the_rest_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django.db import OperationalError

    def away() -> float:
        raise OperationalError("it is gone")

    monkeypatch.setattr(platform, "ping_database", away)
    found = scrape()
    assert (found["database_up"], found["broker_up"]) == (0, 1)
    assert "jobs queued" not in found


def test_readiness_of_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `db`, pytest-django forbids every query: the database is as good as away."""
    from django.db import OperationalError

    def away() -> health.Check:
        raise OperationalError("connection to server at 10.0.0.1, user mill failed")

    monkeypatch.setitem(health.PARTS, "database", away)
    report = health.look()
    assert report.state == health.State.FAILING
    assert "10.0.0.1" not in str(report.as_json())
    assert "scheduler" not in report.checks


@pytest.mark.django_db(transaction=True)
def test_an_unmigrated_database_is_not_ready() -> None:
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.recorder import MigrationRecorder

    newest = MigrationLoader(connection).graph.leaf_nodes("queue")[0]
    MigrationRecorder(connection).record_unapplied(*newest)
    try:
        assert health._Migrations()().state == health.State.FAILING
    finally:
        MigrationRecorder(connection).record_applied(*newest)
    assert health._Migrations()().state == health.State.OK


def test_every_figure_is_explained_and_everything_explained_is_a_figure(
    node: Node, job: Callable[..., Job]
) -> None:
    job()
    swept.told("freed_bytes", lambda: 1)()
    text = Path(ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"gristmill_[a-z_]+[a-z]", text)) - {"gristmill_http"}
    families = {family.name for family in parse(exposition.render("")[0].decode())}
    ours = {name for name in families if name.startswith("gristmill_")}
    counted = {"gristmill_http_requests", "gristmill_attempts", "gristmill_swept"}
    assert {name + ("_total" if name in counted else "") for name in ours} == explained
