"""The lifecycle: one table of moves, one door, one event row a move, and fences against whoever lost a lease."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from django.utils import timezone

from hardware.nodes.models import Node
from jobs.queue import lifecycle, services, sweeps
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job, JobEvent
from jobs.queue.reasons import FINAL, MOVES, POLICY, EndReason, Status
from portal.core import storage
from portal.core.leases import StaleLease
from portal.kit.errors import UserError
from portal.ledger.models import LedgerEntry
from portal.members.models import Member

Submit = Callable[..., Job]
Start = Callable[..., Held]


@pytest.mark.django_db
@pytest.mark.parametrize(("old", "new"), list(product(Status, Status)))
def test_every_pair_of_statuses(old: Status, new: Status, submit: Submit) -> None:
    job = submit()
    Job.objects.filter(pk=job.pk).update(status=old)
    job.refresh_from_db()
    if new in MOVES[old]:
        lifecycle._move(job, new)
        assert Job.objects.get(pk=job.pk).status == new
    else:
        with pytest.raises(StaleLease):
            lifecycle._move(job, new)
        assert Job.objects.get(pk=job.pk).status == old


def test_the_table_is_whole() -> None:
    assert set(MOVES) == set(Status)
    assert all(not MOVES[status] for status in FINAL)
    assert set(POLICY) == set(EndReason)


def test_every_move_leaves_an_event(submit: Submit, start: Start) -> None:
    job = submit()
    held = start(job)
    lifecycle.end(held, EndReason.DONE)
    moves = list(JobEvent.objects.filter(job=job).values_list("old", "new"))
    assert moves == [
        ("", "queued"),
        ("queued", "starting"),
        ("starting", "running"),
        ("running", "succeeded"),
    ]


@pytest.mark.parametrize("off", [timedelta(hours=2), timedelta(hours=-2)], ids=["ahead", "behind"])
def test_times_are_the_databases_whatever_the_nodes_clock_says(
    off: timedelta, submit: Submit, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, job = timezone.now, submit()
    with monkeypatch.context() as patched:
        patched.setattr(timezone, "now", lambda: right() + off)
        told = lifecycle.end(start(job), EndReason.DONE)
    attempt = Attempt.objects.get()
    job.refresh_from_db()
    times = [attempt.claimed_at, attempt.progressed_at, attempt.started_at, attempt.ended_at, job.ended_at]
    assert all(abs(at - right()) < timedelta(minutes=1) for at in times if at is not None)
    assert None not in times
    assert (told.ended_at, told.started_at) == (job.ended_at, job.started_at)
    entry = LedgerEntry.objects.get()
    assert entry.device_seconds < 60.0
    assert entry.created_at == attempt.ended_at


def test_a_lost_race_moves_nothing(submit: Submit) -> None:
    job = submit()
    stale = Job.objects.get(pk=job.pk)
    assert lifecycle.cancel_queued(job)
    events = JobEvent.objects.filter(job=job).count()
    assert not lifecycle.cancel_queued(stale)
    assert JobEvent.objects.filter(job=job).count() == events


def test_an_attempt_is_claimed_once(submit: Submit, start: Start) -> None:
    held = start(submit())
    assert lifecycle.claim(held.attempt_id, holder="another message") is None


def lose(held: Held) -> None:
    Attempt.objects.filter(pk=held.attempt_id).update(lease_expires_at=timezone.now() - timedelta(minutes=1))


def test_a_lost_node_requeues_once_and_then_gives_up(submit: Submit, start: Start) -> None:
    job = submit()
    lose(start(job))
    assert sweeps.reap() == 1
    job.refresh_from_db()
    assert job.status == Status.QUEUED
    lose(start(job))
    sweeps.reap()
    job.refresh_from_db()
    assert (job.status, job.end_reason) == (Status.FAILED, EndReason.LOST_TOO_OFTEN)
    assert [attempt.end_reason for attempt in job.attempts.order_by("number")] == ["node_lost", "node_lost"]


def test_a_stale_attempt_that_wakes_up_changes_nothing(submit: Submit, start: Start) -> None:
    job = submit()
    held = start(job)
    lose(held)
    sweeps.reap()
    for write in (
        lifecycle.renew,
        lifecycle.started,
        lifecycle.own,
        lambda held: lifecycle.end(held, EndReason.DONE),
    ):
        with pytest.raises(StaleLease):
            write(held)
    job.refresh_from_db()
    assert job.status == Status.QUEUED


def test_a_lease_that_was_renewed_is_not_reaped(submit: Submit, start: Start) -> None:
    start(submit())
    assert sweeps.reap() == 0


@pytest.mark.parametrize("reason", [EndReason.PREEMPTED, EndReason.DRAINED])
def test_who_gives_way_goes_back_into_the_queue_however_often(
    reason: EndReason, submit: Submit, start: Start
) -> None:
    job = submit()
    for _again in range(4):
        lifecycle.end(start(job), reason)
        job.refresh_from_db()
        assert job.status == Status.QUEUED


def test_a_crash_is_tried_once_more(submit: Submit, start: Start) -> None:
    job = submit()
    lifecycle.end(start(job), EndReason.CRASHED)
    job.refresh_from_db()
    assert job.status == Status.QUEUED
    lifecycle.end(start(job), EndReason.CRASHED, message="It fell over.")
    job.refresh_from_db()
    assert (job.status, job.end_reason, job.message) == (Status.FAILED, EndReason.CRASHED, "It fell over.")


def test_a_build_that_crashes_is_not_called_a_training(submit: Submit, start: Start) -> None:
    job = submit()
    Job.objects.filter(pk=job.pk).update(kind="build")
    lifecycle.end(start(job), EndReason.CRASHED)
    assert job.events.order_by("-id")[0].sentence == "The job's program stopped unexpectedly."


def test_time_lost_by_the_platforms_fault_is_refunded(submit: Submit, start: Start) -> None:
    job = submit()
    lose(start(job))
    sweeps.reap()
    assert LedgerEntry.objects.get().refunded
    lifecycle.end(start(job), EndReason.DONE)
    assert LedgerEntry.objects.filter(refunded=False).count() == 1


def test_cancel_of_a_queued_job_is_at_once(submit: Submit, alice: Member) -> None:
    job = services.cancel_job(job=submit(), actor=alice)
    assert (job.status, job.end_reason) == (Status.CANCELLED, EndReason.CANCELLED)
    with pytest.raises(UserError) as refused:
        services.cancel_job(job=job, actor=alice)
    assert (refused.value.code, refused.value.status) == ("already_ended", 409)


def test_cancel_of_a_running_job_holds_even_if_its_node_dies(
    submit: Submit, start: Start, alice: Member
) -> None:
    job = submit()
    held = start(job)
    job.refresh_from_db()
    assert services.cancel_job(job=job, actor=alice).status == Status.RUNNING
    lose(held)
    sweeps.reap()
    job.refresh_from_db()
    assert job.status == Status.CANCELLED


def test_stop_needs_something_to_keep(submit: Submit, alice: Member) -> None:
    with pytest.raises(UserError) as refused:
        services.stop_job(job=submit(), actor=alice)
    assert refused.value.code == "not_started"


def test_stop_survives_a_lost_node(submit: Submit, start: Start, alice: Member) -> None:
    job = submit()
    held = start(job)
    job.refresh_from_db()
    services.stop_job(job=job, actor=alice)
    lose(held)
    sweeps.reap()
    job.refresh_from_db()
    assert (job.status, job.request) == (Status.QUEUED, "stop")


def begun(job: Job, node: Node) -> Attempt:
    """Sent to its node, which has not begun with it."""
    return lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))


def test_cancel_of_what_no_node_has_begun_with_is_at_once(submit: Submit, node: Node, alice: Member) -> None:
    job = submit()
    attempt = begun(job, node)
    assert services.cancel_job(job=job, actor=alice).status == Status.CANCELLED
    assert lifecycle.claim(attempt.pk, holder="late message") is None


def test_cancel_by_a_page_that_is_out_of_date_leaves_nothing_in_the_queue(
    submit: Submit, start: Start, alice: Member
) -> None:
    job = submit()
    held = start(job)
    seen = Job.objects.get(pk=job.pk)  # running, says the page
    lifecycle.end(held, EndReason.DRAINED)
    assert services.cancel_job(job=seen, actor=alice).status == Status.CANCELLED


def test_a_job_that_never_reached_a_node_is_not_to_blame(submit: Submit, start: Start, node: Node) -> None:
    job = submit()
    for _node in range(4):
        job.refresh_from_db()
        attempt = begun(job, node)
        Attempt.objects.filter(pk=attempt.pk).update(lease_expires_at=timezone.now() - timedelta(minutes=1))
        assert sweeps.reap() == 1
    job.refresh_from_db()
    assert job.status == Status.QUEUED
    lose(start(job))
    sweeps.reap()
    job.refresh_from_db()
    assert job.status == Status.QUEUED


def test_one_that_can_not_be_ended_holds_up_no_other(submit: Submit, start: Start) -> None:
    broken, other = submit(), submit()
    for job in (broken, other):
        lose(start(job))
    Job.objects.filter(pk=broken.pk).update(status=Status.SUCCEEDED)  # no move leads from there
    assert sweeps.reap() == 1
    other.refresh_from_db()
    assert other.status == Status.QUEUED


def test_what_was_said_to_have_started_twice_has_started_once(submit: Submit, start: Start) -> None:
    job = submit()
    lifecycle.started(start(job))
    assert JobEvent.objects.filter(job=job, new=Status.RUNNING).count() == 1


def test_a_checkpoint_is_let_go_of_when_nothing_will_go_on_from_it(submit: Submit, start: Start) -> None:
    done, failed = submit(), submit()
    blob = storage.put_bytes(b"checkpoint")
    for job, reason in ((done, EndReason.DONE), (failed, EndReason.NAN_LOSS)):
        held = start(job)
        Job.objects.filter(pk=job.pk).update(checkpoint=blob, checkpoint_step=5)
        lifecycle.end(held, reason)
    assert sweeps.prune_checkpoints() == 0
    assert set(Job.objects.values_list("status", "checkpoint")) == {("succeeded", None), ("failed", blob.pk)}
    Job.objects.update(ended_at=timezone.now() - timedelta(days=8))
    assert sweeps.prune_checkpoints() == 1
    assert not Job.objects.filter(checkpoint__isnull=False).exists()
