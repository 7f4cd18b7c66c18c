"""What the leader knows of the queue, from one pass to the next, is what the queue is."""

import random
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.queue import backlog, columns, lifecycle, services
from jobs.queue.backlog import Backlog
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job, JobEvent, Promise
from jobs.queue.reasons import EndReason, Status
from jobs.queue.table import Table
from jobs.queue.work import speeds
from jobs.scheduler.snapshot import NOWHERE
from portal.members.models import Member
from tests.queue.test_races import at_once

Submit = Callable[..., Job]
STEPS = 60


def seen(known: Backlog) -> dict[str, dict[str, Any]]:
    """Each waiting job with all that is known of it, by names instead of numbers."""
    table: Table = known.waiting(speeds(), now=0.0)
    rows = {}
    for row, job in enumerate(table.ids):
        found = {each.name: getattr(table, each.name)[row] for each in fields(Table)}
        found["owner"] = known.owners.names[found["owner"]]
        found["recipe"] = known.recipes.names[found["recipe"]]
        rows[job] = {name: "unknown" if str(value) == "nan" else value for name, value in found.items()}
    return rows


class World:
    """Whatever may happen to a queue."""

    def __init__(self, submit: Submit, node: Node, cora: Member, rng: random.Random) -> None:
        self.submit, self.node, self.cora, self.rng = submit, node, cora, rng
        self.held: list[Held] = []
        self.free = list(node.accelerators.all())
        self.taken: dict[str, Accelerator] = {}

    def waiting(self) -> Job | None:
        found = list(Job.objects.filter(status=Status.QUEUED))
        return self.rng.choice(found) if found else None

    def come(self) -> None:
        self.submit(params={"epochs": self.rng.randint(1, 50)})

    def cancel(self) -> None:
        if job := self.waiting():
            services.cancel_job(job=job, actor=job.owner)

    def boost(self) -> None:
        if job := self.waiting():
            services.raise_job(job=job, factor=self.rng.choice([0.5, 2.0]), actor=self.cora)

    def start(self) -> None:
        if self.free and (job := self.waiting()):
            accelerator = self.free.pop()
            attempt = lifecycle.begin(job, node=self.node, accelerators=[accelerator])
            held = lifecycle.claim(attempt.pk, holder="n")
            assert held is not None
            lifecycle.started(held)
            self.held.append(held)
            self.taken[held.attempt_id] = accelerator

    def end(self) -> None:
        if self.held:
            held = self.held.pop(self.rng.randrange(len(self.held)))
            lifecycle.end(held, self.rng.choice([EndReason.DONE, EndReason.PREEMPTED, EndReason.DRAINED]))
            self.free.append(self.taken.pop(held.attempt_id))

    def delete(self) -> None:
        if job := self.waiting():
            Job.objects.filter(pk=job.pk).delete()


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_it_knows_what_a_whole_reading_finds(seed: int, submit: Submit, node: Node, cora: Member) -> None:
    """But for a job that was deleted, which leaves no event: until it is doubted."""
    rng = random.Random(seed)
    world, known = World(submit, node, cora, rng), Backlog()
    doings = [world.come, world.come, world.cancel, world.boost, world.start, world.end, world.delete]
    for _step in range(STEPS):
        rng.choice(doings)()
        if rng.random() < 0.4:
            gone = seen(known).keys() - set(Job.objects.values_list("pk", flat=True))
            known.doubt(gone)
            assert seen(known) == seen(Backlog())


@pytest.mark.django_db
def test_a_pass_reads_only_what_changed(submit: Submit, django_assert_max_num_queries: Any) -> None:
    for _job in range(5):
        submit()
    known, fast = Backlog(), speeds()
    first = known.waiting(fast, now=0.0)
    with django_assert_max_num_queries(1):
        assert known.waiting(fast, now=0.0) is first
    job = submit()
    assert known.waiting(fast, now=0.0).ids.tolist() == [*first.ids, job.pk]


@pytest.mark.django_db
def test_a_promise_is_told_of_the_job_that_has_it_wherever_that_stands(
    submit: Submit, start: Callable[[Job], Held], node: Node
) -> None:
    known, jobs = Backlog(), [submit() for _job in range(4)]
    machine, now = columns.take_machine(), timezone.now()
    columns.take_snapshot(machine, now=now.timestamp(), backlog=known)
    services.cancel_job(job=jobs[0], actor=jobs[0].owner)
    start(jobs[1])
    Promise.objects.create(job=jobs[3], accelerator=node.accelerators.get(), until=now + timedelta(minutes=5))
    seen = columns.take_snapshot(machine, now=now.timestamp(), backlog=known).jobs
    told = dict(zip(seen.ids, seen.promise.tolist(), strict=True))
    assert told == {jobs[1].pk: NOWHERE, jobs[2].pk: NOWHERE, jobs[3].pk: 0}


@pytest.mark.django_db
def test_it_is_read_whole_now_and_then(submit: Submit) -> None:
    clock = [0.0]
    known, job = Backlog(clock=lambda: clock[0]), submit()
    assert list(seen(known)) == [job.pk]
    Job.objects.filter(pk=job.pk).update(boost=3.0)  # past the door: nothing tells of it
    assert seen(known)[job.pk]["boost"] == 1.0
    clock[0] = backlog.WHOLE_S
    assert seen(known)[job.pk]["boost"] == 3.0


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_late_is_not_missed(submit: Submit, cora: Member) -> None:
    """A job is raised in a transaction that lasts; meanwhile another comes, whose events have larger numbers."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    known, raised = Backlog(), submit()
    seen(known)

    def much_happens() -> None:
        job = submit()
        many = [JobEvent(job=job, old=Status.QUEUED, new=Status.QUEUED) for _each in range(1000)]
        JobEvent.objects.bulk_create(many)

    def late() -> list[dict[str, Any]]:
        with transaction.atomic():
            services.raise_job(job=raised, factor=2.0, actor=cora)
            at_once(much_happens)
            return at_once(lambda: seen(known))

    meanwhile = at_once(late)[0][0]
    assert [row["boost"] for row in meanwhile.values()] == [1.0, 1.0]
    assert sorted(row["boost"] for row in seen(known).values()) == [1.0, 2.0]
