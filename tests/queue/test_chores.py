"""The scheduler's turn: what fails holds up nothing else."""

import threading
from collections.abc import Callable

import pytest
from django.db import OperationalError

from hardware.nodes import services as nodes
from hardware.nodes.models import Node, NodeState
from jobs.queue import columns
from jobs.queue.management.commands.scheduler import Chore, Command, Leader, chores
from jobs.queue.models import Job
from jobs.queue.reasons import Status
from portal.core import leases

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
