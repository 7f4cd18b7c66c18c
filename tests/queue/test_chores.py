"""The scheduler's turn: what fails holds up nothing else."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from hardware.nodes import services as nodes
from hardware.nodes.models import Node, NodeState
from jobs.queue import columns, dispatch
from jobs.queue.management.commands.scheduler import (
    RENEWED_S,
    REST_S,
    Chore,
    Command,
    Leader,
    chores,
    rest,
)
from jobs.queue.models import Job
from jobs.queue.reasons import Status
from portal.core import leases
from portal.core.models import Lease

Submit = Callable[..., Job]


@pytest.mark.django_db(transaction=True)
def test_a_chore_that_fails_holds_up_neither_the_others_nor_itself() -> None:
    done: list[str] = []

    def failing() -> None:
        done.append("failing")
        raise OperationalError("database is locked")

    work = [Chore(0, failing), Chore(0, lambda: done.append("other"))]
    leader = Leader()
    for _turn in range(2):
        Command()._turn(leader, work)
    assert done == ["failing", "other"] * 2


def test_a_dispatch_that_fails_holds_up_no_chore(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(columns, "take_machine", lambda: 1 / 0)
    Command()._turn(Leader(), [Chore(0, lambda: done.append("reaped"))])
    assert done == ["reaped"]
    monkeypatch.undo()
    job = submit()
    Command()._turn(Leader(), [])
    assert Job.objects.get(pk=job.pk).status == Status.QUEUED  # the first one leads still


def test_a_chore_that_takes_long_holds_up_nobody_and_is_not_begun_twice() -> None:
    begun, go = [], threading.Event()

    def slow() -> None:
        begun.append("slow")
        go.wait(20)

    chore = Chore(0, slow, aside=True)
    for _turn in range(3):
        chore.run_if_due()
    assert begun == ["slow"]
    go.set()
    assert chore.running is not None
    chore.running.join(timeout=5)
    chore.run_if_due()
    chore.running.join(timeout=5)
    assert begun == ["slow", "slow"]


def test_who_does_not_lead_does_nothing(submit: Submit) -> None:
    job, first, second = submit(), Leader(), Leader()
    done: list[str] = []
    assert first.lead()
    Command()._turn(second, [Chore(0, lambda: done.append("x"))])
    assert (done, Job.objects.get(pk=job.pk).status) == ([], Status.QUEUED)
    first.resign()
    Command()._turn(second, [Chore(0, lambda: done.append("x"))])
    assert (done, Job.objects.get(pk=job.pk).status) == (["x"], Status.STARTING)


def test_every_chore_can_be_done_at_any_time(node: Node) -> None:
    for chore in chores():
        chore.do()


def test_silence_is_told_by_the_databases_clock(node: Node) -> None:
    nodes.heartbeat(node, {})
    assert nodes.mark_silent(leases.clock()) == 0
    node.refresh_from_db()
    assert node.state == NodeState.ACTIVE


@pytest.mark.django_db
def test_a_leader_that_just_said_so_writes_nothing_and_leads_for_no_longer_than_its_lease(
    django_assert_num_queries: Any,
) -> None:
    first, second = Leader(), Leader()
    assert first.lead()
    with django_assert_num_queries(0):
        assert first.lead()
    first._renewed_at -= RENEWED_S
    Lease.objects.filter(name=dispatch.LEADER).update(lease_expires_at=None)
    assert second.lead()
    assert not first.lead()


def test_after_a_pass_that_placed_nobody_those_who_come_at_once_share_the_next() -> None:
    assert rest(3, 0.05) == 0.0, "more may have room"
    assert 0 < rest(0, 0.001) < rest(0, 0.01) < REST_S
    assert rest(0, 5.0) == REST_S, "and nobody waits longer for it"
