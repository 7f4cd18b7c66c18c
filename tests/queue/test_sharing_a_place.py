"""Two small jobs on one accelerator: where the limits of all fit in its memory, and nowhere else."""

from collections.abc import Callable

import pytest
from django.db import transaction

from hardware.nodes.models import Accelerator, Node
from jobs.queue import dispatch, lifecycle, placing
from jobs.queue.models import Attempt, Job
from jobs.queue.placing import Place
from jobs.queue.reasons import EndReason, Status
from portal.core import leases
from portal.ledger.models import Quota
from portal.members.models import Member

Submit = Callable[..., Job]
GIB = 1024**3


@pytest.fixture
def gpu(node: Node, alice: Member) -> Accelerator:
    Quota.objects.create(member=alice, concurrent_jobs=20)
    return Accelerator.objects.create(
        node=node, kind="gpu", memory_bytes=8 * GIB, relative_speed=10, sharing=3
    )


@pytest.fixture
def go(db: None) -> Callable[[], int]:
    epoch = leases.take(leases.named(dispatch.LEADER), holder="test", ttl_s=60)
    assert epoch is not None
    return lambda: dispatch.dispatch(now=0, epoch=epoch)


def asking(submit: Submit, *megabytes: int | None) -> list[Job]:
    return [submit(resources={"accelerator": "gpu", "memory_mb": each}) for each in megabytes]


def where(job: Job) -> list[Accelerator]:
    return list(Accelerator.objects.filter(attempts__job=job, attempts__ended_at=None))


def test_small_ones_share_what_holds_them_all(
    submit: Submit, gpu: Accelerator, go: Callable[[], int]
) -> None:
    first, second, third = asking(submit, 3000, 3000, 3000)
    assert go() == 2
    assert (where(first), where(second), where(third)) == ([gpu], [gpu], [])
    assert go() == 0
    lifecycle.take_away(
        Attempt.objects.get(job=first), EndReason.CANCELLED, only=lifecycle.Q(claimed_at=None)
    )
    assert go() == 1
    assert where(third) == [gpu]


def test_no_more_of_them_than_a_steward_allows(
    submit: Submit, gpu: Accelerator, go: Callable[[], int]
) -> None:
    asking(submit, 500, 500, 500, 500)
    assert go() == 3


@pytest.mark.parametrize("order", [(None, 1000), (1000, None)])
def test_what_asks_for_no_limit_has_it_to_itself(
    order: tuple[int | None, int | None], submit: Submit, gpu: Accelerator, go: Callable[[], int]
) -> None:
    asking(submit, *order)
    assert go() == 1
    assert go() == 0


def test_where_sharing_is_off_nobody_does(submit: Submit, gpu: Accelerator, go: Callable[[], int]) -> None:
    gpu.sharing = 1
    gpu.save()
    asking(submit, 500, 500)
    assert go() == 1


def test_an_idle_one_is_better_than_a_shared_one(
    submit: Submit, gpu: Accelerator, node: Node, go: Callable[[], int]
) -> None:
    other = Accelerator.objects.create(
        node=node, kind="gpu", index=1, memory_bytes=8 * GIB, relative_speed=10, sharing=3
    )
    first, second = asking(submit, 500, 500)
    assert go() == 2
    assert {*where(first), *where(second)} == {gpu, other}


def test_room_that_was_taken_meanwhile_is_not_given_twice(
    submit: Submit, gpu: Accelerator, go: Callable[[], int]
) -> None:
    first, late, large = asking(submit, 3000, 5000, 6000)
    assert go() == 2  # what fits beside the first
    with transaction.atomic():
        assert not placing.start([Place(large.pk, (gpu.pk,), beside=True)])
        assert not placing.start([Place(large.pk, (gpu.pk,), beside=False)])
    assert Job.objects.get(pk=large.pk).status == Status.QUEUED
    assert {first.status, late.status} == {Status.QUEUED}  # as they were read
