"""A node whose clock is wrong: stewards are told, and nothing goes by it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from hardware.nodes import services
from hardware.nodes.models import Node, NodeState
from portal.members.models import Member
from tests.nodes.conftest import CPU, registered

pytestmark = pytest.mark.django_db
HOURS = [timedelta(hours=2), timedelta(hours=-2)]


@pytest.mark.parametrize("off", HOURS, ids=["ahead", "behind"])
def test_the_difference_is_noted_and_nothing_else(off: timedelta, mill: Node) -> None:
    services.heartbeat(mill, {}, clock=timezone.now() + off)
    mill.refresh_from_db()
    assert mill.clock_skew == pytest.approx(off, abs=timedelta(seconds=2))
    assert mill.last_seen_at == pytest.approx(timezone.now(), abs=timedelta(seconds=5))


@pytest.mark.parametrize("off", HOURS, ids=["ahead", "behind"])
def test_it_registers_by_the_databases_clock(off: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    right = timezone.now

    def wrong() -> datetime:
        return right() + off

    with monkeypatch.context() as patched:
        patched.setattr(timezone, "now", wrong)
        registered(CPU)
    assert services.mark_silent(right() + timedelta(seconds=19)) == 0
    assert services.mark_silent(right() + timedelta(seconds=21)) == 1
    assert Node.objects.get().state == NodeState.OFFLINE


def test_stewards_are_told_in_the_api(
    mill: Node, alice: Member, cora: Member, api_for: Callable[..., APIClient]
) -> None:
    assert api_for(cora).get("/api/v1/nodes").json()[0]["clock_skew_s"] is None
    services.heartbeat(mill, {}, clock=timezone.now() - timedelta(seconds=90))
    assert api_for(cora).get("/api/v1/nodes").json()[0]["clock_skew_s"] == pytest.approx(-90, abs=2)
    assert api_for(alice).get("/api/v1/nodes").json()[0]["clock_skew_s"] is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(200, "It is 3 min 20 s ahead"), (-7200, "It is 2 h behind"), (4, None), (-4, None)],
)
def test_stewards_are_told_on_the_page_when_it_is_more_than_five_seconds(
    seconds: int,
    words: str | None,
    mill: Node,
    alice: Member,
    cora: Member,
    client_for: Callable[..., Client],
) -> None:
    Node.objects.update(clock_skew=timedelta(seconds=seconds))
    page = client_for(cora).get(f"/machine/nodes/{mill.pk}").content.decode()
    assert ("Its clock is wrong" in page) == (words is not None)
    assert words is None or words in page
    assert "clock is wrong" not in client_for(alice).get(f"/machine/nodes/{mill.pk}").content.decode()
