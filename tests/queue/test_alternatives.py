"""What would have a job start sooner: another class, fewer at once, less memory; looked for while there is time."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.queue import lifecycle, outlook, waiting
from jobs.queue.models import Job
from jobs.scheduler import lifetable
from portal.ledger import services as ledger
from portal.ledger.models import Quota
from portal.members.models import Member
from tests.queue.looking import look, runs_for

Submit = Callable[..., Job]
GIB = 1024**3
LONG_S = 36_000.0


@pytest.fixture
def quota(alice: Member) -> Quota:
    """So that only GPUs are open to her."""
    return Quota.objects.create(member=alice, concurrent_jobs=20, cpu_hours=0)


@pytest.fixture
def gpus(node: Node, quota: Quota) -> list[Accelerator]:
    return [
        Accelerator.objects.create(
            node=node, kind="gpu", index=index, memory_bytes=12 * GIB, sharing=2, relative_speed=10
        )
        for index in range(3)
    ]


def runs(submit: Submit, on: list[Accelerator], *, seconds: float = LONG_S, **resources: object) -> Job:
    job = submit(resources={"accelerator": on[0].kind, "count": len(on), **resources})
    lifecycle.begin(job, node=on[0].node, accelerators=on)
    runs_for(job, seconds)
    return job


def advice(job: Job) -> dict[str, datetime]:
    return {each.change: each.start for each in waiting.wait_of(Job.objects.get(pk=job.pk)).alternatives}


def test_half_as_many_at_once_are_advised_where_they_are_idle(
    submit: Submit, gpus: list[Accelerator]
) -> None:
    runs(submit, gpus[:1])
    job = submit(resources={"accelerator": "gpu", "count": 3})
    look()
    told = advice(job)
    assert list(told) == ["with 1 at once instead of 3"]
    assert told["with 1 at once instead of 3"] < timezone.now() + timedelta(minutes=1)


def test_the_memory_that_is_left_beside_others_is_advised(submit: Submit, gpus: list[Accelerator]) -> None:
    runs(submit, gpus[:2])
    runs(submit, gpus[2:], memory_mb=8192)
    job = submit(resources={"accelerator": "gpu", "memory_mb": 6144})
    look()
    told = advice(job)
    assert list(told) == ["with a memory limit of 4,096 MB instead of 6,144 MB"]
    assert min(told.values()) < timezone.now() + timedelta(minutes=1)


def test_the_memory_of_smaller_accelerators_is_advised(submit: Submit, gpus: list[Accelerator]) -> None:
    Accelerator.objects.filter(pk=gpus[2].pk).update(memory_bytes=8 * GIB, model="small")
    runs(submit, gpus[:2])
    runs(submit, gpus[2:], seconds=600)
    job = submit(resources={"accelerator": "gpu", "memory_mb": 10 * 1024})
    look()
    assert list(advice(job)) == ["with a memory limit of 8,192 MB instead of 10,240 MB"]


def test_a_class_whose_hours_are_spent_is_advised_as_what_it_is(
    submit: Submit, alice: Member, bob: Member, quota: Quota, gpus: list[Accelerator]
) -> None:
    """There she would have to wait behind another member, with hours left in front of him."""
    Quota.objects.update(cpu_hours=2)
    Accelerator.objects.filter(pk__in=[each.pk for each in gpus[1:]]).update(enabled=False)
    runs(submit, gpus[:1])
    (processor,) = Accelerator.objects.filter(kind="cpu")
    others = [runs(submit, [processor], seconds=600), submit(resources={"accelerator": "cpu"})]
    Job.objects.filter(pk__in=[each.pk for each in others]).update(owner=bob)
    job = submit(resources={"accelerator": "gpu"})
    Job.objects.filter(pk=job.pk).update(boost=100)
    look()
    before = advice(job)
    assert list(before) == ["on CPU"]
    ledger.charge(member=alice, attempt_id="x", kind="cpu", device_seconds=9000, refunded=False)
    look()
    (told,) = advice(job).items()
    assert told[0] == "on CPU while it would be idle, as your hours of it are used up"
    assert told[1] > before["on CPU"] + timedelta(minutes=1)


def test_a_look_rolls_no_longer_than_it_may_and_begins_with_who_is_next(
    submit: Submit, gpus: list[Accelerator]
) -> None:
    runs(submit, gpus[:1], seconds=600)
    jobs = [submit(resources={"accelerator": "gpu", "count": 3}) for _each in range(10)]
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return looks / 100

    outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY, clock=clock)
    assert looks < outlook.ROLLS_S * 100 + 40
    assert waiting.wait_of(jobs[0]).start is not None
    told = [bool(advice(job)) for job in jobs]
    assert 6 <= sum(told) < 10  # as its start is all that is looked for, more than a few have their turn
    assert told == sorted(told, reverse=True)
    assert waiting.wait_of(jobs[-1]).position == 10


def test_everybody_is_advised_while_there_is_time(
    submit: Submit, gpus: list[Accelerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "RANGES", 0.0)  # all of it is for advice
    runs(submit, gpus[:1])
    jobs = [submit(resources={"accelerator": "gpu", "count": 3}) for _each in range(14)]
    outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY, clock=lambda: 0.0)
    assert all(advice(job) for job in jobs)


def test_nothing_is_foretold_where_there_is_no_time(
    submit: Submit, gpus: list[Accelerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "ROLLS_S", 0.0)
    runs(submit, gpus[:1])
    job = submit(resources={"accelerator": "gpu", "count": 3})
    look()
    told = waiting.wait_of(job)
    assert (told.position, told.start, told.alternatives) == (1, None, [])
