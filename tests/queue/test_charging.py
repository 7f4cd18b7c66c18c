"""What an attempt is charged: its time by the price, by the part of the accelerator that it took; and its energy."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from hardware.nodes.models import Accelerator, Node, NodeSample
from hardware.nodes.probe.energy import ANY_W, CORE_W, Energy
from jobs.queue import lifecycle, sweeps
from jobs.queue.charging import mean_part
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import EndReason
from portal.core import leases
from portal.ledger.models import LedgerEntry

pytestmark = pytest.mark.django_db
Submit = Callable[..., Job]
Start = Callable[[Job], Held]
HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def charged(attempt: str) -> LedgerEntry:
    return LedgerEntry.objects.get(attempt=attempt, corrects=None)


def test_who_is_alone_is_charged_for_the_whole(submit: Submit, start: Start) -> None:
    Accelerator.objects.update(price=3.0)
    held = start(submit(resources={"memory_mb": 512}))
    lifecycle.end(held, EndReason.DONE, seconds=7200.0, energy=Energy(1.8e6, measured=True))
    entry = charged(held.attempt_id)
    assert (entry.weight, entry.device_seconds) == (pytest.approx(3.0), 7200.0)
    assert (entry.energy_kwh, entry.energy_measured) == (0.5, True)


@pytest.mark.parametrize(("memory_mb", "part"), [(1024, 0.5), (6144, 0.75)])
def test_two_that_share_pay_by_memory_or_by_time_whichever_is_more(
    submit: Submit, start: Start, memory_mb: int, part: float
) -> None:
    Accelerator.objects.update(price=10.0, sharing=2)
    first, second = (start(submit(resources={"memory_mb": memory_mb})) for _ in range(2))
    Attempt.objects.update(started_at=NOON)
    lifecycle.end(first, EndReason.DONE, seconds=60.0, energy=Energy(10.0, measured=False))
    Attempt.objects.filter(pk=first.attempt_id).update(ended_at=at(60 * 24 * 3650))
    lifecycle.end(second, EndReason.DONE, seconds=60.0)
    for held in (first, second):
        assert charged(held.attempt_id).weight == pytest.approx(10.0 * part, rel=1e-3)
    assert not charged(first.attempt_id).energy_measured


@pytest.mark.parametrize("reason", [EndReason.PREEMPTED, EndReason.DRAINED])
def test_what_was_lost_by_leaving_unsaved_is_given_back(
    reason: EndReason, submit: Submit, start: Start, node: Node
) -> None:
    """A quarter of an hour on two accelerators, one of which costs three times as much."""
    Accelerator.objects.create(node=node, kind="cpu", index=1, price=3.0)
    job = submit()
    held = start(job)
    Attempt.objects.filter(pk=held.attempt_id).update(started_at=timezone.now() - HOUR)
    lifecycle.end(held, reason, seconds=3600.0, lost_s=900.0)
    entry = charged(held.attempt_id)
    (back,) = LedgerEntry.objects.exclude(pk=entry.pk)
    assert (back.corrects, back.weight, back.created_at) == (entry, entry.weight, entry.created_at)
    assert (entry.device_seconds, back.device_seconds, entry.weight) == (7200.0, -1800.0, pytest.approx(2.0))
    assert back.began_at is not None
    assert entry.created_at - back.began_at == pytest.approx(HOUR / 4, abs=timedelta(seconds=1))
    assert back.reason == job.events.order_by("-id")[0].sentence
    assert "before it could save" in back.reason


@pytest.mark.parametrize("reason", [EndReason.CRASHED, EndReason.CANCELLED, EndReason.NODE_LOST])
def test_what_ended_otherwise_has_nothing_more_given_back(
    reason: EndReason, submit: Submit, start: Start
) -> None:
    held = start(submit())
    lifecycle.end(held, reason, seconds=3600.0, lost_s=900.0)
    assert LedgerEntry.objects.get() == charged(held.attempt_id)


def died(held: Held, *, after: timedelta = HOUR) -> LedgerEntry:
    """What is entered for an attempt whose node died so long after it began; then it is long ago."""
    attempt, began = Attempt.objects.filter(pk=held.attempt_id), timezone.now() - after
    attempt.update(started_at=began, lease_expires_at=leases.in_future(-1))
    sweeps.reap()
    attempt.update(started_at=began - 9 * HOUR, ended_at=began - 8 * HOUR)
    return charged(held.attempt_id)


def sample(accelerator: Accelerator, **reading: float) -> None:
    NodeSample.objects.create(accelerator=accelerator, at=timezone.now() - HOUR / 2, **reading)


def test_the_energy_of_an_attempt_whose_node_died_is_estimated_by_what_was_read_of_it(
    submit: Submit, start: Start, node: Node
) -> None:
    cpu = node.accelerators.get()
    entry = died(start(submit()))
    assert (entry.refunded, entry.energy_kwh, entry.energy_measured) == (True, None, False)
    Node.objects.update(probe={"cpu": {"cores": 4}})
    estimates = [died(start(submit())).energy_kwh]
    sample(cpu, utilisation=0.25)
    estimates.append(died(start(submit())).energy_kwh)
    sample(cpu, power_w=60.0)
    last = died(start(submit()))
    kwh = 4 * CORE_W / 1000
    assert [*estimates, last.energy_kwh] == pytest.approx([kwh, kwh / 4, 0.06], rel=1e-3)
    assert not last.energy_measured


def test_what_others_took_of_a_dead_node_is_not_its_own(submit: Submit, start: Start, node: Node) -> None:
    """The processor is everybody's on the node, the GPU its own."""
    gpu = Accelerator.objects.create(node=node, kind="gpu", index=0)
    Node.objects.update(probe={"cpu": {"cores": 4}})
    beside, alone = start(submit()), start(submit())
    Attempt.objects.get(pk=beside.attempt_id).accelerators.remove(gpu)
    Attempt.objects.filter(pk=beside.attempt_id).update(started_at=timezone.now() - 2 * HOUR)
    expected = (4 * CORE_W / 2 + ANY_W) / 1000
    assert died(alone).energy_kwh == pytest.approx(expected, rel=1e-3)


def test_what_runs_on_another_accelerator_is_not_beside_it(submit: Submit, start: Start, node: Node) -> None:
    other = Accelerator.objects.create(node=node, kind="cpu", index=1, memory_bytes=1)
    first, second = start(submit()), start(submit())
    Attempt.objects.get(pk=first.attempt_id).accelerators.set([other])
    Attempt.objects.get(pk=second.attempt_id).accelerators.remove(other)
    lifecycle.end(second, EndReason.DONE)
    assert charged(second.attempt_id).weight == pytest.approx(1.0)


def test_the_part_follows_who_comes_and_goes() -> None:
    span = (at(0), at(60))
    assert mean_part(span, [], 0.25) == 1.0
    assert mean_part(span, [(at(-30), at(30))], 0.25) == pytest.approx(0.75)
    assert mean_part(span, [(at(0), at(60)), (at(30), at(90))], 0.0) == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert mean_part(span, [(at(-20), at(0)), (at(60), at(70))], 0.0) == 1.0
    assert mean_part((at(0), at(0)), [], 0.0) == 1.0


SPANS = st.lists(st.tuples(st.integers(0, 99), st.integers(1, 50)), min_size=1, max_size=8)


@given(SPANS)
def test_together_they_pay_for_the_time_that_the_accelerator_was_taken(spans: list[tuple[int, int]]) -> None:
    jobs = [(at(begin), at(begin + length)) for begin, length in spans]
    paid = sum(
        mean_part(job, jobs[:row] + jobs[row + 1 :], 0.0) * (job[1] - job[0]).total_seconds()
        for row, job in enumerate(jobs)
    )
    taken = {minute for begin, length in spans for minute in range(begin, begin + length)}
    assert paid == pytest.approx(60 * len(taken))
