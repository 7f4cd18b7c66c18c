"""A month of jobs that ended, on two accelerators."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import POLICY, EndReason, Status
from portal.members.models import Member

Ran = Callable[..., Job]


@pytest.fixture
def node(db: None) -> Node:
    """One CPU, and a board that is switched off."""
    made = Node.objects.create(name="mill-1", key_sha256="0" * 64)
    Accelerator.objects.create(node=made, kind="cpu", model="test", memory_bytes=8 * 1024**3)
    Accelerator.objects.create(node=made, kind="gpu", model="off", enabled=False)
    return made


@pytest.fixture
def submitted(node: Node) -> Ran:
    """A job that was submitted so many hours ago, and has not run."""

    def make(owner: Member, *, hours_ago: float, status: str = Status.QUEUED, **more: object) -> Job:
        job = Job.objects.create(owner=owner, kind="train", name="leaves", status=status, **more)
        at = timezone.now() - timedelta(hours=hours_ago)
        Job.objects.filter(pk=job.pk).update(created_at=at)
        job.refresh_from_db()
        return job

    return make


@pytest.fixture
def tried(node: Node) -> Callable[..., Attempt]:
    """An attempt at a job, from and to so many hours ago; None: it runs still."""

    def make(job: Job, begun: float, ended: float | None, reason: str = EndReason.DONE) -> Attempt:
        now = timezone.now()
        made = Attempt.objects.create(
            job=job,
            number=job.attempts.count() + 1,
            node=node,
            node_name=node.name,
            accelerator_kind="cpu",
            started_at=now - timedelta(hours=begun),
            ended_at=None if ended is None else now - timedelta(hours=ended),
            end_reason="" if ended is None else reason,
        )
        made.accelerators.add(node.accelerators.get(kind="cpu"))
        return made

    return make


@pytest.fixture
def ran(submitted: Ran, tried: Callable[..., Attempt]) -> Ran:
    """A job that waited, ran once and ended; all in hours ago."""

    def make(owner: Member, came: float, begun: float, ended: float, **more: object) -> Job:
        reason = EndReason(more.pop("end_reason", EndReason.DONE))
        job = submitted(owner, hours_ago=came, status=POLICY[reason].final, end_reason=reason, **more)
        attempt = tried(job, begun, ended, reason)
        Job.objects.filter(pk=job.pk).update(started_at=attempt.started_at, ended_at=_time(attempt.ended_at))
        return job

    return make


def _time(at: datetime | None) -> datetime:
    assert at is not None
    return at
