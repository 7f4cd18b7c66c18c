"""A node's memory is enough for those on its processor and on its GPUs; who keeps to its limit fails of no other."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.queue import dispatch, hostmemory, lifecycle, outlook, placing, shares, waiting
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job
from jobs.queue.placing import Place
from jobs.queue.reasons import EndReason, Status
from jobs.queue.record import Recorder
from jobs.queue.shares import Share
from jobs.queue.supervise import Supervisor
from jobs.runner.gpus import NO_GPUS
from jobs.runner.limits import GIB, MIB, Exit, Limits
from jobs.runner.warm import WarmParent
from jobs.scheduler import lifetable
from portal.core import leases
from portal.kit.errors import UserError
from portal.ledger.models import LedgerEntry, Quota
from portal.members.models import Member

Submit = Callable[..., Job]
Start = Callable[..., Held]


@pytest.mark.parametrize(
    ("processor", "others", "left"),
    [
        (64, ["gpu", "gpu"], 48),
        (64, [], 64),
        (64, ["tpu"], 64),  # no job makes use of it
        (64, ["fpga", "tpu"], 56),
        (8, ["gpu"], 4),
        (9, ["gpu", "gpu"], 3),
        (0, ["gpu"], 0),
    ],
)
def test_what_is_left_of_it_beside_the_devices(processor: int, others: list[str], left: int) -> None:
    """Where a job that asks for nothing may take 8 GiB."""
    places = [("a", "cpu", processor * GIB), *(("a", kind, 12 * GIB) for kind in others)]
    places += [("b", "cpu", 5 * GIB), ("c", "gpu", GIB)]
    devices = [12 * GIB] * len(others)
    assert hostmemory.packable(places) == [left * GIB, *devices, 5 * GIB, GIB]


@pytest.fixture
def big(node: Node, alice: Member) -> list[Accelerator]:
    """A processor that two may share in 32 GiB, and a GPU."""
    Quota.objects.create(member=alice, concurrent_jobs=20)
    node.accelerators.update(memory_bytes=32 * GIB, sharing=2)
    Accelerator.objects.create(node=node, kind="gpu", memory_bytes=12 * GIB, relative_speed=10)
    return list(node.accelerators.order_by("kind"))


@pytest.fixture
def go(db: None) -> Callable[[], int]:
    epoch = leases.take(leases.named(dispatch.LEADER), holder="test", ttl_s=60)
    assert epoch is not None
    return lambda: dispatch.dispatch(now=0, epoch=epoch)


def asking(submit: Submit, gigabytes: int) -> Job:
    return submit(resources={"accelerator": "cpu", "memory_mb": gigabytes * 1024})


@pytest.mark.usefixtures("big")
def test_a_job_on_the_processor_leaves_what_the_gpus_may_take(submit: Submit, go: Callable[[], int]) -> None:
    with pytest.raises(UserError, match=r"The most is 24576 MB"):
        asking(submit, 30)
    greedy = asking(submit, 24)
    Job.objects.update(spec=greedy.spec | {"resources": {"accelerator": "cpu", "memory_mb": 30 * 1024}})
    assert go() == 0
    outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY)
    assert waiting.wait_of(greedy).blocker == "nowhere"
    fits, beside = asking(submit, 24), submit(resources={"accelerator": "gpu"})
    assert go() == 2
    limits = [
        shares.share_of(job, Attempt.objects.get(job=job).pk).limits.memory_bytes for job in (fits, beside)
    ]
    assert sum(each or 0 for each in limits) == 32 * GIB


def test_so_do_those_who_share_it(submit: Submit, big: list[Accelerator], go: Callable[[], int]) -> None:
    first, second = asking(submit, 14), asking(submit, 14)
    assert go() == 1
    waits = next(job for job in (first, second) if Job.objects.get(pk=job.pk).status == Status.QUEUED)
    with transaction.atomic():
        assert placing.start([Place(waits.pk, (big[0].pk,), beside=True)]) == set()
    third = asking(submit, 8)
    with transaction.atomic():
        assert placing.start([Place(third.pk, (big[0].pk,), beside=True)]) == {third.pk}


def test_who_asked_for_nothing_is_held_to_less_than_a_small_node_has(submit: Submit, node: Node) -> None:
    """Alone on it and over that, it is told of its limit, and not that others crowded it out."""
    node.probe = {"memory_bytes": 4 * GIB}
    node.save()
    job = submit()
    attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
    assert shares.share_of(job, attempt.pk).limits.memory_bytes == 4 * GIB * 7 // 8
    Node.objects.update(probe={"memory_bytes": 64 * GIB})
    assert shares.share_of(job, attempt.pk).limits.memory_bytes == settings.JOB_MEMORY_MB * MIB


def test_who_was_crowded_out_again_and_again_is_tried_again_and_pays_nothing(
    submit: Submit, start: Start
) -> None:
    job = submit()
    for _crowded in range(10):
        lifecycle.end(start(job), EndReason.CROWDED_OUT, message="The node was full.")
        job.refresh_from_db()
        assert job.status == Status.QUEUED
    assert set(LedgerEntry.objects.values_list("refunded", flat=True)) == {True}
    lifecycle.end(start(job), EndReason.DONE)
    job.refresh_from_db()
    assert job.status == Status.SUCCEEDED


def test_how_its_process_ended_tells_that_it_was_crowded_out(
    submit: Submit, start: Start, tmp_path: Path
) -> None:
    held = start(submit())
    supervisor = Supervisor(held, WarmParent(tmp_path, report=None), lambda: False)
    supervisor.share = Share(1, Limits(memory_bytes=8 * GIB), NO_GPUS)
    ended = Exit(code=None, signal=9, crowded_out=True, peak_memory_bytes=3 * GIB)
    reason, message = supervisor._why(Recorder(held, Path), ended)
    assert reason == EndReason.CROWDED_OUT
    assert "had 3,072 of 8,192 MB" in message
    assert "goes on from its last checkpoint" in message
