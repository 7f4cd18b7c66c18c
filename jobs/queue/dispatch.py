"""From the database to the pure scheduler and back: take a snapshot, plan, apply each placement guarded."""

import logging
from collections.abc import Iterable, Iterator, Sequence

from django.db import IntegrityError, transaction

from hardware.nodes.models import Accelerator
from jobs.queue import columns, lifecycle, tasks
from jobs.queue.columns import Machine
from jobs.queue.models import Attempt, Job, Request
from jobs.scheduler.plan import plan
from jobs.scheduler.snapshot import Placement, Snapshot
from portal.core.leases import StaleLease
from portal.core.models import Lease

log = logging.getLogger(__name__)
LEADER = "scheduler"


def dispatch(*, now: float, epoch: int) -> int:
    """One pass: how many jobs were started. `epoch` is the leader's; a pass of a deposed leader applies nothing."""
    machine = columns.take_machine()
    if machine.is_busy:  # the usual case: the queue need not even be read
        return 0
    snapshot = columns.take_snapshot(machine, now=now)
    chosen = _choose(machine, snapshot, plan(snapshot, full=False).placements)
    return sum(_apply(job, accelerators, epoch) for job, accelerators in chosen)


def _choose(
    machine: Machine, snapshot: Snapshot, placements: Iterable[Placement]
) -> Iterator[tuple[str, list[str]]]:
    """Which of a pool's idle accelerators each placement gets; none where they became fewer meanwhile."""
    gang = dict(zip(snapshot.jobs.ids, map(int, snapshot.jobs.gang), strict=True))
    idle = [machine.idle(pool) for pool in range(len(machine.members))]
    for placement in placements:
        free, wanted = idle[placement.pool], gang[placement.job]
        idle[placement.pool] = free[wanted:]
        if len(free) >= wanted:
            yield placement.job, free[:wanted]


def _apply(job_id: str, accelerators: Sequence[str], epoch: int) -> bool:
    """Start one placement if it still holds: the leader leads, the job waits, its accelerators are free."""
    try:
        with transaction.atomic():
            if not Lease.objects.select_for_update().filter(name=LEADER, epoch=epoch).exists():
                return False
            job = Job.objects.get(pk=job_id)
            chosen = list(columns.takeable().filter(pk__in=accelerators).select_related("node"))
            # One may have been switched off, or its node fallen silent, since the snapshot.
            gone = len(chosen) != len(accelerators)
            if gone or job.request == Request.CANCEL or _taken(chosen):
                return False
            attempt = lifecycle.begin(job, node=chosen[0].node, accelerators=chosen)
            node = chosen[0].node.name
            transaction.on_commit(lambda: tasks.wake_node(node, attempt.pk), robust=True)
    except (StaleLease, Job.DoesNotExist, IntegrityError):
        log.info("job %s moved on before it could be started", job_id)
        return False
    return True


def _taken(chosen: Iterable[Accelerator]) -> bool:
    return Attempt.objects.filter(ended_at=None, accelerators__in=list(chosen)).exists()
