"""A job writes the node's cache of a version, and the next one believes it: each member has one of their own."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from hardware.nodes.models import Node
from jobs.datasets.models import Visibility
from jobs.queue import lifecycle, services
from jobs.queue.admission import parse_spec
from jobs.queue.models import Job, LogChunk
from jobs.queue.supervise import Supervisor
from jobs.runner.warm import WarmParent
from portal.core import storage
from portal.members.models import Member
from tests.escapes.conftest import HERE
from tests.queue.conftest import node, version  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmParent]:
    storage.blobs_root().mkdir(exist_ok=True)
    made = WarmParent(
        Path(settings.HOME) / "node",
        target="tricks:task",
        preload=["json", "tricks"],
        code=[HERE],
        shared=[storage.blobs_root()],
    )
    made.start()
    assert made.wait_ready(60)
    yield made
    made.close()


@pytest.fixture
def said(warm: WarmParent, node: Node, version: object) -> Callable[..., str]:  # noqa: F811
    """A member's job on the version does a trick; what it logged."""

    def run(member: Member, **asked: str) -> str:
        dataset = version.dataset  # type: ignore[attr-defined]
        type(dataset).objects.filter(pk=dataset.pk).update(visibility=Visibility.COMMUNITY)
        spec = parse_spec({"recipe": "image-classifier", "dataset": dataset.pk})
        job = services.submit_job(owner=member, spec=spec, idempotency_key="")
        Job.objects.filter(pk=job.pk).update(spec=job.spec | {"params": asked})
        job.refresh_from_db()
        attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
        held = lifecycle.claim(attempt.pk, holder="test")
        assert held is not None
        thread = threading.Thread(
            target=lambda: (Supervisor(held, warm, lambda: False).run(), connection.close())
        )
        thread.start()
        thread.join(timeout=60)
        return "".join(LogChunk.objects.filter(job=job).values_list("text", flat=True))

    return run


def test_it_is_each_members_own(said: Callable[..., str], alice: Member, bob: Member) -> None:
    said(bob, trick="poison", text="bob was here")
    assert json.loads(said(bob, trick="believe").splitlines()[0]) == {"read": "bob was here"}, "it is kept"
    assert json.loads(said(alice, trick="believe").splitlines()[0]) == {"read": ""}
