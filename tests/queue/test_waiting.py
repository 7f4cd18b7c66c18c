"""Why a job waits, when it will start, and how often that was true."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.queue import lifecycle, outlook, services, waiting
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job, Outlook
from jobs.queue.reasons import EndReason
from jobs.scheduler import lifetable
from portal.ledger import services as ledger
from portal.ledger.models import Quota
from portal.members.models import Member
from tests.queue.looking import look, runs_for

Submit = Callable[..., Job]
Start = Callable[..., Held]
HELD = timedelta(minutes=1)


def wait(api: Any, job: Job) -> dict[str, Any]:
    answer = api.get(f"/api/v1/jobs/{job.pk}/wait")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_who_is_next_is_told_when_it_starts(
    submit: Submit, start: Start, alice: Member, api_for: Callable[..., Any]
) -> None:
    first, second = submit(), submit()
    start(first)
    runs_for(first, 7200)
    assert look() == 1
    told = wait(api_for(alice), second)
    assert (told["position"], told["blocker"]) == (1, "accelerator")
    assert told["sentence"].startswith(
        "It is next: everything that it could run on is busy. It will probably start in "
    )
    assert set(told["terms"]) == {"share", "length", "waiting"}
    hours = [
        (datetime.fromisoformat(told["start"][name]) - timezone.now()).total_seconds() / 3600
        for name in ("earliest", "latest")
    ]
    assert 0.6 < hours[0] < 2 < hours[1] < 6
    assert told["start"]["confidence"] == pytest.approx(0.8)


def test_what_stands_behind_others_starts_later(submit: Submit, start: Start, node: Node) -> None:
    first, *others = (submit() for _each in range(4))
    start(first)
    look()
    seen = [Outlook.objects.get(job=job) for job in others]
    assert sorted(each.position for each in seen) == [1, 2, 3]
    by_place = sorted(seen, key=lambda each: each.position)
    assert by_place[0].latest is not None
    assert by_place[1].earliest is None or by_place[0].earliest <= by_place[1].earliest  # type: ignore[operator]


def test_what_runs_and_what_has_ended_waits_for_nothing(
    submit: Submit, start: Start, alice: Member, api_for: Callable[..., Any]
) -> None:
    job = submit()
    held = start(job)
    assert wait(api_for(alice), job)["position"] is None
    assert "runs on mill-1" in wait(api_for(alice), job)["sentence"]
    lifecycle.end(held, EndReason.NAN_LOSS)
    assert wait(api_for(alice), job)["start"] is None


def test_before_anybody_looked_it_says_so(submit: Submit, alice: Member, api_for: Callable[..., Any]) -> None:
    told = wait(api_for(alice), submit())
    assert (told["position"], told["terms"], told["made_at"]) == (1, None, None)
    assert "came into the queue just now" in told["sentence"]


def test_who_the_last_look_did_not_reach_stands_behind_all_of_which_it_told(
    submit: Submit, start: Start, alice: Member, api_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "TOLD", 2)
    start(submit())
    others = [submit() for _each in range(4)]
    look()
    assert [wait(api_for(alice), job)["position"] for job in others] == [1, 2, 3, 4]
    Job.objects.filter(pk=others[0].pk).update(boost=0.01)
    look()
    assert [wait(api_for(alice), job)["position"] for job in others] == [3, 1, 2, 4]
    assert wait(api_for(alice), others[0])["terms"] is None  # what was told of it before is no longer so
    Job.objects.update(created_at=timezone.now() - HELD * 5)
    assert "far back in the queue" in wait(api_for(alice), others[3])["sentence"]


def test_what_is_old_is_not_told_as_if_it_were_new(submit: Submit, start: Start, node: Node) -> None:
    start(submit())
    job = submit()
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - HELD * 60)
    job.refresh_from_db()
    assert "has not looked at it yet" in waiting.wait_of(job).sentence
    look()
    assert "seems to be away" not in waiting.wait_of(job).sentence
    Outlook.objects.update(made_at=timezone.now() - HELD * 30)
    told = waiting.wait_of(job)
    assert told.sentence.startswith("It is next")
    assert "That was 30 minutes ago. The scheduler has not looked since" in told.sentence


@pytest.mark.parametrize("off", [timedelta(hours=3), timedelta(hours=-3)])
def test_a_web_server_whose_clock_is_wrong_tells_the_same(
    off: timedelta, submit: Submit, start: Start, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = submit(), submit()
    start(first)
    runs_for(first, 7200)
    look()

    def told() -> list[object]:
        found, (job,) = waiting.wait_of(second), waiting.with_turns([second])
        words = [found.sentence, job.turn.when]  # type: ignore[attr-defined]
        return [*(re.sub(r"\d+", "#", each) for each in words), found.start]

    before, right = told(), timezone.now
    assert "minutes" in str(before[1])
    monkeypatch.setattr(timezone, "now", lambda: right() + off)
    assert told() == before
    assert outlook.record().judged == 0


def test_a_job_that_came_back_is_looked_at_anew(submit: Submit, start: Start, node: Node) -> None:
    first = start(submit())
    second = submit()
    look()
    lifecycle.end(first, EndReason.DONE)
    lifecycle.end(start(second), EndReason.NODE_LOST)
    job = Job.objects.get(pk=second.pk)
    assert job.status == "queued"
    told = waiting.wait_of(job)
    assert (told.position, told.made_at) == (1, None)
    assert "came into the queue just now" in told.sentence


def test_only_those_that_wait_for_the_same_are_said_to_go_before(
    submit: Submit, start: Start, node: Node, alice: Member
) -> None:
    Quota.objects.create(member=alice, concurrent_jobs=9)
    gpu = Accelerator.objects.create(node=node, kind="gpu")
    running = submit(resources={"accelerator": "gpu"})
    lifecycle.begin(running, node=node, accelerators=[gpu])
    lifecycle.begin(submit(), node=node, accelerators=[node.accelerators.get(kind="cpu")])
    for_gpu = [submit(resources={"accelerator": "gpu"}) for _each in range(2)]
    for_cpu = submit(resources={"accelerator": "cpu"})
    look()
    assert "and 1 job that waits for the same goes before it" in waiting.wait_of(for_gpu[1]).sentence
    told = waiting.wait_of(for_cpu)
    assert (told.position, told.sentence[:13]) == (3, "It is next: e")


def test_a_quota_of_none_at_once_is_named(submit: Submit, start: Start, alice: Member, node: Node) -> None:
    job = submit()
    Quota.objects.create(member=alice, concurrent_jobs=0)
    look()
    assert "Your quota allows no jobs at once." in waiting.wait_of(job).sentence


def test_a_place_that_is_kept_for_another_is_named(submit: Submit, node: Node, alice: Member) -> None:
    cards = [Accelerator.objects.create(node=node, kind="gpu", index=index) for index in range(3)]
    lifecycle.begin(submit(resources={"accelerator": "gpu"}), node=node, accelerators=cards[:1])
    gang = submit(resources={"accelerator": "gpu", "count": 3})
    small = submit(resources={"accelerator": "gpu"})
    Job.objects.filter(pk=gang.pk).update(created_at=timezone.now() - timedelta(days=9))
    look()
    told = waiting.wait_of(small)
    assert told.blocker == "reserved"
    assert "What is free is kept for a job that has waited for longest" in told.sentence


def test_a_quota_that_holds_it_up_is_named(submit: Submit, start: Start, alice: Member, node: Node) -> None:
    Quota.objects.create(member=alice, concurrent_jobs=1)
    first, second = submit(), submit()
    start(first)
    Accelerator.objects.create(node=node, kind="cpu", index=1)
    look()
    told = waiting.wait_of(Job.objects.get(pk=second.pk)).sentence
    assert (
        "Your quota for jobs at once is 1, and your jobs that run now are 1. It starts when one of them"
        in told
    )
    assert "used up" not in told


@pytest.mark.parametrize("asked", ["cpu", "any"])
def test_hours_that_are_used_up_are_named(submit: Submit, start: Start, alice: Member, asked: str) -> None:
    Quota.objects.create(member=alice, cpu_hours=2)
    ledger.charge(member=alice, attempt_id="x", kind="cpu", device_seconds=9000, refunded=False)
    start(submit())
    second = submit(resources={"accelerator": asked})
    look()
    told = waiting.wait_of(Job.objects.get(pk=second.pk)).sentence
    assert "Your quota for this month is used up (2.5 of 2 CPU hours)" in told
    assert "a steward gives you more hours" in told


@pytest.mark.parametrize(("asked", "named"), [("cpu", "CPU"), ("any", "CPU, GPU")])
def test_a_class_that_was_closed_meanwhile_is_named(
    submit: Submit, alice: Member, node: Node, asked: str, named: str
) -> None:
    """And no node is blamed for it, before the next look and after it."""
    Quota.objects.create(member=alice, concurrent_jobs=9)
    Accelerator.objects.create(node=node, kind="gpu")
    for each in node.accelerators.all():
        lifecycle.begin(submit(), node=node, accelerators=[each])
    job = submit(resources={"accelerator": asked})
    look()
    assert waiting.wait_of(job).start is not None
    Quota.objects.update(cpu_hours=0, gpu_hours=0)
    for blocker in ("accelerator", "nowhere"):
        told = waiting.wait_of(Job.objects.get(pk=job.pk))
        assert told.sentence == (
            f"Your quota has no {named} hours, so this job can't start. Ask a steward for some, or cancel it."
        )
        assert (told.blocker, told.start) == (blocker, None)
        look()
    Quota.objects.update(cpu_hours=1)
    assert "can't start" not in waiting.wait_of(Job.objects.get(pk=job.pk)).sentence


def test_what_nothing_can_run_now_is_told_so(submit: Submit, node: Node) -> None:
    gpu = Accelerator.objects.create(node=node, kind="gpu")
    job = submit(resources={"accelerator": "gpu"})
    gpu.enabled = False
    gpu.save()
    look()
    told = waiting.wait_of(job)
    assert (told.blocker, told.start) == ("nowhere", None)
    assert "wait for a node" in told.sentence or "waits for a node" in told.sentence


def test_it_is_told_what_would_start_sooner(submit: Submit, start: Start, node: Node) -> None:
    gpu = Accelerator.objects.create(node=node, kind="gpu", relative_speed=10)
    running = submit(resources={"accelerator": "gpu"})
    lifecycle.begin(running, node=node, accelerators=[gpu])
    runs_for(running, 36_000)
    job = submit(resources={"accelerator": "gpu"})
    look()
    told = waiting.wait_of(job)
    assert [each.change for each in told.alternatives] == ["on CPU"]
    assert told.alternatives[0].start < timezone.now() + HELD
    assert told.start is not None
    assert told.start["earliest"] > timezone.now() + timedelta(hours=2)


def test_no_class_is_advised_that_is_closed_to_the_member(
    submit: Submit, start: Start, alice: Member, node: Node
) -> None:
    gpu = Accelerator.objects.create(node=node, kind="gpu", relative_speed=10)
    running = submit(resources={"accelerator": "gpu"})
    lifecycle.begin(running, node=node, accelerators=[gpu])
    runs_for(running, 36_000)
    job = submit(resources={"accelerator": "gpu"})
    Quota.objects.create(member=alice, cpu_hours=0)
    look()
    assert waiting.wait_of(job).alternatives == []


def test_a_range_is_missed_by_who_still_waits_when_it_is_over(submit: Submit, start: Start) -> None:
    start(submit())
    submit()
    look()
    assert outlook.record().judged == 0
    late = outlook.record(now=timezone.now() + timedelta(days=40))
    assert (late.judged, late.held) == (1, 0)


def test_the_first_range_is_the_one_that_is_judged(
    submit: Submit, start: Start, alice: Member, client_for: Callable[..., Client]
) -> None:
    first, second = submit(), submit()
    held = start(first)
    runs_for(first, 3600)
    look()
    told = Outlook.objects.get(job=second)
    runs_for(first, 60)
    look()
    again = Outlook.objects.get(job=second)
    assert again.first_latest == told.first_latest
    assert again.latest != told.latest
    assert outlook.record().rate is None
    lifecycle.end(held, EndReason.DONE)
    start(second)
    assert (outlook.record().judged, outlook.record().held) == (1, 0)  # sooner than it was told at first
    assert told.first_earliest is not None
    Job.objects.filter(pk=second.pk).update(started_at=told.first_earliest + timedelta(seconds=1))
    assert outlook.record().rate == 1.0
    machine = client_for(alice).get("/machine").content.decode()
    assert "100 %" in machine
    assert "of 1 start foretold came true" in machine


def test_one_look_however_many_wait(submit: Submit, start: Start) -> None:
    jobs = [submit() for _each in range(3)]
    start(jobs[0])
    look()
    with CaptureQueriesContext(connection) as few:
        look()
    for _each in range(6):
        submit()
    look()
    with CaptureQueriesContext(connection) as many:
        look()
    assert len(many) == len(few)


def test_the_lookout_sees_who_came_and_looks_again_now_and_then(submit: Submit, start: Start) -> None:
    clock = [0.0]
    mine = outlook.Lookout(clock=lambda: clock[0])

    def run() -> int:
        return mine.run(now=timezone.now().timestamp(), lives=lifetable.EMPTY)

    start(submit())
    assert run() == 0
    submit()
    assert (run(), run()) == (1, 0)
    submit()
    assert run() == 2
    clock[0] = outlook.EVERY_S
    assert run() == 2


def test_the_page_says_why_and_when(
    submit: Submit, start: Start, alice: Member, client_for: Callable[..., Client]
) -> None:
    first, second = submit(), submit()
    start(first)
    runs_for(first, 7200)
    look()
    page = client_for(alice).get(f"/jobs/{second.pk}").content.decode()
    assert "It is next" in page
    assert "with a chance of 80" in page
    services.cancel_job(job=second, actor=alice)
    assert "It is next" not in client_for(alice).get(f"/jobs/{second.pk}").content.decode()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "1 minute"),
        (150, "2 minutes"),
        (7000, "117 minutes"),
        (3 * 3600, "3 hours"),
        (3 * 86400, "3 days"),
    ],
)
def test_spans_in_words(seconds: float, words: str) -> None:
    assert waiting.in_words(seconds) == words
