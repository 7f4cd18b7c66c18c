"""A whole pass of the scheduler on PostgreSQL: the queue and the machine read, the plan, 100 placements applied.

`python -m benchmarks.dispatch` measures in a process of its own, on the database that DATABASE_URL names, and prints
JSON: seconds until the first placement, and in all, of each pass. The first pass is a new leader's.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.row import Row
from tests.e2e.portal import ROOT, Portal
from tests.faults.cluster import cluster

if TYPE_CHECKING:
    from hardware.nodes.models import Accelerator
    from jobs.queue.backlog import Backlog
    from portal.members.models import Member

QUEUED = 100_000
NODES, PER_NODE = 250, 4
FREED = 100
MEMBERS = 400
PASSES = 7
BATCH = 5_000
GOAL_MS = 500
GIB = 1024**3


def measure(portal: Portal) -> list[Row]:
    with cluster() as database, tempfile.TemporaryDirectory() as home:
        env = {"DATABASE_URL": database.address(), "REDIS_URL": f"unix://{portal.home}/run/redis.sock"}
        env |= {"GRISTMILL_LOG_LEVEL": "warning"}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.dispatch"],
            cwd=ROOT, env=portal.env | env | {"GRISTMILL_HOME": home}, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
    first, *rest = json.loads(done.stdout)
    whole = statistics.median(each["whole"] for each in rest) * 1000
    deciding = statistics.median(each["decided"] for each in rest) * 1000
    what = f"dispatch, {QUEUED:,} queued, {NODES * PER_NODE:,} accelerators, {FREED} placements, PostgreSQL, median"
    return [
        Row(
            what,
            f"{whole:.0f} ms ({deciding:.0f} read and plan, {whole - deciding:.0f} apply)",
            f"a new leader's first pass: {first['whole'] * 1000:.0f} ms",
            goal=f"≤ {GOAL_MS} ms",
            met=whole <= GOAL_MS,
        )
    ]


def main() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill()
    from jobs.queue.backlog import Backlog

    backlog = Backlog()
    sys.stdout.write(json.dumps([timed_pass(backlog) for _pass in range(PASSES)]))


def fill() -> None:
    """A long queue, and a machine on which all but a few accelerators are taken."""
    from django.db import connection

    from portal.ledger.models import Quota
    from portal.members.models import Member

    members = Member.objects.bulk_create(Member(username=f"member-{n}") for n in range(MEMBERS))
    Quota.objects.bulk_create(Quota(member=each, concurrent_jobs=NODES * PER_NODE) for each in members)
    occupy(members, machine())
    enqueue(members)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as PostgreSQL does by itself within a minute of so many new rows


def machine() -> "list[Accelerator]":
    from django.utils import timezone

    from hardware.nodes.models import Accelerator, Node

    seen = timezone.now() + timedelta(hours=1)  # they are never silent
    nodes = Node.objects.bulk_create(
        Node(name=f"node-{n}", key_sha256="0" * 64, last_seen_at=seen) for n in range(NODES)
    )
    return Accelerator.objects.bulk_create(
        Accelerator(node=node, kind="gpu", index=index, model=f"type {n % 4}", memory_bytes=16 * GIB)
        for n, node in enumerate(nodes)
        for index in range(PER_NODE)
    )


def occupy(members: "list[Member]", accelerators: "list[Accelerator]") -> None:
    """Each by a job that runs, but for some."""
    from jobs.queue.models import Attempt, Job

    taken = accelerators[FREED:]
    jobs = Job.objects.bulk_create(
        Job(owner=members[n % MEMBERS], kind="train", name=f"running {n}", status="running", spec=asked())
        for n, _each in enumerate(taken)
    )
    attempts = Attempt.objects.bulk_create(
        Attempt(job=job, number=1, node=each.node, node_name=each.node.name, accelerator_kind="gpu")
        for job, each in zip(jobs, taken, strict=True)
    )
    through = Attempt.accelerators.through
    through.objects.bulk_create(
        through(attempt=attempt, accelerator=each) for attempt, each in zip(attempts, taken, strict=True)
    )


def enqueue(members: "list[Member]") -> None:
    from jobs.queue.models import Job

    Job.objects.bulk_create(
        (
            Job(owner=members[n % MEMBERS], kind="train", name=f"queued {n}", spec=asked())
            for n in range(QUEUED)
        ),
        batch_size=BATCH,
    )


def asked() -> dict[str, Any]:
    return {"resources": {"accelerator": "any", "count": 1, "memory_mb": None}}


def timed_pass(backlog: "Backlog") -> dict[str, float]:
    """One pass that places what there is room for; then there is room again."""
    from django.utils import timezone

    from jobs.queue import dispatch, lifecycle
    from jobs.queue.models import Attempt
    from jobs.queue.reasons import EndReason
    from portal.core import leases

    rows = leases.named(dispatch.LEADER)
    rows.update(lease_expires_at=None)
    epoch = leases.take(rows, holder="benchmark", ttl_s=600)
    assert epoch is not None
    before = timezone.now()
    with first_write() as wrote:
        began = time.perf_counter()
        placed = dispatch.dispatch(now=time.time(), epoch=epoch, backlog=backlog)
        whole = time.perf_counter() - began
    assert placed == FREED, placed
    for attempt in Attempt.objects.filter(created_at__gte=before):
        lifecycle.withdraw(attempt, EndReason.DRAINED)
    return {"decided": wrote() - began, "whole": whole}


@contextmanager
def first_write() -> Iterator[Callable[[], float]]:
    """Yields what tells when a job was first written to."""
    from django.db import connection

    at: list[float] = []

    def watch(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "queue_job"'):
            at.append(time.perf_counter())
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        yield lambda: at[0]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main()
