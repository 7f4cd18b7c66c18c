"""What the receipt of a model says, to whom, and that a build cannot say anything else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from hardware.nodes.models import Accelerator, Node
from jobs.bundles import building, keys, receipts, services
from jobs.bundles.models import TrainedModel
from jobs.queue.kinds import Result
from jobs.queue.models import Attempt, Job
from portal.core import storage
from portal.kit.errors import UserError
from portal.ledger.models import LedgerEntry
from portal.members.models import Member
from tests.bundles.conftest import Train
from tests.bundles.folders import REPORT, as_bytes
from tests.bundles.repeated import repeat

pytestmark = pytest.mark.django_db
PARAMS = {"epochs": 5, "seed": 7, "width": 8}
SAID = {**REPORT, "libraries": {"keras": "3.15.1", "python": "3.11.7"}, "code_version": "c0ffee"}


def attempt(job: Job, number: int, node: Node, *, kwh: float | None, measured: bool = False) -> Attempt:
    made = Attempt.objects.create(
        job=job,
        number=number,
        node=node,
        node_name=node.name,
        accelerator_kind="cpu",
        started_at=timezone.now(),
        ended_at=timezone.now(),
    )
    made.accelerators.set(node.accelerators.all())
    LedgerEntry.objects.create(
        member=job.owner,
        attempt=made.pk,
        kind="cpu",
        device_seconds=40.0 * number,
        node=node.name,
        energy_kwh=kwh,
        energy_measured=measured,
    )
    return made


@pytest.fixture
def node(bob: Member) -> Node:
    node = Node.objects.create(
        name="host-17.internal.example", label="The barn", key_sha256="0" * 64, donor=bob
    )
    Accelerator.objects.create(node=node, kind="cpu", model="Intel Xeon", memory_bytes=1)
    return node


@pytest.fixture
def ran(train_job: Job, node: Node) -> Job:
    """A training that a node's loss interrupted once."""
    Job.objects.filter(pk=train_job.pk).update(spec={"params": PARAMS, "targets": []})
    train_job.refresh_from_db()
    attempt(train_job, 1, node, kwh=0.001, measured=True)
    attempt(train_job, 2, node, kwh=0.002, measured=True)
    Attempt.objects.create(job=train_job, number=3, node=node, node_name=node.name, ended_at=timezone.now())
    return train_job


def record(job: Job) -> TrainedModel:
    artefacts = {
        "model.keras": storage.put_bytes(b"keras weights"),
        "report.json": storage.put_bytes(as_bytes(SAID)),
    }
    services.record_trained(job, artefacts, {})
    return TrainedModel.objects.get(job=job)


def test_it_says_what_the_model_was_made_of_and_what_that_took(ran: Job) -> None:
    version = ran.version
    assert version is not None
    receipt = record(ran).receipt
    assert receipt["recipe"] == {"name": "image-classifier", "params": PARAMS, "warm_start": None}
    assert receipt["seed"] == 7
    assert receipt["data"] == {
        "dataset": version.dataset_id,
        "version": 1,
        "sha256": version.upload.sha256,
        "samples": REPORT["samples"],
    }
    assert (receipt["code_version"], receipt["libraries"]) == (SAID["code_version"], SAID["libraries"])
    took = receipt["training"]
    assert [row["node"] for row in took["attempts"]] == ["The barn", "The barn"]
    assert took["attempts"][0]["accelerators"] == ["Intel Xeon"]
    assert took["device_seconds"] == 120.0
    assert took["energy_kwh"] == pytest.approx(0.003)
    assert (took["energy_known"], took["energy_measured"]) == (True, True)


def test_what_is_not_measured_or_not_known_is_said(train_job: Job, node: Node) -> None:
    attempt(train_job, 1, node, kwh=None)
    took = receipts.of(record(train_job))["training"]
    assert (took["energy_kwh"], took["energy_known"], took["energy_measured"]) == (None, False, False)
    attempt(train_job, 2, node, kwh=0.25, measured=True)
    attempt(train_job, 3, node, kwh=0.5)
    took = receipts.of(TrainedModel.objects.get(job=train_job))["training"]
    assert (took["energy_kwh"], took["energy_known"], took["energy_measured"]) == (0.75, False, False)


def test_what_a_steward_corrects_later_changes_no_receipt(ran: Job) -> None:
    model = record(ran)
    entry = LedgerEntry.objects.order_by("id").first()
    assert entry is not None
    LedgerEntry.objects.create(
        member=ran.owner,
        attempt=entry.attempt,
        kind="cpu",
        device_seconds=-40.0,
        corrects=entry,
        reason="lost",
    )
    Node.objects.update(label="Sold")
    assert receipts.of(model)["training"]["device_seconds"] == 120.0
    bundle, _made = services.request_bundle(model=model, target="linux-pc")
    assert bundle.job is not None
    assert building.assign(bundle.job).task["receipt"] == model.receipt


def test_it_names_neither_members_nor_hosts(ran: Job, bob: Member) -> None:
    text = json.dumps(record(ran).receipt)
    for secret in (ran.owner.username, bob.username, "host-17", "internal.example", ran.name):
        assert secret not in text


def test_an_odd_report_does_no_harm(trained: Train) -> None:
    odd = {**REPORT, "libraries": ["x"], "code_version": {"a": 1}, "samples": {"test": "many", "train": 3}}
    receipt = trained(as_bytes(odd)).receipt
    assert receipt["libraries"] == {}
    assert receipt["data"]["samples"] == {"train": 3}
    many = {**REPORT, "libraries": {f"name{n}" * 50: "v" * 500 for n in range(500)}}
    assert len(json.dumps(receipts._texts(many["libraries"]))) < 10_000


def told(model: TrainedModel, folder: Path, *, without: str = "", **changes: Any) -> None:
    """Collect a build whose manifest says what the task told it, with these changes, and `without` one entry."""
    bundle, _made = services.request_bundle(model=model, target="linux-pc")
    assert bundle.job is not None
    repeat(bundle, folder, without=without, **changes)
    building.collect(bundle.job, Result(out=folder.parent, artefacts={}, summary={}))


def test_a_build_that_repeats_it_is_signed(ran: Job, build: Path) -> None:
    told(record(ran), build)


@pytest.mark.parametrize("entry", ["receipt", "signed_by", "created_at", "provenance"])
def test_a_build_that_says_something_else_is_not_signed(ran: Job, build: Path, entry: str) -> None:
    with pytest.raises(UserError, match=f"says something else of '{entry}'"):
        told(record(ran), build, **{entry: {"training": {"energy_kwh": 0.0}}})


@pytest.mark.parametrize("entry", ["receipt", "signed_by", "created_at", "provenance"])
def test_a_build_that_leaves_it_out_is_not_signed(ran: Job, build: Path, entry: str) -> None:
    with pytest.raises(UserError, match=f"says nothing of '{entry}'"):
        told(record(ran), build, without=entry)


def test_the_key_that_signs_is_named() -> None:
    raw = keys.signing_key().public_key().public_bytes_raw()
    assert keys.signed_by() == {"algorithm": "Ed25519", "key_sha256": keys.hashlib.sha256(raw).hexdigest()}


def test_its_owner_reads_it_in_the_api_and_on_the_page(
    ran: Job, alice: Member, client: Client, api_for: Callable[[Member], APIClient]
) -> None:
    model = record(ran)
    bundle, _made = services.request_bundle(model=model, target="linux-pc")
    for path in (f"models/{model.pk}", f"bundles/{bundle.pk}"):
        assert api_for(alice).get(f"/api/v1/{path}").json()["receipt"] == model.receipt
    client.force_login(alice)
    page = client.get(f"/jobs/{ran.pk}").content.decode()
    assert "0.00300 kWh, measured" in page.replace("\n", " ")
    assert model.receipt["data"]["sha256"] in page
    assert "The barn" in page
    assert 'href="/api/v1/signing-key/verify.py"' in page
