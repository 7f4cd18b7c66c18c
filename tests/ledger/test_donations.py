"""Given nodes earn their donors a larger share: entered once a day, whatever happens to the sweep."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from hardware.nodes import donations, samples, services
from hardware.nodes.models import Accelerator, Node, NodeSample
from hardware.nodes.probe.sampling import Reading
from jobs.queue import kinds
from portal.core import leases
from portal.ledger import queries, shares
from portal.ledger.models import Donation
from portal.members.models import Member
from tests.queue.test_races import at_once

NOON = datetime(2026, 5, 20, 12, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def node(alice: Member) -> Node:
    made = Node.objects.create(name="mill-1", key_sha256="0" * 64, donor=alice, donor_since=NOON - 2 * DAY)
    Accelerator.objects.create(node=made, kind="cpu", price=1.0)
    Accelerator.objects.create(node=made, kind="gpu", price=10.0)
    Accelerator.objects.create(node=made, kind="gpu", index=1, price=10.0, enabled=False)
    return made


def beat(node: Node, at: datetime, *, minutes: int, takes_work: bool = True) -> None:
    cpu = node.accelerators.get(kind="cpu")
    NodeSample.objects.bulk_create(
        NodeSample(accelerator=cpu, at=at + timedelta(seconds=second), takes_work=takes_work)
        for second in range(0, 60 * minutes, 15)
    )


def entered() -> list[tuple[int, float]]:
    return [(row.day.day, row.node_seconds / 60) for row in Donation.objects.order_by("day")]


@pytest.mark.django_db
def test_the_days_that_are_over_are_entered_once(node: Node, alice: Member) -> None:
    beat(node, NOON - 3 * DAY, minutes=60)  # before it was given
    beat(node, NOON - DAY, minutes=28)
    beat(node, NOON - DAY + timedelta(hours=1), minutes=90, takes_work=False)
    beat(node, NOON, minutes=60)  # of today
    assert donations.sweep(NOON) == 2
    assert donations.sweep(NOON) == 0
    assert entered() == [(18, 0.0), (19, 30.0)]
    assert {(row.member_id, row.weight) for row in Donation.objects.all()} == {(alice.pk, 11.0)}
    assert donations.sweep(NOON + DAY) == 1
    assert entered()[-1] == (20, 65.0)  # 12:02 to 13:02, in steps of five minutes


@pytest.mark.django_db
def test_what_no_job_can_use_earns_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it is there and takes work: a TPU, until there is a kind of job that runs on it."""
    Accelerator.objects.create(node=node, kind="tpu", price=20.0)
    beat(node, NOON - DAY, minutes=10)
    donations.sweep(NOON)
    assert {row.weight for row in Donation.objects.all()} == {11.0}
    build = replace(kinds.KINDS["build"], name="search", runs_on=frozenset({"tpu"}))
    monkeypatch.setitem(kinds.KINDS, build.name, build)
    donations.sweep(NOON + DAY)
    assert Donation.objects.latest("day").weight == 31.0


@pytest.mark.django_db
def test_a_sweep_that_comes_late_counts_the_same_from_what_was_thinned(node: Node) -> None:
    beat(node, NOON - DAY, minutes=28)
    beat(node, NOON - DAY + timedelta(hours=1), minutes=90, takes_work=False)
    samples.thin_samples(NOON + 20 * DAY)
    assert not NodeSample.objects.filter(span_s=0).exists()
    donations.sweep(NOON + 20 * DAY)
    assert (19, 30.0) in entered()
    assert sum(minutes for _day, minutes in entered()) == 30.0


@pytest.mark.django_db
def test_another_donor_gets_what_is_given_from_then_on(node: Node, bob: Member, cora: Member) -> None:
    now = leases.clock()
    Node.objects.update(donor_since=now - DAY)
    node.refresh_from_db()
    beat(node, now - timedelta(minutes=30), minutes=20)
    services.set_donor(node, bob, cora)
    first = sum(row.node_seconds for row in Donation.objects.all())
    assert 1200 <= first <= 1800
    beat(node, leases.clock(), minutes=10)
    donations.sweep(now + 2 * DAY)
    of_bob = sum(row.node_seconds for row in Donation.objects.filter(member=bob))
    assert 600 <= of_bob <= 900
    services.set_donor(node, None, cora)
    assert node.donor_since is None


@pytest.mark.django_db
def test_a_heartbeat_tells_whether_the_node_takes_work(node: Node, cora: Member) -> None:
    def told(trouble: str = "") -> bool:
        NodeSample.objects.all().delete()
        services.heartbeat(node, {}, trouble=trouble, readings=[Reading("cpu", 0)])
        return NodeSample.objects.get().takes_work

    assert told()
    assert not told("Its disk is nearly full.")
    services.set_state(node, services.NodeState.DRAINING, cora)
    assert not told()


@pytest.mark.django_db(transaction=True)
def test_sweeps_at_the_same_moment_enter_each_day_once(node: Node) -> None:
    beat(node, NOON - DAY, minutes=10)
    at_once(*[lambda: donations.sweep(NOON)] * 4)
    assert entered() == [(18, 0.0), (19, 15.0)]


@pytest.mark.django_db
def test_who_gives_is_entitled_to_more_until_it_fades(alice: Member, bob: Member, cora: Member) -> None:
    today = leases.clock().date()
    for age in range(1, 57):
        Donation.objects.create(
            member=alice, node="n", day=today - age * DAY, node_seconds=shares.DAY_S, weight=1.0
        )
    assert queries.share_of(alice).share == pytest.approx(2 / 4)
    assert queries.share_of(bob).share == pytest.approx(1 / 4)
    standing = queries.standing([alice.pk, bob.pk])
    assert standing[alice.pk].share == pytest.approx(2 / 3)
    Donation.objects.filter(day__gte=today - 7 * DAY).update(weight=0.0)
    assert queries.share_of(alice).share == pytest.approx((1 + 0.5) / 3.5, rel=0.01)


@pytest.mark.django_db
def test_the_statement_and_its_api_tell_what_was_given(
    alice: Member, bob: Member, api_for: Callable[..., Any], client: Client
) -> None:
    today = leases.clock().date()
    for member, node, seconds in ((alice, "mill-n", 7200.0), (alice, "mill-m", 3600.0), (bob, "other", 60.0)):
        Donation.objects.create(member=member, node=node, day=today, node_seconds=seconds, weight=11.0)
    told = api_for(alice).get("/api/v1/me/statement").json()
    assert told["given_hours"] == pytest.approx(33.0)
    assert [(row["node"], row["weighted_hours"]) for row in told["donations"]] == [
        ("mill-m", 11.0),
        ("mill-n", 22.0),
    ]
    client.force_login(alice)
    page = client.get("/ledger").content.decode()
    assert "mill-n" in page
    assert "other" not in page


AMOUNTS = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1e9), min_size=1)
SHARES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 100), min_size=1)


@given(SHARES, AMOUNTS)
def test_fractions_sum_to_one_and_gifts_take_at_most_half(
    given_: dict[str, float], donated: dict[str, float]
) -> None:
    found = shares.entitled(given_, donated)
    assert sum(found.values()) == pytest.approx(1.0)
    for member, share in given_.items():
        assert found[member] >= share / sum(given_.values()) / 2 - 1e-12


@given(SHARES, AMOUNTS, st.floats(0, 1e9), st.floats(0, 1))
def test_more_is_earned_by_more_and_not_by_two_names(
    given_: dict[str, float], donated: dict[str, float], more: float, part: float
) -> None:
    me = min(given_)
    mine = donated.get(me, 0.0) + more
    whole = shares.entitled(given_, donated | {me: mine})
    assert whole[me] >= shares.entitled(given_, donated)[me] - 1e-12
    halves = shares.entitled(
        given_ | {me: given_[me] / 2, "x": given_[me] / 2},
        donated | {me: mine * part, "x": mine * (1 - part)},
    )
    assert halves[me] + halves["x"] == pytest.approx(whole[me])
