"""`GRISTMILL_HOME=… python -m tests.replay.month`: fills a home with an invented month of five members' jobs.

Two GPUs and four CPUs; arrivals by day and hour, lengths lognormal, one member who asks for most. When the jobs started
and ended is what the simulator makes of it, with restarts that cost three times what a replay believes, and starts that
are late by up to two minutes. The example in docs/scheduler.md is of this month.
"""

import os
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from jobs.scheduler.replay.history import History, Member, Past, Pool
from jobs.scheduler.replay.settings import Settings
from jobs.scheduler.replay.world import replay

DAYS, JOBS = 30, 700
MEMBERS = {"ada": 0.5, "bela": 0.2, "carl": 0.15, "dora": 0.1, "edda": 0.05}
HOUR = 3600.0


@dataclass(frozen=True)
class Ended:
    """What became of a job, in seconds since the beginning."""

    first: float
    done: float
    late: float


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill()
    return 0


def fill(seed: int = 1, jobs: int = JOBS) -> None:
    """Into an empty database, the month that ends now."""
    from django.utils import timezone

    rng = np.random.default_rng(seed)
    pools = (
        Pool("mill-1", "gpu", "A2000", 4.0, 12 * 1024**3, 4.0, 2),
        Pool("mill-1", "cpu", "EPYC", 1.0, 32 * 1024**3, 1.0, 1),
        *(Pool(f"pi-{number}", "cpu", "EPYC", 1.0, 32 * 1024**3, 1.0, 1) for number in (1, 2, 3)),
    )
    made = History(tuple(invented(rng, jobs)), pools, {name: Member(limit=4) for name in MEMBERS})
    out = replay(made, Settings(), restart_s=90.0)
    late = rng.uniform(5.0, 120.0, jobs)
    ends = [Ended(*row) for row in zip(out.first, out.done, late, strict=True)]
    write(made, ends, timezone.now() - timedelta(days=DAYS))


def invented(rng: np.random.Generator, jobs: int) -> list[Past]:
    """The jobs, by submission."""
    hour = rng.choice(24, jobs, p=_by_hour())
    at = np.sort((rng.integers(0, DAYS - 1, jobs) * 24 + hour + rng.uniform(0, 1, jobs)) * HOUR)
    who = rng.choice(list(MEMBERS), jobs, p=list(MEMBERS.values()))
    kind = rng.choice(["any", "gpu", "cpu"], jobs, p=[0.6, 0.3, 0.1])
    work = np.minimum(np.exp(rng.normal(np.log(1.4 * HOUR), 1.3, jobs)), 60 * HOUR) * np.where(
        kind == "cpu", 0.5, 4.0
    )
    return [
        Past(str(row), str(who[row]), float(at[row]), str(kind[row]), 1, 0, float(work[row]))
        for row in range(jobs)
    ]


def _by_hour() -> list[float]:
    weights = np.array([1.0] * 7 + [4.0] * 3 + [8.0] * 8 + [4.0] * 4 + [2.0] * 2)
    return list(weights / weights.sum())


def write(made: History, ends: list[Ended], start: datetime) -> None:
    """The members, the machine, and the jobs with their attempts."""
    from hardware.nodes.models import Accelerator, Node
    from jobs.queue.models import Job
    from portal.members import models as members

    units = {}
    for pool in made.pools:
        node, _new = Node.objects.get_or_create(name=pool.node, defaults={"key_sha256": "0" * 64})
        for index in range(pool.size):
            row = Accelerator.objects.create(
                node=node, kind=pool.kind, index=index, model=pool.model, relative_speed=pool.speed, price=pool.price,
                memory_bytes=pool.memory_bytes,
            )  # fmt: skip
            units[pool.kind] = row
    owners = {
        name: members.Member.objects.create_user(username=name, password="", approved_at=start)
        for name in MEMBERS
    }
    for past, end in zip(made.jobs, ends, strict=True):
        job = Job.objects.create(
            owner=owners[past.member], kind="train", name="leaves", status="succeeded", end_reason="done",
            accelerator=past.kind,
        )  # fmt: skip
        begun, done = (start + timedelta(seconds=seconds + end.late) for seconds in (end.first, end.done))
        Job.objects.filter(pk=job.pk).update(
            created_at=start + timedelta(seconds=past.submitted_s), started_at=begun, ended_at=done
        )
        _attempts(job, units["gpu" if past.kind != "cpu" else "cpu"], past.work, begun, done)


def _attempts(job: Any, unit: Any, work: float, begun: datetime, done: datetime) -> None:
    """One attempt, or two when it gave way for a while: between them they do the work."""
    from jobs.queue.models import Attempt

    whole = timedelta(seconds=work / unit.relative_speed)
    parts = [(begun, done, "done")]
    if done - begun > whole * 1.05:
        parts = [(begun, begun + whole / 3, "preempted"), (done - whole * 2 / 3, done, "done")]
    for number, (since, until, reason) in enumerate(parts, 1):
        made = Attempt.objects.create(
            job=job, number=number, node=unit.node, node_name=unit.node.name, accelerator_kind=unit.kind,
            started_at=since, ended_at=until, end_reason=reason,
        )  # fmt: skip
        made.accelerators.add(unit)


if __name__ == "__main__":
    sys.exit(main())
