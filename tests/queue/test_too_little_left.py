"""Who waits beside idle accelerators is told what of them it lacks."""

from collections.abc import Callable

import pytest

from hardware.nodes.models import Accelerator, Node
from jobs.queue import lifecycle, waiting
from jobs.queue.models import Job
from portal.ledger.models import Quota
from portal.members.models import Member
from tests.queue.looking import look

Submit = Callable[..., Job]
GIB = 1024**3


@pytest.fixture
def cards(node: Node, alice: Member) -> list[Accelerator]:
    """Three alike, each of which two may share."""
    Quota.objects.create(member=alice, concurrent_jobs=20)
    return [
        Accelerator.objects.create(node=node, kind="gpu", index=index, memory_bytes=12 * GIB, sharing=2)
        for index in range(3)
    ]


def on_gpus(submit: Submit, **resources: int) -> Job:
    return submit(resources={"accelerator": "gpu", **resources})


def runs(submit: Submit, on: list[Accelerator], **resources: int) -> None:
    job = on_gpus(submit, count=len(on), **resources)
    lifecycle.begin(job, node=on[0].node, accelerators=on)


def told(job: Job) -> str:
    return waiting.wait_of(Job.objects.get(pk=job.pk)).sentence


def test_a_gang_is_told_how_many_it_lacks(submit: Submit, cards: list[Accelerator]) -> None:
    runs(submit, cards[:1])
    first, second = on_gpus(submit, count=3), on_gpus(submit, count=3)
    look()
    lack = "It needs 3 at once on one node; the most that is free is 2."
    assert told(first).startswith(f"{lack} It is next. It will probably start")
    assert told(second).startswith(f"{lack} 1 job that waits for the same goes before it.")
    runs(submit, cards[1:])
    look()
    assert told(first).startswith("It is next: everything that it could run on is busy.")


def test_who_asks_for_more_memory_than_is_left_is_told_how_much_is(
    submit: Submit, cards: list[Accelerator]
) -> None:
    runs(submit, cards[:1], memory_mb=8192)
    runs(submit, cards[1:])
    large, small = on_gpus(submit, memory_mb=6144), on_gpus(submit)
    look()
    assert told(large).startswith(
        "It needs 6,144 MB of memory; the most that is free on one accelerator is 4,096 MB. It is next."
    )
    assert "Everything that it could run on is busy" in told(small)  # with others it would share no memory
