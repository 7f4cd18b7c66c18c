"""Dispatch: from the database through the plan and back, once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError

from hardware.nodes.models import Accelerator, Node, NodeState
from jobs.queue import columns, dispatch, lifecycle, services
from jobs.queue.backlog import Backlog
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job, JobEvent
from jobs.queue.reasons import EndReason, Status
from portal.core import leases
from portal.ledger.models import Quota
from portal.members.models import Member

Submit = Callable[..., Job]
Start = Callable[..., Held]


@pytest.fixture
def epoch(db: None) -> int:
    taken = leases.take(leases.named(dispatch.LEADER), holder="test", ttl_s=60)
    assert taken is not None
    return taken


def statuses(*jobs: Job) -> list[str]:
    return [Job.objects.get(pk=job.pk).status for job in jobs]


def test_one_slot_one_job_oldest_first(submit: Submit, epoch: int) -> None:
    first, second = submit(), submit()
    assert dispatch.dispatch(now=0, epoch=epoch) == 1
    assert dispatch.dispatch(now=0, epoch=epoch) == 0
    assert statuses(first, second) == [Status.STARTING, Status.QUEUED]


def test_the_slot_is_free_again_when_the_attempt_ends(submit: Submit, epoch: int) -> None:
    first, second = submit(), submit()
    dispatch.dispatch(now=0, epoch=epoch)
    held = lifecycle.claim(Attempt.objects.get(job=first).pk, holder="n")
    assert held is not None
    lifecycle.started(held)
    lifecycle.end(held, EndReason.DONE)
    dispatch.dispatch(now=0, epoch=epoch)
    assert statuses(first, second) == [Status.SUCCEEDED, Status.STARTING]


def test_a_deposed_leader_applies_nothing(submit: Submit, epoch: int) -> None:
    job = submit()
    assert dispatch.dispatch(now=0, epoch=epoch - 1) == 0
    assert statuses(job) == [Status.QUEUED]


@pytest.mark.parametrize("state", [NodeState.DRAINING, NodeState.MAINTENANCE, NodeState.OFFLINE])
def test_a_node_out_of_service_gets_nothing(state: NodeState, submit: Submit, node: Node, epoch: int) -> None:
    job = submit()
    Node.objects.update(state=state)
    assert dispatch.dispatch(now=0, epoch=epoch) == 0
    assert statuses(job) == [Status.QUEUED]


def test_a_node_whose_engine_is_being_loaded_gets_nothing_yet(submit: Submit, node: Node, epoch: int) -> None:
    job = submit()
    Node.objects.update(load={"warm": 0.0})
    assert dispatch.dispatch(now=0, epoch=epoch) == 0
    Node.objects.update(load={"warm": 1.0})
    assert dispatch.dispatch(now=0, epoch=epoch) == 1
    assert statuses(job) == [Status.STARTING]


def test_a_members_concurrency_is_kept(submit: Submit, node: Node, alice: Member, epoch: int) -> None:
    for index in (1, 2):
        Accelerator.objects.create(node=node, kind="cpu", index=index)
    Quota.objects.create(member=alice, concurrent_jobs=2)
    for _job in range(3):
        submit()
    assert dispatch.dispatch(now=0, epoch=epoch) == 2


def test_a_job_has_one_open_attempt_whatever_happens(submit: Submit, start: Start, node: Node) -> None:
    held = start(submit())
    with pytest.raises(IntegrityError):
        Attempt.objects.create(job_id=held.job_id, number=9, node=node, node_name="x", accelerator_kind="cpu")


def test_what_moved_on_since_the_snapshot_is_left_out_and_holds_up_nobody(
    submit: Submit, node: Node, alice: Member, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four that are started together one is cancelled, and one's accelerator is switched off."""
    for index in (1, 2, 3):
        Accelerator.objects.create(node=node, kind="cpu", index=index)
    jobs, real = [submit() for _job in range(4)], columns.take_snapshot

    def then_things_happen(*given: Any, **more: Any) -> Any:
        snapshot = real(*given, **more)
        services.cancel_job(job=jobs[1], actor=alice)
        Accelerator.objects.filter(index=3).update(enabled=False)
        return snapshot

    known = Backlog()
    monkeypatch.setattr(columns, "take_snapshot", then_things_happen)
    assert dispatch.dispatch(now=0, epoch=epoch, backlog=known) == 2
    monkeypatch.setattr(columns, "take_snapshot", real)
    queued = Job.objects.get(status=Status.QUEUED)
    assert statuses(jobs[1]) == [Status.CANCELLED]
    assert Attempt.objects.filter(epoch=1, number=1, lease_expires_at__isnull=False).count() == 2
    moves = list(JobEvent.objects.filter(new=Status.STARTING).values_list("old", "sentence"))
    assert moves == [(Status.QUEUED, f"Sent to {node.name}.")] * 2
    Accelerator.objects.filter(index=3).update(enabled=True)
    assert dispatch.dispatch(now=0, epoch=epoch, backlog=known) == 1
    assert statuses(queued) == [Status.STARTING]


def test_what_was_switched_off_since_the_snapshot_gets_nothing(
    submit: Submit, node: Node, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, real = submit(), columns.take_snapshot

    def then_switched_off(*given: Any, **more: Any) -> Any:
        snapshot = real(*given, **more)
        Accelerator.objects.update(enabled=False)
        return snapshot

    monkeypatch.setattr(columns, "take_snapshot", then_switched_off)
    assert dispatch.dispatch(now=0, epoch=epoch) == 0
    assert statuses(job) == [Status.QUEUED]
