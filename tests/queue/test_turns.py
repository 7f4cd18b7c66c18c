"""The list of jobs and the home page say where each job stands in the queue, and when it starts."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hardware.nodes.models import Node
from jobs.queue import lifecycle
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job, Outlook
from jobs.queue.reasons import EndReason
from jobs.queue.waiting import with_turns
from portal.members.models import Member
from tests.queue.looking import look, runs_for

Submit = Callable[..., Job]
Start = Callable[..., Held]


def position(job: Job) -> int | None:
    (found,) = with_turns(Job.objects.filter(pk=job.pk))
    return found.turn and found.turn.position  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("path", ["/jobs", "/jobs?status=queued", "/"])
def test_who_waits_is_told_the_place_and_the_time(
    path: str, submit: Submit, start: Start, alice: Member, client_for: Callable[..., Client]
) -> None:
    first, _second = submit(), submit()
    start(first)
    runs_for(first, 7200)
    client = client_for(alice)
    assert "in the queue" not in client.get(path).content.decode()
    look()
    page = client.get(path).content.decode()
    assert page.count('place <span class="number">1</span> in the queue · probably starts in ') == 1
    Outlook.objects.update(earliest=None, latest=None)
    page = client.get(path).content.decode()
    assert "in the queue" in page
    assert "probably starts" not in page


def test_what_is_no_longer_so_is_not_told(submit: Submit, start: Start, node: Node) -> None:
    held, job = start(submit()), submit()
    look()
    assert position(job) == 1
    Outlook.objects.update(made_at=timezone.now() - timedelta(minutes=5))
    assert position(job) is None  # nobody looks any more
    look()
    lifecycle.end(held, EndReason.DONE)
    again = start(job)
    assert position(job) is None
    lifecycle.end(again, EndReason.NODE_LOST)
    assert position(job) is None  # it came back after the last look
    start(submit())
    look()
    assert position(job) == 1


def test_the_list_costs_the_same_however_many_wait(
    submit: Submit, start: Start, alice: Member, client_for: Callable[..., Client]
) -> None:
    start(submit())
    client = client_for(alice)

    def cost() -> int:
        submit()
        look()
        with CaptureQueriesContext(connection) as queries:
            client.get("/jobs")
        return len(queries)

    assert len({cost() for _each in range(3)}) == 1
