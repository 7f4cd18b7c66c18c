"""One of everything that the contract has a row for, and the schema that says what the rows look like."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from jobs.bundles import services
from jobs.bundles.models import Bundle, TrainedModel
from jobs.datasets.models import Dataset, Version
from jobs.queue import lifecycle
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job
from jobs.queue.reasons import EndReason
from jobs.queue.record import Recorder
from jobs.runner.mounts import OutsideError
from portal.core import storage
from portal.members.models import Member
from tests.bundles.explained import explained
from tests.bundles.folders import REPORT, as_bytes
from tests.contract.schema import Schema
from tests.queue.conftest import node, start, submit, version  # noqa: F401 - fixtures

REPORT_OF_DATA = {
    "samples": 9, "classes": {"oak": 5, "<b>ash</b>": 4}, "splits": {"train": 7, "validation": 1, "test": 1},
    "skipped": [{"file": "oak/broken.png", "reason": "It can't be read."}], "skipped_total": 1,
}  # fmt: skip
Submit = Callable[..., Job]
Start = Callable[..., Held]


@dataclass(frozen=True)
class World:
    """Alice's things: a dataset with a ready version, a job that ended well, its model and a bundle of it."""

    dataset: Dataset
    job: Job
    model: TrainedModel
    bundle: Bundle

    def fill(self, path: str) -> str:
        """A path of the schema with the ids of these things in it."""
        owner = path.split("/")[3]
        known = {"datasets": self.dataset, "jobs": self.job, "models": self.model, "bundles": self.bundle}
        for name in ("{id}", "{dataset_id}", "{job_id}"):
            path = path.replace(name, known[owner].pk if owner in known else "nothing")
        return path.replace("{number}", "1")


def nowhere(name: str) -> None:
    raise OutsideError(name)


@pytest.fixture
def world(submit: Submit, start: Start, version: Version) -> World:  # noqa: F811
    version.report = REPORT_OF_DATA
    version.save()
    job = submit(name="Leaves")
    held = start(job)
    recorder = Recorder(held, nowhere)
    recorder.take({"type": "metric", "step": 10, "epoch": 0.5, "values": {"loss": 0.25}})
    recorder.take({"type": "log", "text": "größer"})
    recorder.flush()
    report = as_bytes(REPORT | {"explanations": explained()})
    kept = {"model.keras": storage.put_bytes(b"weights"), "report.json": storage.put_bytes(report)}
    services.record_trained(job, kept, {})
    lifecycle.end(held, EndReason.DONE)
    job.refresh_from_db()
    model = TrainedModel.objects.get(job=job)
    bundle, _made = services.request_bundle(model=model, target="raspberry-pi-4")
    bundle.state, bundle.zip, bundle.signature = "ready", storage.put_bytes(b"the zip's bytes"), "c2ln"
    bundle.metrics = {"accuracy": 0.97, "float_accuracy": 0.975, "model_bytes": 17}
    bundle.save()
    assert job.dataset is not None
    return World(job.dataset, job, model, bundle)


@pytest.fixture
def api(alice: Member, api_for: Callable[[Member], APIClient]) -> APIClient:
    """Alice's script."""
    return api_for(alice)


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The schema as a visitor gets it."""
    answer = Client().get("/api/v1/schema")
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture(scope="session")
def schema(document: dict[str, Any]) -> Schema:
    return Schema(document)
