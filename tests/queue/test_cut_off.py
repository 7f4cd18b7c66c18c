"""Nodes that lose the database, or can't work: the job pays for none of it."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from hardware.nodes.models import Node
from jobs.queue import dispatch, lifecycle, pulse, sweeps
from jobs.queue.agent import Agent
from jobs.queue.lifecycle import Held
from jobs.queue.management.commands.scheduler import Chore, Command, Leader
from jobs.queue.models import Attempt, Job
from jobs.queue.pulse import Pulse
from jobs.queue.reasons import EndReason, Status
from portal.core import leases
from portal.kit import identity

Submit = Callable[..., Job]
Start = Callable[..., Held]
pytestmark = pytest.mark.usefixtures("own_home")


def lost(held: Held) -> None:
    """Its lease ran out, and the sweep saw it."""
    Attempt.objects.filter(pk=held.attempt_id).update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    assert sweeps.reap() == 1


def test_losses_that_were_the_databases_do_not_count_and_others_do(
    submit: Submit, start: Start, agent: Agent
) -> None:
    job = submit()
    for _outage in range(4):
        held = start(job)
        lost(held)
        agent._cut_off.add(held.attempt_id)
        agent._beat()
        job.refresh_from_db()
        assert job.status == Status.QUEUED
    for expected in (Status.QUEUED, Status.FAILED):
        lost(start(job))
        job.refresh_from_db()
        assert job.status == expected
    assert job.end_reason == EndReason.LOST_TOO_OFTEN


def test_who_was_cut_off_says_so_and_the_job_need_not_wait_for_the_sweep(
    submit: Submit, start: Start, agent: Agent, node: Node
) -> None:
    job = submit()
    attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
    assert lifecycle.claim(attempt.pk, holder=agent.holder) is not None
    agent._cut_off.add(attempt.pk)
    agent._beat()
    job.refresh_from_db()
    assert job.status == Status.QUEUED
    assert "could not reach the portal" in job.events.get(reason=EndReason.NODE_LOST).sentence
    assert agent._cut_off == set()


def test_an_excuse_ends_no_attempt_of_anothers(submit: Submit, start: Start) -> None:
    job = submit()
    held = start(job)
    lifecycle.excuse(held.attempt_id, holder="somebody else")
    lifecycle.own(held)
    Job.objects.all().delete()
    lifecycle.excuse(held.attempt_id, holder="test")  # nobody is left to be excused, and nobody minds


@pytest.fixture
def held() -> Held:
    return Held("attempt", "job", 1)


def unreachable(*_: object) -> str:
    raise OperationalError("could not connect to server")


def test_a_lease_that_runs_out_while_the_database_is_away_was_cut_off(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LOOK_S", 0.05), ("RENEW_S", 0.1), ("GIVE_UP_S", 0.5)):
        monkeypatch.setattr(pulse, name, value)
    monkeypatch.setattr(lifecycle, "renew", unreachable)
    monkeypatch.setattr(lifecycle, "requested", unreachable)
    beating = Pulse(held, lambda: False)
    beating.start()
    assert beating.lost.wait(5)
    assert beating.cut_off
    beating.join(timeout=5)


def test_a_database_that_hangs_hides_no_lost_lease(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LOOK_S", 0.05), ("GIVE_UP_S", 0.5)):
        monkeypatch.setattr(pulse, name, value)
    answer = threading.Event()
    monkeypatch.setattr(lifecycle, "requested", lambda _held: str(answer.wait(20)))
    beating = Pulse(held, lambda: False)
    beating.start()
    try:
        assert beating.lost.wait(5)
        assert beating.is_alive()
        assert beating.cut_off
    finally:
        answer.set()
        beating.join(timeout=5)


def test_who_stood_still_was_not_cut_off(held: Held) -> None:
    beating = Pulse(held, lambda: False)
    beating._renewed_at -= pulse.GIVE_UP_S
    beating._looked_at -= pulse.GIVE_UP_S  # stopped, or starved by its job
    with pytest.raises(leases.StaleLease):
        beating.check()
    assert not beating.cut_off


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="This system's clocks all stop in its sleep.")
def test_a_machine_that_slept_past_its_lease_gives_up_as_it_wakes(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its monotonic clock slept too: only the one that counts from the boot tells."""
    beating, real = Pulse(held, lambda: False), time.clock_gettime
    beating.check()
    slept = {time.CLOCK_BOOTTIME: pulse.GIVE_UP_S + 1}
    monkeypatch.setattr(time, "clock_gettime", lambda which: real(which) + slept.get(which, 0.0))
    with pytest.raises(leases.StaleLease):
        beating.check()
    assert not beating.cut_off


@pytest.mark.django_db(transaction=True)
def test_after_an_outage_of_the_database_nobody_is_judged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    work = [Chore(0, lambda: done.append("judge"), judges=True), Chore(0, lambda: done.append("other"))]
    command, leader = Command(), Leader()
    monkeypatch.setattr(leases, "named", unreachable)
    command._turn(leader, work)
    monkeypatch.undo()
    command._turn(leader, work)
    assert done == ["other"]
    command.blind_until = 0.0
    command._turn(leader, work)
    assert done == ["other", "judge", "other"]


def test_a_node_in_trouble_gets_no_work_and_gives_back_what_waits(
    submit: Submit, node: Node, agent: Agent, settings: Any
) -> None:
    job, epoch = submit(), leases.take(leases.named(dispatch.LEADER), holder="n", ttl_s=60)
    assert epoch is not None
    attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
    settings.NODE_DISK_RESERVE_MB = 10**12
    agent._beat()
    job.refresh_from_db()
    node.refresh_from_db()
    assert job.status == Status.QUEUED
    assert "disk is nearly full" in node.trouble
    agent.take(attempt.pk)
    assert agent._threads == {}
    warm = {"warm": 1.0}  # its engine was not started here
    Node.objects.update(load=warm)
    assert dispatch.dispatch(now=0, epoch=epoch) == 0
    settings.NODE_DISK_RESERVE_MB = 0
    agent._beat()
    Node.objects.update(load=warm)
    assert dispatch.dispatch(now=0, epoch=epoch) == 1


def test_a_disk_that_filled_up_since_the_last_beat_takes_no_work(
    submit: Submit, node: Node, agent: Agent, settings: Any
) -> None:
    """Else a job that is tried again at once would fail for a disk that is full for a moment."""
    settings.NODE_DISK_RESERVE_MB = 0
    agent._beat()
    assert agent.trouble == ""
    job = submit()
    attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
    settings.NODE_DISK_RESERVE_MB = 10**12
    agent.take(attempt.pk)
    assert agent._threads == {}
    attempt.refresh_from_db()
    assert attempt.claimed_at is None
    agent._beat()
    job.refresh_from_db()
    assert (job.status, job.attempts.get().end_reason) == (Status.QUEUED, EndReason.DRAINED)


def test_a_worker_of_this_machine_that_died_is_missed_before_its_lease_runs_out(
    submit: Submit, node: Node
) -> None:
    where, pid, born = identity.me().split("/")
    jobs = [submit(), submit()]
    for job, holder in zip(jobs, (f"{where}/{pid}/{int(born) - 1}", identity.me()), strict=True):
        attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
        assert lifecycle.claim(attempt.pk, holder=holder) is not None
    assert sweeps.reap() == 1
    assert list(Job.objects.order_by("pk").values_list("status", flat=True)) == ["queued", "starting"]


def test_the_trouble_of_a_node_is_told_to_stewards_and_members_know_that_there_is_some(
    node: Node, alice: object, cora: object, api_for: Callable[..., Any], client_for: Callable[..., Any]
) -> None:
    Node.objects.update(trouble="The engine is at /srv/secret place")
    for member, knows in ((alice, False), (cora, True)):
        row = api_for(member).get("/api/v1/nodes").json()[0]
        page = client_for(member).get("/machine").content.decode()
        assert row["trouble"]
        assert "It takes no work now" in page
        assert ("/srv" in row["trouble"]) == ("/srv" in page) == knows
