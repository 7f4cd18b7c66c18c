"""Full passes: who gives way to whom, and that what was asked to is gone before another starts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.datasets.models import Version, Visibility
from jobs.queue import columns, dispatch, lifecycle, lives, passes, services
from jobs.queue.admission import parse_spec
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job, Promise, Request
from jobs.queue.reasons import EndReason, Status
from jobs.scheduler.policy import DEFAULT
from portal.core import leases
from portal.ledger import services as ledger
from portal.ledger.models import Quota
from portal.members.models import Member

Submit = Callable[..., Job]
Start = Callable[..., Held]
HOUR = timedelta(hours=1)


@pytest.fixture
def epoch(db: None) -> int:
    taken = leases.take(leases.named(dispatch.LEADER), holder="test", ttl_s=60)
    assert taken is not None
    return taken


@pytest.fixture
def bobs(version: Version, bob: Member) -> Submit:
    """Submit a job of Bob's on the same data."""
    version.dataset.visibility = Visibility.COMMUNITY
    version.dataset.save()

    def make(**changes: object) -> Job:
        body = {"recipe": "image-classifier", "dataset": version.dataset_id, **changes}
        return services.submit_job(owner=bob, spec=parse_spec(body))

    return make


def has_run(held: Held, since: timedelta) -> None:
    """As if the attempt had begun so long ago."""
    then = timezone.now() - since
    Attempt.objects.filter(pk=held.attempt_id).update(created_at=then, started_at=then)


def now() -> float:
    return timezone.now().timestamp()


def state(job: Job) -> tuple[str, str]:
    job.refresh_from_db()
    return job.status, job.request


def test_what_has_run_long_gives_way_to_what_may_be_short_and_comes_back(
    submit: Submit, bobs: Submit, start: Start, epoch: int
) -> None:
    long, held = submit(), None
    held = start(long)
    has_run(held, 30 * HOUR)
    short = bobs()
    assert dispatch.dispatch(now=now(), epoch=epoch) == 0
    assert state(long) == (Status.RUNNING, Request.NONE)
    assert dispatch.dispatch(now=now(), epoch=epoch, full=True) == 0
    assert state(long) == (Status.RUNNING, Request.PREEMPT)
    assert state(short)[0] == Status.QUEUED  # the place is not free yet
    assert "give way" in long.events.order_by("-id")[0].sentence
    lifecycle.end(held, EndReason.PREEMPTED)
    assert dispatch.dispatch(now=now(), epoch=epoch) == 1
    assert (state(short)[0], state(long)) == (Status.STARTING, (Status.QUEUED, Request.NONE))


def test_who_began_a_moment_ago_is_left_alone(submit: Submit, bobs: Submit, start: Start, epoch: int) -> None:
    first = submit()
    has_run(start(first), timedelta(seconds=DEFAULT.protect_s - 60))
    bobs()
    dispatch.dispatch(now=now(), epoch=epoch, full=True)
    assert state(first) == (Status.RUNNING, Request.NONE)


def test_a_build_keeps_its_place(submit: Submit, bobs: Submit, start: Start, epoch: int) -> None:
    build = submit()
    Job.objects.filter(pk=build.pk).update(kind="build")
    has_run(start(build), 30 * HOUR)
    bobs()
    dispatch.dispatch(now=now(), epoch=epoch, full=True)
    assert state(build) == (Status.RUNNING, Request.NONE)


def test_a_deposed_leader_asks_nobody(submit: Submit, bobs: Submit, start: Start, epoch: int) -> None:
    long = submit()
    has_run(start(long), 30 * HOUR)
    bobs()
    dispatch.dispatch(now=now(), epoch=epoch - 1, full=True)
    assert state(long) == (Status.RUNNING, Request.NONE)


def test_what_its_owner_asked_stands(submit: Submit, bobs: Submit, start: Start, epoch: int) -> None:
    long = submit()
    has_run(start(long), 30 * HOUR)
    bobs()
    services.stop_job(job=long, actor=long.owner)
    dispatch.dispatch(now=now(), epoch=epoch, full=True)
    assert state(long) == (Status.RUNNING, Request.STOP)


def spend(member: Member, hours: float) -> None:
    ledger.charge(
        member=member, attempt_id=f"used-{hours}", kind="cpu", device_seconds=hours * 3600, refunded=False
    )


def test_over_the_months_hours_a_job_takes_what_is_idle_and_gives_way_at_once(
    submit: Submit, bobs: Submit, alice: Member, epoch: int
) -> None:
    Quota.objects.create(member=alice, cpu_hours=10)
    spend(alice, 11)
    over = submit()
    assert dispatch.dispatch(now=now(), epoch=epoch) == 1
    held = lifecycle.claim(Attempt.objects.get(job=over).pk, holder="n")
    assert held is not None
    lifecycle.started(held)
    within = bobs()
    dispatch.dispatch(now=now(), epoch=epoch)
    assert state(over) == (Status.RUNNING, Request.PREEMPT)
    lifecycle.end(held, EndReason.PREEMPTED)
    dispatch.dispatch(now=now(), epoch=epoch)
    assert (state(within)[0], state(over)[0]) == (Status.STARTING, Status.QUEUED)


def test_a_class_that_is_closed_to_a_member_is_not_used_for_any(
    submit: Submit, alice: Member, node: Node, epoch: int
) -> None:
    job = submit()
    Quota.objects.create(member=alice, cpu_hours=0)
    assert dispatch.dispatch(now=now(), epoch=epoch) == 0
    gpu = Accelerator.objects.create(node=node, kind="gpu")
    assert dispatch.dispatch(now=now(), epoch=epoch) == 1
    assert list(Attempt.objects.get(job=job).accelerators.all()) == [gpu]


def test_hours_that_are_left_are_used_before_those_that_are_spent(
    submit: Submit, alice: Member, node: Node, epoch: int
) -> None:
    Quota.objects.create(member=alice, gpu_hours=1)
    ledger.charge(member=alice, attempt_id="x", kind="gpu", device_seconds=3700, refunded=False)
    Accelerator.objects.create(node=node, kind="gpu", relative_speed=10)
    job = submit()
    dispatch.dispatch(now=now(), epoch=epoch)
    assert Attempt.objects.get(job=job).accelerator_kind == "cpu"


def test_what_a_job_has_had_and_has_to_go_is_told_in_seconds_on_its_fastest_type(
    submit: Submit, start: Start, node: Node
) -> None:
    Accelerator.objects.filter(node=node).update(relative_speed=1.0)
    job = submit()
    held = start(job)
    Accelerator.objects.create(node=node, kind="gpu", relative_speed=4.0)
    has_run(held, HOUR)
    Job.objects.filter(pk=job.pk).update(
        position={"step": 100, "steps": 300, "steps_per_s": 0.5, "checkpoint_s": 7}
    )
    jobs = columns.take_snapshot(columns.take_machine(), now=now()).jobs
    assert jobs.ran[0] == pytest.approx(3600, abs=5)
    assert jobs.attained[0] == pytest.approx(900, abs=5)
    assert jobs.remaining[0] == pytest.approx(400 / 4)
    assert jobs.checkpoint_s[0] == 7


def finished(job: Job, held: Held, seconds: float) -> None:
    lifecycle.end(held, EndReason.DONE)
    ended = Attempt.objects.get(pk=held.attempt_id).ended_at
    assert ended is not None
    Attempt.objects.filter(pk=held.attempt_id).update(started_at=ended - timedelta(seconds=seconds))


def test_lengths_are_learnt_from_those_before(submit: Submit, start: Start) -> None:
    """Nine samples, ten epochs in 90 s: one second a sample and epoch; so twenty epochs take 180 s."""
    first = submit(params={"epochs": 10})
    finished(first, start(first), 90)
    submit(params={"epochs": 20})
    jobs = columns.take_snapshot(columns.take_machine(), now=now()).jobs
    assert jobs.remaining[0] == pytest.approx(180, rel=0.02)
    table = lives.learn(now=now())
    assert table.gittins(jobs.attained)[0] > lives.lifetable.EMPTY.gittins(jobs.attained)[0]


def test_when_everything_is_weighed_anew(submit: Submit, bobs: Submit, start: Start, epoch: int) -> None:
    clock = [0.0]
    mine = passes.Passes(clock=lambda: clock[0])
    first = submit()
    mine.run(now=now(), epoch=epoch)  # a leader begins with a full one
    assert state(first)[0] == Status.STARTING
    held = lifecycle.claim(Attempt.objects.get(job=first).pk, holder="n")
    assert held is not None
    lifecycle.started(held)
    has_run(held, 30 * HOUR)
    clock[0] = DEFAULT.full_soon_s + 1
    mine.run(now=now(), epoch=epoch)
    assert state(first)[1] == Request.NONE  # nobody waits
    bobs()
    mine.run(now=now(), epoch=epoch)
    clock[0] += DEFAULT.full_soon_s - 1
    mine.run(now=now(), epoch=epoch)
    assert state(first)[1] == Request.NONE
    clock[0] += 1
    mine.run(now=now(), epoch=epoch)
    assert state(first)[1] == Request.PREEMPT


@pytest.mark.parametrize("speed", [1.5, 10.0])
def test_everything_is_weighed_anew_for_who_runs_where_it_is_slow(
    submit: Submit, start: Start, node: Node, epoch: int, speed: float
) -> None:
    """Nobody waits, but the second runs on what does less than half of what the first has."""
    clock, began = [0.0], DEFAULT.full_soon_s
    mine = passes.Passes(clock=lambda: clock[0])
    gpu = Accelerator.objects.create(node=node, kind="gpu", relative_speed=speed)
    lifecycle.begin(submit(), node=node, accelerators=[gpu])
    mine.run(now=now(), epoch=epoch)
    second = submit()
    clock[0] = 1.0
    assert mine.run(now=now(), epoch=epoch) == 1
    assert Attempt.objects.get(job=second).accelerator_kind == "cpu"
    clock[0] += began
    mine.run(now=now(), epoch=epoch)
    assert (mine._full_at == clock[0]) == (speed > 1 / DEFAULT.slow)


@pytest.fixture
def cards(node: Node) -> list[Accelerator]:
    return [Accelerator.objects.create(node=node, kind="gpu", index=index) for index in range(4)]


@pytest.fixture
def leavers(
    submit: Submit, bobs: Submit, alice: Member, node: Node, cards: list[Accelerator], epoch: int
) -> list[Held]:
    """Four of Alice's jobs that were asked to leave, for Bob's gang of four."""
    Quota.objects.create(member=alice, concurrent_jobs=9)
    held = []
    for card in cards:
        job = submit(resources={"accelerator": "gpu"})
        attempt = lifecycle.begin(job, node=node, accelerators=[card])
        claimed = lifecycle.claim(attempt.pk, holder="n")
        assert claimed is not None
        lifecycle.started(claimed)
        has_run(claimed, 30 * HOUR)
        held.append(claimed)
    bobs(resources={"accelerator": "gpu", "count": 4})
    dispatch.dispatch(now=now(), epoch=epoch, full=True)
    assert Job.objects.filter(request=Request.PREEMPT).count() == 4
    return held


def test_a_gang_gets_the_places_that_were_asked_for_it(
    submit: Submit, bob: Member, cards: list[Accelerator], leavers: list[Held], epoch: int
) -> None:
    """Every pass is by a leader that knows nothing of those before; a job that a steward raised comes meanwhile."""
    raised = submit(resources={"accelerator": "gpu"})
    Job.objects.filter(pk=raised.pk).update(boost=1000.0)
    for held in leavers:
        assert dispatch.dispatch(now=now(), epoch=epoch) == 0
        lifecycle.end(held, EndReason.PREEMPTED)
    assert dispatch.dispatch(now=now(), epoch=epoch) == 1
    gang = Attempt.objects.get(job__owner=bob)
    assert set(gang.accelerators.all()) == set(cards)
    assert not Promise.objects.exists()


def test_a_place_is_kept_no_longer_than_leaving_may_take(
    submit: Submit, leavers: list[Held], epoch: int, settings: Any
) -> None:
    single = submit(resources={"accelerator": "gpu"})
    Job.objects.filter(pk=single.pk).update(boost=1000.0)
    lifecycle.end(leavers[0], EndReason.PREEMPTED)
    assert dispatch.dispatch(now=now(), epoch=epoch) == 0
    late = now() + settings.HUNG_AFTER_S + 1
    assert dispatch.dispatch(now=late, epoch=epoch) == 1
    assert state(single)[0] == Status.STARTING


def test_a_deposed_leader_promises_nothing(submit: Submit, bobs: Submit, start: Start, epoch: int) -> None:
    has_run(start(submit()), 30 * HOUR)
    bobs()
    dispatch.dispatch(now=now(), epoch=epoch - 1, full=True)
    assert not Promise.objects.exists()
    dispatch.dispatch(now=now(), epoch=epoch, full=True)
    assert Promise.objects.count() == 1
