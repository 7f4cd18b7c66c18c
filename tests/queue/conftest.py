"""A node with one CPU, a ready dataset, and jobs on them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hardware.nodes.models import Accelerator, Node
from jobs.datasets.models import Dataset, Version, VersionState
from jobs.queue import lifecycle, services
from jobs.queue.admission import parse_spec
from jobs.queue.agent import Agent
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job
from portal.core import storage
from portal.members.models import Member


@pytest.fixture
def node(db: None) -> Node:
    made = Node.objects.create(name="mill-1", key_sha256="0" * 64)
    Accelerator.objects.create(node=made, kind="cpu", model="test", memory_bytes=8 * 1024**3)
    return made


@pytest.fixture
def own_home(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path


@pytest.fixture
def agent(node: Node) -> Iterator[Agent]:
    """The node's worker; nothing of it runs unless a test has it run."""
    made = Agent()
    made.node = node
    yield made
    made.stopping.set()


@pytest.fixture
def version(alice: Member) -> Version:
    dataset = Dataset.objects.create(owner=alice, name="Leaves", task="image-classification")
    return Version.objects.create(
        dataset=dataset,
        number=1,
        state=VersionState.READY,
        filename="leaves.zip",
        upload=storage.put_bytes(b"leaves"),
        report={"samples": 9},
    )


@pytest.fixture
def submit(version: Version, node: Node) -> Callable[..., Job]:
    """Submit a train job of the dataset's owner."""

    def make(key: str = "", **changes: object) -> Job:
        body = {"recipe": "image-classifier", "dataset": version.dataset_id, **changes}
        return services.submit_job(owner=version.dataset.owner, spec=parse_spec(body), idempotency_key=key)

    return make


@pytest.fixture
def start(node: Node) -> Callable[[Job], Held]:
    """Bring a queued job to running; the lease under which it runs."""

    def make(job: Job, *, running: bool = True) -> Held:
        job.refresh_from_db()
        attempt: Attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
        held = lifecycle.claim(attempt.pk, holder="test")
        assert held is not None
        if running:
            lifecycle.started(held)
        return held

    return make
