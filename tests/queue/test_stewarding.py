"""What stewards do with members' jobs: raise them, hold them back, queue them again; and that it is noted."""

from collections.abc import Callable

import pytest
from django.test import Client

from jobs.datasets.models import Version
from jobs.queue import dispatch, lifecycle, services
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job, Request
from jobs.queue.reasons import EndReason, Status
from portal.core import leases
from portal.kit.errors import UserError
from portal.members.models import AuditEntry, Member

Submit = Callable[..., Job]
Start = Callable[..., Held]


def noted() -> list[tuple[str, str]]:
    rows = AuditEntry.objects.filter(action__startswith="job.").order_by("id")
    return [(row.action, row.actor.username if row.actor else "") for row in rows]


def test_what_was_raised_goes_first(submit: Submit, cora: Member) -> None:
    epoch = leases.take(leases.named(dispatch.LEADER), holder="test", ttl_s=60)
    assert epoch is not None
    first, second = submit(), submit()
    services.raise_job(job=second, factor=4, actor=cora)
    dispatch.dispatch(now=0, epoch=epoch)
    assert Job.objects.get(pk=second.pk).status == Status.STARTING
    assert Job.objects.get(pk=first.pk).status == Status.QUEUED
    assert noted() == [("job.raised", "cora")]
    assert "cora brought it forward" in second.events.order_by("-id")[1].sentence


def test_it_is_raised_only_so_far_and_not_once_it_has_ended(submit: Submit, cora: Member) -> None:
    job = submit()
    services.raise_job(job=job, factor=1000, actor=cora)
    with pytest.raises(UserError, match="as far as it goes"):
        services.raise_job(job=job, factor=2, actor=cora)
    services.cancel_job(job=job, actor=cora)
    with pytest.raises(UserError, match="ended already"):
        services.raise_job(job=job, factor=0.5, actor=cora)


def test_what_runs_gives_its_place_back(submit: Submit, start: Start, cora: Member) -> None:
    job = submit()
    held = start(job)
    services.requeue_job(job=job, actor=cora)
    assert lifecycle.requested(held) == Request.PREEMPT
    lifecycle.end(held, EndReason.PREEMPTED)
    assert Job.objects.get(pk=job.pk).status == Status.QUEUED
    assert noted() == [("job.preempt", "cora")]


def test_what_failed_is_submitted_anew_for_its_owner(
    submit: Submit, start: Start, alice: Member, cora: Member
) -> None:
    job = submit(params={"epochs": 3}, name="Leaves again")
    lifecycle.end(start(job), EndReason.NAN_LOSS)
    again = services.requeue_job(job=Job.objects.get(pk=job.pk), actor=cora)
    assert (again.owner, again.name, again.status) == (alice, "Leaves again", Status.QUEUED)
    assert again.spec["params"]["epochs"] == 3
    assert again.pk != job.pk


def test_what_waits_or_succeeded_is_not(submit: Submit, start: Start, cora: Member) -> None:
    job = submit()
    with pytest.raises(UserError, match="waits in the queue already"):
        services.requeue_job(job=job, actor=cora)
    lifecycle.end(start(job), EndReason.DONE)
    with pytest.raises(UserError, match="nothing to do again"):
        services.requeue_job(job=Job.objects.get(pk=job.pk), actor=cora)


def test_what_can_run_no_more_is_refused_in_words(
    submit: Submit, start: Start, version: Version, cora: Member
) -> None:
    job = submit()
    lifecycle.end(start(job), EndReason.CRASHED)
    lifecycle.end(start(job), EndReason.CRASHED)
    version.delete()
    with pytest.raises(UserError, match="is not ready"):
        services.requeue_job(job=Job.objects.get(pk=job.pk), actor=cora)


def test_a_stewards_cancel_is_noted_and_an_owners_is_not(submit: Submit, alice: Member, cora: Member) -> None:
    mine, theirs = submit(), submit()
    services.cancel_job(job=mine, actor=alice)
    services.cancel_job(job=theirs, actor=cora)
    assert noted() == [("job.cancel", "cora")]


@pytest.mark.parametrize(("action", "boost"), [("bring_forward", 4.0), ("hold_back", 0.25), ("requeue", 1.0)])
def test_the_admins_actions_go_through_the_services(
    action: str, boost: float, submit: Submit, cora: Member, client_for: Callable[..., Client]
) -> None:
    job = submit()
    answer = client_for(cora).post(
        "/admin/queue/job/", {"action": action, "_selected_action": [job.pk]}, follow=True
    )
    assert answer.status_code == 200
    assert Job.objects.get(pk=job.pk).boost == boost
    if action == "requeue":
        assert "waits in the queue already" in answer.content.decode()


def test_on_the_jobs_page_a_steward_brings_it_forward_and_holds_it_back(
    submit: Submit, cora: Member, client_for: Callable[..., Client]
) -> None:
    job, browser = submit(), client_for(cora)
    for to, boost in (("forward", 4.0), ("back", 1.0), ("back", 0.25), ("nowhere", 0.25)):
        page = browser.post(f"/jobs/{job.pk}/raise", {"to": to}, follow=True)
        assert Job.objects.get(pk=job.pk).boost == boost
    assert "its weight is multiplied by 0.25" in page.content.decode()
    assert f"/jobs/{job.pk}/requeue" not in page.content.decode()
    assert noted() == [("job.raised", "cora")] * 3


def test_on_the_jobs_page_a_steward_queues_it_again(
    submit: Submit, start: Start, alice: Member, cora: Member, client_for: Callable[..., Client]
) -> None:
    job, browser = submit(), client_for(cora)
    held, address = start(job), f"/jobs/{job.pk}/requeue"
    assert address in browser.get(f"/jobs/{job.pk}").content.decode()
    browser.post(address)
    assert lifecycle.requested(held) == Request.PREEMPT
    lifecycle.end(held, EndReason.PREEMPTED)
    assert "waits in the queue already" in browser.post(address, follow=True).content.decode()
    lifecycle.end(start(job), EndReason.NAN_LOSS)
    answer = browser.post(address)
    again = Job.objects.latest("id")
    assert (again.owner, again.status, answer.headers["Location"]) == (
        alice,
        Status.QUEUED,
        f"/jobs/{again.pk}",
    )
    assert noted() == [("job.preempt", "cora"), ("job.requeued", "cora")]


def test_its_owner_finds_no_such_buttons(
    submit: Submit, alice: Member, client_for: Callable[..., Client]
) -> None:
    job = submit()
    page = client_for(alice).get(f"/jobs/{job.pk}").content.decode()
    assert "/raise" not in page
    assert client_for(alice).post(f"/jobs/{job.pk}/raise", {"to": "forward"}).status_code == 403
    assert Job.objects.get(pk=job.pk).boost == 1.0
