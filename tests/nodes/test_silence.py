"""A node that is not heard of: shown so in time, whoever sweeps, and with a steward's word left standing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from hardware.nodes import services
from hardware.nodes.models import Node, NodeState
from jobs.queue.management.commands import scheduler
from portal.members.models import Member

pytestmark = pytest.mark.django_db
PROMISED = timedelta(seconds=30)
Api = Callable[[Member], APIClient]
Browser = Callable[[Member], Client]


def last_heard_of(seconds: float) -> None:
    Node.objects.update(last_seen_at=timezone.now() - timedelta(seconds=seconds))


def test_it_is_marked_within_the_promised_time_however_the_sweep_falls(mill: Node) -> None:
    """The sweep comes every so often, after a pass and a wait."""
    last_heard_of(21)
    sweep = next(each for each in scheduler.chores() if each.judges)
    assert services.SILENT_AFTER + timedelta(seconds=sweep.every_s + 2 * scheduler.PASS_S) < PROMISED
    sweep.do()
    mill.refresh_from_db()
    assert mill.state == NodeState.OFFLINE


@pytest.mark.usefixtures("mill")
def test_it_is_shown_as_offline_though_nobody_has_swept(
    alice: Member, api_for: Api, client_for: Browser
) -> None:
    for seconds, state in ((19, "active"), (21, "offline")):
        last_heard_of(seconds)
        row = api_for(alice).get("/api/v1/nodes").json()[0]
        assert (row["state"], row["silent"]) == (state, state == "offline")
        for page in ("/machine", f"/machine/nodes/{row['id']}"):
            assert f'badge badge-{state}"' in client_for(alice).get(page).content.decode()
    assert Node.objects.get().state == NodeState.ACTIVE  # the sweep is yet to come


@pytest.mark.parametrize("word", [NodeState.DRAINING, NodeState.MAINTENANCE])
def test_a_stewards_word_stands_and_the_silence_is_told(
    word: NodeState, mill: Node, alice: Member, cora: Member, api_for: Api, client_for: Browser
) -> None:
    services.set_state(mill, word, cora)
    path = f"/machine/nodes/{mill.pk}"
    assert "not heard of" not in client_for(alice).get(path).content.decode()
    last_heard_of(25)
    services.mark_silent(timezone.now())
    row = api_for(alice).get(f"/api/v1/nodes/{mill.pk}").json()
    assert (row["state"], row["silent"]) == (word, True)
    for page in (path, "/machine"):
        assert "It is not heard of" in client_for(alice).get(page).content.decode()
    assert f"{word.label}, not heard of" in client_for(cora).get("/admin/nodes/node/").content.decode()
    services.heartbeat(mill, {})
    assert not api_for(alice).get(f"/api/v1/nodes/{mill.pk}").json()["silent"]
    assert "not heard of" not in client_for(alice).get(path).content.decode()
