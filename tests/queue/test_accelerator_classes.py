"""What a kind of job makes no use of is not given to it, whatever is idle, and not advised."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.queue import columns, dispatch, outlook, waiting
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job
from jobs.scheduler import lifetable
from portal.core import leases
from portal.ledger.models import Quota
from portal.members.models import Member

Submit = Callable[..., Job]
Start = Callable[..., Held]


@pytest.fixture
def boards(node: Node) -> list[Accelerator]:
    """Faster than the processor, as far as the rows tell."""
    return [
        Accelerator.objects.create(node=node, kind=kind, relative_speed=50.0, memory_bytes=1024**3)
        for kind in ("fpga", "tpu")
    ]


@pytest.fixture
def go(db: None) -> Callable[[], int]:
    epoch = leases.take(leases.named(dispatch.LEADER), holder="test", ttl_s=60)
    assert epoch is not None
    return lambda: dispatch.dispatch(now=timezone.now().timestamp(), epoch=epoch)


@pytest.mark.usefixtures("boards")
def test_a_training_takes_no_board_however_fast_and_idle_it_is(
    submit: Submit, alice: Member, go: Callable[[], int]
) -> None:
    Quota.objects.create(member=alice, concurrent_jobs=9)
    first, second = submit(), submit()
    assert go() == 1
    assert Attempt.objects.get().accelerator_kind == "cpu"
    assert go() == 0
    assert sorted(Job.objects.values_list("status", flat=True)) == ["queued", "starting"]
    outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY)
    (waits,) = (job for job in (first, second) if Job.objects.get(pk=job.pk).status == "queued")
    assert waiting.wait_of(waits).blocker == "accelerator"


@pytest.mark.usefixtures("boards")
def test_who_asks_for_one_is_told_what_there_is(
    submit: Submit, alice: Member, api_for: Callable[..., Any], version: Any
) -> None:
    body = {
        "recipe": "image-classifier",
        "dataset": version.dataset_id,
        "resources": {"accelerator": "tpu"},
    }
    answer = api_for(alice).post("/api/v1/jobs", body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "unsuitable_accelerator")
    assert problem["errors"][0]["field"] == "resources.accelerator"
    assert "no use of TPU accelerators. Choose one of these: CPU, FPGA, GPU, or “any”" in problem["detail"]
    assert not Job.objects.exists()


def test_the_form_offers_what_a_training_can_use(
    version: Any, node: Node, alice: Member, client_for: Callable[..., Client]
) -> None:
    page = client_for(alice).get("/jobs/new").content.decode()
    assert 'value="gpu"' in page
    assert 'value="fpga"' not in page
    assert 'value="tpu"' not in page


def test_a_build_keeps_to_the_processor(submit: Submit, node: Node, go: Callable[[], int]) -> None:
    Accelerator.objects.filter(node=node).update(enabled=False)
    Accelerator.objects.create(node=node, kind="gpu", relative_speed=10.0)
    job = submit()
    Job.objects.filter(pk=job.pk).update(kind="build")
    assert go() == 0
    Job.objects.filter(pk=job.pk).update(kind="train")
    assert go() == 1


@pytest.mark.usefixtures("boards")
def test_nobody_is_advised_to_wait_for_one(submit: Submit, node: Node, go: Callable[[], int]) -> None:
    Accelerator.objects.filter(kind="cpu").update(enabled=False)
    gpu = Accelerator.objects.create(node=node, kind="gpu", relative_speed=10.0)
    first = submit(resources={"accelerator": "gpu"})
    assert go() == 1
    Job.objects.filter(pk=first.pk).update(position={"step": 0, "steps": 100, "steps_per_s": 0.01})
    second = submit(resources={"accelerator": "gpu"})
    Accelerator.objects.filter(kind="cpu").update(enabled=True)
    outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY)
    assert [each.change for each in waiting.wait_of(second).alternatives] == ["on CPU"]
    assert gpu.attempts.count() == 1


@pytest.mark.usefixtures("boards")
def test_work_is_measured_by_the_fastest_that_it_may_use(submit: Submit, start: Start, node: Node) -> None:
    """Not by a board that is fifty times as fast at what is not its work."""
    held = start(submit())
    processor = Accelerator.objects.get(kind="cpu")
    attempt = Attempt.objects.get(pk=held.attempt_id)
    attempt.accelerators.set([processor])
    since = timezone.now() - timedelta(hours=1)
    Attempt.objects.filter(pk=held.attempt_id).update(created_at=since, started_at=since)
    jobs = columns.take_snapshot(columns.take_machine(), now=timezone.now().timestamp()).jobs
    assert jobs.attained[0] == pytest.approx(3600, abs=5)
