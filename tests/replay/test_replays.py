"""Replays from the command line and on the stewards' page, and what becomes of one that is killed."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from jobs.queue import tasks
from jobs.queue.models import Replay, Trial
from jobs.queue.replay import services
from jobs.queue.replay.services import Wish
from portal.core import leases
from portal.kit.errors import UserError
from portal.members.models import AuditEntry, Member
from tests.replay import month as month_of

Make = Callable[..., Any]


@pytest.fixture
def month(ran: Make, alice: Member, bob: Member) -> None:
    """Alice and Bob each submit four jobs of two hours at once: they take turns."""
    for number in range(8):
        ran((alice, bob)[number % 2], 100 - number / 3600, 99 - 2 * number, 97 - 2 * number)


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("replay", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_who_waits_longer(month: None) -> None:
    said = command("--days", "7", "--set", "share.bob=3")
    assert said.startswith("8 jobs of 7 days, on 1 accelerators, under: share.bob=3\n")
    lines = [
        line.split()[0] for line in said.splitlines() if line.endswith(("longer in all", "shorter in all"))
    ]
    assert lines[:2] == ["alice", "bob"]
    assert "How far to trust this: the 8 that have ended" in said


def test_json_is_for_scripts(month: None) -> None:
    said = json.loads(command("--set", "share.bob=3", "--set", "half_life=3d", "--json"))
    assert said["asked"]["set"] == ["share.bob=3", "half_life=3d"]
    assert [line["member"] for line in said["lines"]] == ["alice", "bob"]
    assert said["lines"][0]["change_s"] > 0 > said["lines"][1]["change_s"]
    assert (said["facts"]["jobs"], said["facts"]["left_out"]) == (8, {})
    kept = Replay.objects.get(pk=said["id"])
    assert (kept.state, kept.asked_by) == (Trial.DONE, None)


def test_more_machine_is_less_wait(month: None) -> None:
    said = json.loads(command("--add", "cpu=9", "--json"))
    assert said["whole"]["after"]["wait_mean_s"] == pytest.approx(0, abs=2)
    assert (said["accelerators_before"], said["accelerators_after"]) == (1, 10)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "speed=1"], "There is no setting speed. There are: half_life, "),
        (["--set", "half_life=3"], "with its unit"),
        (["--set", "share.zoe=3"], "zoe has no jobs in these days. Those who have: alice, bob."),
        (["--add", "gpu=2"], "there is no gpu here"),
        (["--days", "0"], "from 1 to 366"),
        (["--restart", "soon"], "length of time"),
    ],
)
def test_what_can_not_be_tried_is_said(month: None, arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        command(*arguments)


def test_a_steward_tries_settings(month: None, client_for: Make, cora: Member) -> None:
    browser: Client = client_for(cora)
    assert "Try settings" in browser.get("/machine/replay").content.decode()
    answer = browser.post("/machine/replay", {"days": 30, "half_life": "3d", "others": "share.bob=3\n"})
    made = Replay.objects.get()
    assert answer["Location"] == f"/machine/replay/{made.pk}"
    assert (made.changes, made.asked_by, made.state) == (["half_life=3d", "share.bob=3"], cora, Trial.WAITING)
    assert AuditEntry.objects.get(action="replay.start").detail["set"] == made.changes
    assert "It waits for a helper." in browser.get(answer["Location"]).content.decode()
    tasks.run_replay(made.pk)
    page = browser.get(answer["Location"]).content.decode()
    assert "longer in all" in page
    assert "hx-trigger" not in page.split('id="replay-live"')[1].split(">")[0]
    assert page.index(">alice<") < page.index(">bob<")


def test_what_is_typed_wrong_is_said_above_the_form(month: None, client_for: Make, cora: Member) -> None:
    answer = client_for(cora).post("/machine/replay", {"days": 30, "half_life": "three days"})
    assert answer.status_code == 400
    assert "write a length of time with its unit" in answer.content.decode()
    assert not Replay.objects.exists()


def test_names_of_members_and_settings_are_text(month: None, client_for: Make, cora: Member) -> None:
    Replay.objects.create(days=1, restart_s=1, asked_at=timezone.now(), changes=["<script>x</script>"])
    assert "<script>x" not in client_for(cora).get("/machine/replay").content.decode()


def test_others_see_nothing(client_for: Make, alice: Member, client: Client) -> None:
    made = Replay.objects.create(days=1, restart_s=1, asked_at=timezone.now())
    for path in ("/machine/replay", f"/machine/replay/{made.pk}"):
        assert client_for(alice).get(path).status_code == 403
        assert client.get(path).status_code == 302
    assert client_for(alice).post(f"/machine/replay/{made.pk}/again").status_code == 403


def test_one_at_a_time(month: None, cora: Member) -> None:
    services.ask(Wish(), actor=cora)
    with pytest.raises(UserError, match="Another replay runs") as refused:
        services.ask(Wish(), actor=cora)
    assert refused.value.status == 409


def test_one_that_was_killed_is_lost_and_can_begin_again(month: None, client_for: Make, cora: Member) -> None:
    made = services.ask(Wish(), actor=cora)
    rows = Replay.objects.filter(pk=made.pk)
    epoch = leases.take(rows, holder="elsewhere:1", ttl_s=60)
    rows.update(state=Trial.RUNNING, started_at=timezone.now())
    assert not rows.get().is_lost
    tasks.run_replay(made.pk)  # doubled: another has it
    assert rows.get().state == Trial.RUNNING
    rows.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    browser: Client = client_for(cora)
    page = browser.get(f"/machine/replay/{made.pk}").content.decode()
    assert "the process that ran it was ended" in page
    assert "Start again" in page
    assert browser.post(f"/machine/replay/{made.pk}/again").status_code == 302
    tasks.run_replay(made.pk)
    assert rows.get().state == Trial.DONE
    with pytest.raises(leases.StaleLease):  # who was thought dead changes nothing
        leases.renew(rows, epoch=epoch or 0, ttl_s=1, state=Trial.FAILED)


def test_one_that_nobody_begins_is_lost_too(month: None, cora: Member) -> None:
    made = services.ask(Wish(), actor=cora)
    Replay.objects.update(asked_at=timezone.now() - timedelta(minutes=3))
    made.refresh_from_db()
    assert made.is_lost
    services.ask(Wish(), actor=cora)  # it holds nobody up


def test_one_that_runs_is_not_begun_again(month: None, cora: Member) -> None:
    made = services.ask(Wish(), actor=cora)
    with pytest.raises(UserError, match="Another replay runs"):
        services.again(made, actor=cora)


def test_it_ends_when_it_takes_too_long(month: None, cora: Member) -> None:
    made = services.ask(Wish(), actor=cora)
    services.run(made.pk, limit_s=-1)
    made.refresh_from_db()
    assert (made.state, made.message) == (
        Trial.FAILED,
        "It took too long, so it was ended. Ask for fewer days.",
    )


def test_only_the_newest_are_kept(month: None, cora: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "KEPT", 2)
    for _each in range(3):
        services.run(services.ask(Wish(), actor=cora).pk)
    assert Replay.objects.count() == 2


def test_an_invented_month_can_be_replayed(db: None) -> None:
    month_of.fill(jobs=40)
    said = json.loads(command("--set", "half_life=1d", "--json"))
    assert said["facts"]["jobs"] == 40
    assert said["trust"]["within"] > 0.3
