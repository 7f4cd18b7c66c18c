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


@pytest.fixture
def others(node: Node) -> list[Node]:
    """Three more nodes, of which nobody is lost."""
    found = [Node.objects.create(name=f"mill-{number}", key_sha256="1" * 64) for number in (2, 3, 4)]
    for far in found:
        Accelerator.objects.create(node=far, kind="cpu")
    return found


def dies_again(submit: Submit, job: Job, node: Node, *, running: bool = True) -> None:
    """With somebody beside it."""
    lost_together(placed(job, node, 0, running=running), placed(submit(), node, 1))


def works(submit: Submit, node: Node) -> None:
    lifecycle.end(_held(placed(submit(), node, 0)), EndReason.DONE)


@pytest.mark.parametrize("running", [True, False])
def test_nothing_is_tried_for_ever(submit: Submit, node: Node, running: bool) -> None:
    """On a machine of one node nobody can tell whether it was the job."""
    job = submit()
    for _death in range(MOST_LOSSES + 1):
        assert ends(job) == {(Status.QUEUED, "")}
        dies_again(submit, job, node, running=running)
    assert ends(job) == {(Status.FAILED, EndReason.LOST_TOO_OFTEN)}


def test_who_is_there_whenever_one_of_many_nodes_dies_is_given_up(
    submit: Submit, node: Node, others: list[Node]
) -> None:
    """Nine deaths of nine, each of which would have met it with a chance of one in four."""
    job = submit()
    for _death in range(MOST_WHILE_RUNNING + 1):
        assert ends(job) == {(Status.QUEUED, "")}
        for far in others:
            works(submit, far)
        dies_again(submit, job, node)
    assert ends(job) == {(Status.FAILED, EndReason.LOST_TOO_OFTEN)}


def test_who_was_there_by_chance_where_nodes_die_all_the_time_goes_on(
    submit: Submit, node: Node, others: list[Node]
) -> None:
    """One death elsewhere for each two under it is bad luck, though there are four nodes; one for each five is not."""
    job, now = submit(), timezone.now()
    for death in range(12):
        if death % 2:
            elsewhere = placed(submit(), others[death % 3], 0)
            lost_together(elsewhere)
            Attempt.objects.filter(pk=elsewhere.pk).update(ended_at=now + death * timedelta(minutes=1))
        for far in others:
            works(submit, far)
        dies_again(submit, job, node)
        assert ends(job) == {(Status.QUEUED, "")}
    for _death in range(4):
        if ends(job) == {(Status.QUEUED, "")}:
            dies_again(submit, job, node)
    assert ends(job) == {(Status.FAILED, EndReason.LOST_TOO_OFTEN)}


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
