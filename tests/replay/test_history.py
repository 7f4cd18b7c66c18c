"""What a replay reads: which jobs, how long they really worked, and what it leaves out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import EndReason, Status
from jobs.queue.replay import history as histories
from jobs.scheduler.replay.history import History
from portal.kit.errors import UserError
from portal.ledger.models import LedgerEntry, Quota
from portal.members.models import Member

Make = Callable[..., Any]
HOUR = 3600.0


def read(days: int = 30) -> History:
    return histories.read(days=days, now=timezone.now())


def test_what_a_job_asked_for_and_how_long_it_worked(ran: Make, alice: Member) -> None:
    spec = {"resources": {"count": 1, "memory_mb": 512}}
    job = ran(alice, 10, 8, 5, accelerator="cpu", spec=spec, boost=4.0)
    [found] = read().jobs
    assert (found.id, found.member, found.kind, found.gang) == (job.pk, "alice", "cpu", 1)
    assert (found.memory_bytes, found.boost, found.carried, found.fixed) == (512 * 1024**2, 4.0, False, False)
    assert found.work == pytest.approx(3 * HOUR)
    assert (found.wait_s, found.took_s) == pytest.approx((2 * HOUR, 5 * HOUR))
    assert found.submitted_s == pytest.approx((30 * 24 - 10) * HOUR, abs=5)


def test_work_is_counted_at_the_speed_of_what_it_ran_on(ran: Make, node: Node, alice: Member) -> None:
    Accelerator.objects.filter(kind="cpu").update(relative_speed=0.5)
    ran(alice, 10, 8, 5)
    assert read().jobs[0].work == pytest.approx(1.5 * HOUR)


def test_lost_time_is_told_apart(submitted: Make, tried: Make, alice: Member) -> None:
    job = submitted(alice, hours_ago=20, status=Status.SUCCEEDED, end_reason=EndReason.DONE)
    tried(job, 19, 15, EndReason.NODE_LOST)
    tried(job, 14, 13, EndReason.PREEMPTED)
    tried(job, 12, 10)
    found = read()
    assert found.jobs[0].work == pytest.approx(3 * HOUR)
    assert found.lost_s == pytest.approx(4 * HOUR)


def test_what_did_not_run_is_left_out_and_said(
    submitted: Make, tried: Make, ran: Make, alice: Member
) -> None:
    ran(alice, 10, 9, 8)
    ran(alice, 10, 9, 8, accelerator="gpu")  # there is none that works
    submitted(alice, hours_ago=5, status=Status.CANCELLED)
    submitted(alice, hours_ago=5)
    lost = submitted(alice, hours_ago=5, status=Status.FAILED)
    tried(lost, 4, 3, EndReason.NODE_LOST)
    found = read()
    assert len(found.jobs) == 1
    assert dict(found.left_out) == {
        "ended before they ran": 1,
        "have not run yet, and nobody knows how long they will take": 1,
        "ran only where the platform failed": 1,
        "fit on nothing that is registered now": 1,
    }


def test_what_failed_or_was_cancelled_took_its_place_too(ran: Make, alice: Member) -> None:
    ran(alice, 10, 9, 8, end_reason=EndReason.NAN_LOSS)
    ran(alice, 10, 8, 7, end_reason=EndReason.CANCELLED)
    assert [each.work for each in read().jobs] == pytest.approx([HOUR, HOUR])


def test_what_runs_goes_on_at_its_pace(submitted: Make, tried: Make, alice: Member) -> None:
    position = {"step": 10, "steps": 100, "steps_per_s": 0.1}
    job = submitted(alice, hours_ago=3, status=Status.RUNNING, position=position)
    tried(job, 2, None)
    assert read().jobs[0].work == pytest.approx(2 * HOUR + 900, abs=5)


def test_what_was_there_already_brings_what_was_left_of_it(ran: Make, alice: Member, bob: Member) -> None:
    ran(alice, 100, 60, 40)  # two days ago it had run for twelve hours
    ran(alice, 100, 60, 50)  # over by then
    ran(bob, 10, 9, 8)
    old, new = read(days=2).jobs
    assert (old.member, old.carried, new.carried) == ("alice", True, False)
    assert old.work == pytest.approx(8 * HOUR, abs=5)
    assert old.submitted_s == pytest.approx(-52 * HOUR, abs=5)


def test_a_restarted_nodes_attempts_of_deleted_accelerators_count_at_plain_speed(
    ran: Make, node: Node, alice: Member
) -> None:
    ran(alice, 10, 8, 5)
    node.accelerators.filter(kind="cpu").delete()
    Accelerator.objects.create(node=node, kind="cpu", index=3, relative_speed=2.0)
    assert read().jobs[0].work == pytest.approx(3 * HOUR)


def test_shares_limits_and_use_before_the_days(ran: Make, alice: Member) -> None:
    ran(alice, 10, 8, 5)
    Quota.objects.create(member=alice, share=3.0, concurrent_jobs=2)
    for days, seconds in ((5, 7.0), (1, 50.0), (400, 9.0)):
        entry = LedgerEntry.objects.create(
            member=alice, attempt=f"{days}", kind="cpu", device_seconds=seconds, weight=2.0
        )
        LedgerEntry.objects.filter(pk=entry.pk).update(created_at=timezone.now() - timedelta(days=days))
    member = read(days=3).members["alice"]
    assert (member.share, member.limit) == (3.0, 2)
    assert member.used == ((2 * 86_400.0, 14.0),)


def test_the_machine_is_what_is_switched_on(node: Node) -> None:
    Accelerator.objects.create(node=node, kind="cpu", index=1, model="test", memory_bytes=8 * 1024**3)
    Node.objects.update(state="offline")
    [pool] = histories.machine()
    assert (pool.kind, pool.size, pool.node, pool.memory_bytes) == ("cpu", 2, "mill-1", 8 * 1024**3)


def test_nothing_to_replay_is_said(node: Node, alice: Member) -> None:
    with pytest.raises(UserError) as nothing:
        read()
    assert nothing.value.code == "no_jobs"
    node.delete()
    with pytest.raises(UserError) as no_machine:
        read()
    assert no_machine.value.code == "no_machine"


def test_there_is_a_bound(ran: Make, alice: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MOST_JOBS", 1)
    ran(alice, 10, 8, 5)
    assert len(read().jobs) == 1
    ran(alice, 9, 8, 5)
    with pytest.raises(UserError, match="Ask for fewer days") as refused:
        read()
    assert refused.value.code == "too_many_jobs"


def test_queries_do_not_grow_with_the_jobs(
    ran: Make, alice: Member, bob: Member, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        ran((alice, bob)[number % 2], 30 - number, 20 - number, 19 - number)
    assert Attempt.objects.count() == Job.objects.count() == 6
    with django_assert_max_num_queries(11):
        assert len(read().jobs) == 6
