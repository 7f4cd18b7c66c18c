"""A node that dies costs nobody their job, and a job that takes its nodes down is given up."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.queue import columns, lifecycle, sweeps
from jobs.queue.agent import CLAIMED
from jobs.queue.blame import MOST_LOSSES, MOST_WHILE_RUNNING
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import EndReason, Status

Submit = Callable[..., Job]


@pytest.fixture
def node(node: Node) -> Node:
    """With room for three."""
    for index in (1, 2):
        Accelerator.objects.create(node=node, kind="cpu", index=index)
    return node


def placed(job: Job, node: Node, index: int, *, running: bool = True) -> Attempt:
    job.refresh_from_db()
    accelerator = node.accelerators.get(index=index)
    attempt = lifecycle.begin(job, node=node, accelerators=[accelerator])
    held = lifecycle.claim(attempt.pk, holder="test")
    assert held is not None
    if running:
        lifecycle.started(held)
    attempt.refresh_from_db()
    return attempt


def lost_together(*attempts: Attempt) -> None:
    for attempt in attempts:
        assert lifecycle.take_away(attempt, EndReason.NODE_LOST, only=CLAIMED)


def ends(*jobs: Job) -> set[tuple[str, str]]:
    return {(job.status, job.end_reason) for job in Job.objects.filter(pk__in=[job.pk for job in jobs])}


def test_jobs_that_a_node_takes_with_it_are_not_to_blame(submit: Submit, node: Node) -> None:
    jobs = [submit(), submit(), submit()]
    for _death in range(3):
        lost_together(*(placed(job, node, index) for index, job in enumerate(jobs)))
        assert ends(*jobs) == {(Status.QUEUED, "")}


def test_a_job_that_dies_with_its_node_alone_is_given_up_though_it_had_company_before(
    submit: Submit, node: Node
) -> None:
    job, other = submit(), submit()
    lost_together(placed(job, node, 0), placed(other, node, 1))
    lifecycle.end(_held(placed(other, node, 1)), EndReason.DONE)
    lost_together(placed(job, node, 0))
    assert ends(job) == {(Status.QUEUED, "")}
    lost_together(placed(job, node, 0))
    assert ends(job) == {(Status.FAILED, EndReason.LOST_TOO_OFTEN)}


def test_company_on_another_node_is_none(submit: Submit, node: Node) -> None:
    far = Node.objects.create(name="mill-2", key_sha256="1" * 64)
    Accelerator.objects.create(node=far, kind="cpu")
    job, other = submit(), submit()
    placed(other, far, 0)
    for _death in range(2):
        lost_together(placed(job, node, 0))
    assert ends(job) == {(Status.FAILED, EndReason.LOST_TOO_OFTEN)}


def test_who_waited_for_the_engine_did_not_take_the_node_down(submit: Submit, node: Node) -> None:
    job = submit()
    for _death in range(3):
        lost_together(placed(job, node, 0, running=False))
        assert ends(job) == {(Status.QUEUED, "")}


@pytest.mark.parametrize(("running", "most"), [(False, MOST_LOSSES), (True, MOST_WHILE_RUNNING)])
def test_nothing_is_tried_for_ever(submit: Submit, node: Node, running: bool, most: int) -> None:
    job = submit()
    others = [submit() for _death in range(most + 1)]
    for other in others:
        assert ends(job) == {(Status.QUEUED, "")}
        lost_together(placed(job, node, 0, running=running), placed(other, node, 1))
    assert ends(job) == {(Status.FAILED, EndReason.LOST_TOO_OFTEN)}


def test_who_was_there_by_chance_where_nodes_die_all_the_time_goes_on(submit: Submit, node: Node) -> None:
    far = Node.objects.create(name="mill-2", key_sha256="1" * 64)
    Accelerator.objects.create(node=far, kind="cpu")
    job, now = submit(), timezone.now()
    for death in range(MOST_WHILE_RUNNING + 3):
        other, elsewhere = submit(), submit()
        lost_together(placed(elsewhere, far, 0))
        Attempt.objects.filter(job=elsewhere).update(ended_at=now + death * timedelta(minutes=1))
        lost_together(placed(job, node, 0), placed(other, node, 1))
        assert ends(job) == {(Status.QUEUED, "")}


def _held(attempt: Attempt) -> Held:
    return Held(attempt.pk, attempt.job_id, attempt.epoch)


def test_what_a_dead_node_never_claimed_goes_elsewhere_before_its_minute_is_over(
    submit: Submit, node: Node
) -> None:
    job, claimed = submit(), submit()
    held = placed(claimed, node, 1)
    waits = lifecycle.begin(job, node=node, accelerators=[node.accelerators.get(index=0)])
    Node.objects.update(last_seen_at=timezone.now())
    assert sweeps.reap() == 0
    Node.objects.update(last_seen_at=timezone.now() - timedelta(seconds=columns.QUIET_S + 1))
    assert sweeps.reap() == 1
    assert ends(job) == {(Status.QUEUED, "")}
    waits.refresh_from_db()
    held.refresh_from_db()
    assert (waits.end_reason, held.ended_at) == (EndReason.NODE_LOST, None)
    assert lifecycle.claim(waits.pk, holder="too late") is None
