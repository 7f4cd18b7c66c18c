"""Many at once, each on a connection of its own: what may happen once happens once. On SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import pytest
from django.db import connection

from hardware.nodes.models import Accelerator, Node
from jobs.queue import dispatch, lifecycle, services, sweeps
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job, JobEvent, Request
from jobs.queue.reasons import FINAL, EndReason, Status
from portal.core import leases
from portal.core.leases import StaleLease
from portal.kit.errors import UserError
from portal.members.models import Member

pytestmark = pytest.mark.django_db(transaction=True)
T = TypeVar("T")
Submit = Callable[..., Job]
Start = Callable[..., Held]
ROUNDS = 6


def at_once(*works: Callable[[], T]) -> list[T]:
    """What each gives, all begun at the same moment in threads with connections of their own."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        try:
            connection.ensure_connection()
            barrier.wait()
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_an_attempt_is_claimed_by_one_of_eight(submit: Submit, node: Node) -> None:
    attempt = lifecycle.begin(submit(), node=node, accelerators=list(node.accelerators.all()))
    claims = at_once(*[lambda: lifecycle.claim(attempt.pk, holder="n")] * 8)
    held = [claim for claim in claims if claim is not None]
    assert len(held) == 1
    assert held[0].epoch == Attempt.objects.get().epoch


def test_one_of_eight_leads() -> None:
    rows = leases.named("leader")
    for epoch in range(1, ROUNDS):
        taken = at_once(*[lambda: leases.take(rows, holder="n", ttl_s=30)] * 8)
        assert [each for each in taken if each is not None] == [epoch]
        assert leases.give_back(rows, epoch=epoch)


def test_a_name_that_nobody_had_is_made_once() -> None:
    at_once(*[lambda: leases.named("new").count()] * 8)
    assert leases.named("new").count() == 1


def test_a_key_used_eight_times_at_once_is_one_job(submit: Submit) -> None:
    ids = at_once(*[lambda: submit("the same").pk] * 8)
    assert len(set(ids)) == 1
    assert Job.objects.count() == 1
    assert JobEvent.objects.count() == 1


def test_two_dispatchers_give_no_accelerator_twice(submit: Submit, node: Node) -> None:
    epoch = leases.take(leases.named(dispatch.LEADER), holder="n", ttl_s=60)
    assert epoch is not None
    for index in (1, 2, 3):
        Accelerator.objects.create(node=node, kind="cpu", index=index, memory_bytes=1)
    for _job in range(8):
        submit()
    started = at_once(*[lambda: dispatch.dispatch(now=0, epoch=epoch)] * 4)
    given = list(Attempt.objects.filter(ended_at=None).values_list("accelerators", flat=True))
    assert len(given) == len(set(given)) == sum(started) >= 1
    dispatch.dispatch(now=0, epoch=epoch)  # who lost a race left a place, which the next pass fills
    given = list(Attempt.objects.filter(ended_at=None).values_list("accelerators", flat=True))
    assert sorted(given) == sorted(node.accelerators.values_list("pk", flat=True))
    assert Job.objects.filter(status=Status.STARTING).count() == len(given)


def test_what_is_cancelled_while_its_attempt_ends_is_cancelled(
    submit: Submit, start: Start, alice: Member
) -> None:
    for _round in range(ROUNDS):
        job = submit()
        held = start(job)
        job.refresh_from_db()
        at_once(
            lambda job=job: services.cancel_job(job=job, actor=alice),  # type: ignore[misc]
            lambda held=held: lifecycle.end(held, EndReason.DRAINED),  # type: ignore[misc]
        )
        job.refresh_from_db()
        assert (job.status, job.request) == (Status.CANCELLED, Request.NONE)
        assert JobEvent.objects.filter(job=job, new__in=FINAL).count() == 1


def test_what_is_cancelled_while_it_is_claimed_is_cancelled_or_told_so(
    submit: Submit, node: Node, alice: Member
) -> None:
    for _round in range(ROUNDS):
        job = submit()
        attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
        _job, held = at_once(
            lambda job=job: services.cancel_job(job=job, actor=alice),  # type: ignore[misc]
            lambda attempt=attempt: lifecycle.claim(attempt.pk, holder="n"),  # type: ignore[misc]
        )
        job.refresh_from_db()
        if isinstance(held, Held):
            assert (job.status, lifecycle.requested(held)) == (Status.STARTING, Request.CANCEL)
            lifecycle.end(held, EndReason.CANCELLED)
        else:
            assert job.status == Status.CANCELLED


def test_a_job_ends_once_however_many_end_it(submit: Submit, start: Start, alice: Member) -> None:
    job = submit()
    held = start(job)
    Attempt.objects.update(lease_expires_at=job.created_at)

    def quietly(work: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            try:
                return work()
            except (StaleLease, UserError):
                return None

        return run

    at_once(
        quietly(lambda: lifecycle.end(held, EndReason.DONE)),
        quietly(lambda: lifecycle.end(held, EndReason.CRASHED)),
        quietly(sweeps.reap),
        quietly(sweeps.reap),
        quietly(lambda: services.cancel_job(job=Job.objects.get(pk=job.pk), actor=alice)),
    )
    job.refresh_from_db()
    moves = list(JobEvent.objects.filter(job=job).exclude(old="").values_list("old", "new"))
    changes = [(old, new) for old, new in moves if old != new]
    assert all(new == old for (_, new), (old, _) in pairwise(changes))
    assert changes[-1][1] == job.status
    assert Attempt.objects.filter(ended_at=None).count() == 0
