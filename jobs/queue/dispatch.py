"""From the database to the pure scheduler and back: take a snapshot, plan, apply each placement guarded."""

import logging
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet

from hardware.nodes.models import Accelerator, NodeState
from jobs.queue import lifecycle, tasks
from jobs.queue.models import Attempt, Job, Request
from jobs.queue.reasons import Status
from jobs.scheduler.plan import plan
from jobs.scheduler.snapshot import Jobs, Owners, Placement, Slots, Snapshot, kind_code
from portal.core.leases import StaleLease
from portal.core.models import Lease
from portal.ledger import queries as ledger

log = logging.getLogger(__name__)
MIB = 1024**2
LEADER = "scheduler"


def dispatch(*, now: float, epoch: int) -> int:
    """One pass: how many jobs were started. `epoch` is the leader's; a pass of a deposed leader applies nothing."""
    slots = take_slots()
    if not slots.free.any():  # the usual case on a busy machine: the queue need not even be read
        return 0
    snapshot = take_snapshot(slots, now=now)
    return sum(_apply(placement, epoch) for placement in plan(snapshot).placements)


def take_snapshot(slots: Slots, *, now: float) -> Snapshot:
    """The queue and the machine as columns."""
    rows = list(
        Job.objects.filter(status=Status.QUEUED)
        .exclude(request=Request.CANCEL)
        .values_list("pk", "owner_id", "created_at", "accelerator", "spec__resources")
    )
    owners = list(dict.fromkeys(row[1] for row in rows))
    number = {owner: index for index, owner in enumerate(owners)}
    resources = [row[4] or {} for row in rows]
    jobs = Jobs(
        ids=tuple(row[0] for row in rows),
        owner=np.array([number[row[1]] for row in rows], dtype=np.int64),
        submitted_at=np.array([row[2].timestamp() for row in rows], dtype=np.float64),
        kind=np.array([kind_code(row[3]) for row in rows], dtype=np.int8),
        count=np.array([item.get("count") or 1 for item in resources], dtype=np.int64),
        memory_bytes=np.array([(item.get("memory_mb") or 0) * MIB for item in resources], dtype=np.int64),
    )
    return Snapshot(now=now, jobs=jobs, slots=slots, owners=_owners(owners))


def take_slots() -> Slots:
    """The accelerators that take work, and which of them are free."""
    rows = list(
        _takeable().order_by("pk").values_list("pk", "node_id", "kind", "memory_bytes", "relative_speed")
    )
    busy = set(
        Attempt.accelerators.through.objects.filter(attempt__ended_at=None).values_list(
            "accelerator_id", flat=True
        )
    )
    nodes = {node: index for index, node in enumerate(dict.fromkeys(row[1] for row in rows))}
    return Slots(
        ids=tuple(row[0] for row in rows),
        node=np.array([nodes[row[1]] for row in rows], dtype=np.int64),
        kind=np.array([kind_code(row[2]) for row in rows], dtype=np.int8),
        memory_bytes=np.array([row[3] for row in rows], dtype=np.int64),
        speed=np.array([row[4] for row in rows], dtype=np.float64),
        free=np.array([row[0] not in busy for row in rows], dtype=np.bool_),
    )


def _owners(owners: list[str]) -> Owners:
    open_attempts = Attempt.objects.filter(ended_at=None, job__owner__in=owners)
    running: dict[str, int] = defaultdict(int)
    running.update(open_attempts.values_list("job__owner").annotate(count=Count("pk")))
    limits = ledger.concurrency_limits(owners)
    return Owners(allowance=np.array([limits[owner] - running[owner] for owner in owners], dtype=np.int64))


def _apply(placement: Placement, epoch: int) -> bool:
    """Start one placement if it still holds: the leader leads, the job waits, its accelerators are free."""
    try:
        with transaction.atomic():
            if not Lease.objects.select_for_update().filter(name=LEADER, epoch=epoch).exists():
                return False
            job = Job.objects.get(pk=placement.job)
            chosen = list(_takeable().filter(pk__in=placement.slots).select_related("node"))
            gone = len(chosen) != len(
                placement.slots
            )  # switched off, or its node fell silent, since the snapshot
            if gone or job.request == Request.CANCEL or _taken(chosen):
                return False
            attempt = lifecycle.begin(job, node=chosen[0].node, accelerators=chosen)
            node = chosen[0].node.name
            transaction.on_commit(lambda: tasks.wake_node(node, attempt.pk), robust=True)
    except (StaleLease, Job.DoesNotExist, IntegrityError):
        log.info("job %s moved on before it could be started", placement.job)
        return False
    return True


def _takeable() -> QuerySet[Accelerator]:
    """The accelerators that work may be sent to."""
    return Accelerator.objects.filter(enabled=True, node__state=NodeState.ACTIVE, node__trouble="")


def _taken(chosen: Iterable[Accelerator]) -> bool:
    return Attempt.objects.filter(ended_at=None, accelerators__in=list(chosen)).exists()
