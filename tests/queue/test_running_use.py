"""What runs counts while it runs: for the month's hours, and for who goes first."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.datasets.models import Version, Visibility
from jobs.queue import columns, lifecycle, services
from jobs.queue.admission import parse_spec
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import EndReason
from jobs.scheduler.policy import DEFAULT
from jobs.scheduler.weight import weigh
from portal.ledger import queries as ledger
from portal.ledger.models import Donation, LedgerEntry, Quota
from portal.members.models import Member

Submit = Callable[..., Job]
Start = Callable[..., Held]
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


def has_run(held: Held, since: timedelta) -> None:
    """As if the attempt had begun so long ago."""
    then = timezone.now() - since
    Attempt.objects.filter(pk=held.attempt_id).update(created_at=then, started_at=then)


def hours(member: Member) -> float:
    return ledger.usage(member).device_hours["cpu"]


def since_the_first() -> timedelta:
    now = timezone.now()
    return now - ledger.month_start(now)


@pytest.fixture
def bobs(version: Version, bob: Member) -> Submit:
    """Submit a job of Bob's on the same data."""
    version.dataset.visibility = Visibility.COMMUNITY
    version.dataset.save()

    def make(**changes: object) -> Job:
        body = {"recipe": "image-classifier", "dataset": version.dataset_id, **changes}
        return services.submit_job(owner=bob, spec=parse_spec(body))

    return make


def test_hours_count_from_the_first_second_and_once(
    submit: Submit, start: Start, alice: Member, node: Node, api_for: Callable[..., Any]
) -> None:
    Accelerator.objects.create(node=node, kind="cpu", index=1)
    held = start(submit())
    ran = min(3 * HOUR, since_the_first())
    has_run(held, ran)
    told = api_for(alice).get("/api/v1/me").json()["usage"]["device_hours"]
    assert told["cpu"] == pytest.approx(2 * ran / HOUR, abs=0.01)
    lifecycle.end(held, EndReason.DONE)
    assert hours(alice) == pytest.approx(2 * ran / HOUR, abs=0.01)


def test_of_a_month_ago_only_this_months_part_counts(submit: Submit, start: Start, alice: Member) -> None:
    held, of_this = start(submit()), since_the_first()
    has_run(held, of_this + 50 * HOUR)
    assert hours(alice) == pytest.approx(of_this / HOUR, abs=0.01)
    lifecycle.end(held, EndReason.DONE)
    assert hours(alice) == pytest.approx(of_this / HOUR, abs=0.01)
    assert LedgerEntry.objects.get().hours == pytest.approx(of_this / HOUR + 50, abs=0.01)


def test_who_is_over_their_hours_while_it_runs_takes_only_what_is_idle(
    submit: Submit, start: Start, alice: Member
) -> None:
    ran = min(3 * HOUR, since_the_first())
    Quota.objects.create(member=alice, cpu_hours=ran / HOUR / 2)
    job = submit()
    held = start(job)
    assert not columns.somebody_gives_way(timezone.now().timestamp())
    has_run(held, ran)
    assert ledger.hours_standing([alice.pk])[alice.pk].spent == {"cpu"}
    assert columns.somebody_gives_way(timezone.now().timestamp())
    [spare] = columns.take_snapshot(columns.take_machine(), now=timezone.now().timestamp()).jobs.spare
    assert spare


def test_my_factor_is_the_one_by_which_the_scheduler_weighs_my_jobs(
    submit: Submit,
    bobs: Submit,
    start: Start,
    alice: Member,
    bob: Member,
    cora: Member,
    api_for: Callable[..., Any],
) -> None:
    """Of those who have jobs: Cora, who has none, used much and is no rival."""
    Quota.objects.create(member=alice, share=3.0)
    Accelerator.objects.update(price=2.0)
    held = start(submit())
    has_run(held, 5 * HOUR)
    bobs()
    for member, used in ((alice, 3600.0), (bob, 7200.0), (cora, 9e6)):
        LedgerEntry.objects.create(member=member, attempt=member.username, kind="cpu", device_seconds=used)
    snapshot = columns.take_snapshot(columns.take_machine(), now=timezone.now().timestamp())
    assert snapshot.owners.usage == pytest.approx([3600 + 2 * 5 * 3600, 7200], rel=1e-3)
    unfair = replace(DEFAULT, fair_power=0.0)
    fair = weigh(snapshot, DEFAULT).weight / weigh(snapshot, unfair).weight
    told = [api_for(member).get("/api/v1/me").json()["share"]["fair_factor"] for member in (alice, bob)]
    assert told == pytest.approx(fair.tolist(), rel=1e-3)
    assert ledger.share_of(cora).used_fraction == pytest.approx(9e6 / (9e6 + 3600 + 36_000 + 7200), rel=1e-3)


@pytest.mark.parametrize("off", [timedelta(days=40), timedelta(days=-40)], ids=["ahead", "behind"])
def test_what_is_used_is_counted_by_the_databases_clock_whatever_ours_says(
    off: timedelta,
    submit: Submit,
    start: Start,
    alice: Member,
    bob: Member,
    cora: Member,
    monkeypatch: pytest.MonkeyPatch,
    api_for: Callable[..., Any],
) -> None:
    Quota.objects.create(member=alice, cpu_hours=1.0)
    has_run(start(submit()), min(3 * HOUR, since_the_first()))
    LedgerEntry.objects.create(member=bob, attempt="b", kind="cpu", device_seconds=36_000.0)
    Donation.objects.create(member=cora, node="mill", day=timezone.now().date(), node_seconds=9e5, weight=1.0)

    def figures(now: float) -> list[float]:
        owners = columns.take_snapshot(columns.take_machine(), now=now).owners
        standing = ledger.standing([alice.pk, bob.pk]).values()
        return [
            hours(alice),
            *api_for(alice).get("/api/v1/me").json()["share"].values(),
            *owners.usage,
            *owners.share,
            *(each.used_s for each in standing),
            *sorted(ledger.entitlements().values()),
            *ledger.worth([alice.pk, cora.pk]).values(),
        ]

    right, now = timezone.now, timezone.now().timestamp()
    before = figures(now)
    monkeypatch.setattr(timezone, "now", lambda: right() + off)
    assert figures(now) == pytest.approx(before, rel=1e-3)
    assert ledger.hours_standing([alice.pk])[alice.pk].spent == {"cpu"}
    assert columns.somebody_gives_way(now)
