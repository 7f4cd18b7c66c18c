"""From the database to the pure scheduler and back: take a snapshot, plan, apply each placement guarded."""

import logging
from collections.abc import Sequence

from django.db import IntegrityError, OperationalError, transaction
from django.utils.translation import gettext_lazy as _

from jobs.queue import bells, columns, lifecycle, placing, promises
from jobs.queue.backlog import Backlog
from jobs.queue.columns import Machine
from jobs.queue.models import Job, Request
from jobs.queue.placing import Place
from jobs.queue.reasons import Status
from jobs.scheduler import lifetable
from jobs.scheduler.lifetable import LifeTable
from jobs.scheduler.plan import plan
from jobs.scheduler.promises import for_later
from jobs.scheduler.snapshot import NOWHERE, Placement, Plan, Snapshot
from portal.core.leases import StaleLease
from portal.core.models import Lease

log = logging.getLogger(__name__)
LEADER = "scheduler"
TOGETHER = 100  # jobs that are started in one transaction
GIVES_WAY = _("It is asked to give way to other work. It saves its state, and goes on when there is room.")


def dispatch(
    *,
    now: float,
    epoch: int,
    full: bool = False,
    lives: LifeTable = lifetable.EMPTY,
    backlog: Backlog | None = None,
) -> int:
    """One pass: how many jobs were started. `epoch` is the leader's; a pass of a deposed leader applies nothing. A
    `full` one may ask running jobs to give way: they save a checkpoint, and their place is kept for whom they were
    asked (`jobs.queue.promises`). `backlog` is what the leader knows of the queue; without one it is read whole.
    """
    machine = columns.take_machine()
    if machine.is_busy and not full and not columns.somebody_gives_way(now):
        return 0  # the usual case: the queue need not even be read
    backlog = backlog or Backlog()
    snapshot = columns.take_snapshot(machine, now=now, lives=lives, backlog=backlog)
    made = plan(snapshot, full=full)
    later = for_later(snapshot, made)
    _promise(later, made, snapshot, machine, epoch)
    for job in made.preempted:
        _ask_to_give_way(job, epoch)
    waits = set(later)
    chosen = list(placing.choose(machine, snapshot, [each for each in made.placements if each not in waits]))
    started = _apply(chosen, epoch)
    backlog.doubt(place.job for place in chosen if place.job not in started)
    return len(started)


def _apply(chosen: Sequence[Place], epoch: int) -> set[str]:
    """Start what still holds: the leader leads, the job waits, there is room for it. The jobs that were started."""
    started: set[str] = set()
    for first in range(0, len(chosen), TOGETHER):
        places = chosen[first : first + TOGETHER]
        some = _start(places, epoch)
        if some is None:  # one by one, so that whatever is amiss with one holds up no other
            some = set().union(*(_start([place], epoch) or set() for place in places))
        started |= some
    return started


def _start(places: Sequence[Place], epoch: int) -> set[str] | None:
    """The jobs that were started; None when something moved on in the midst, and nothing was."""
    try:
        with transaction.atomic():
            return placing.start(places) if _leads(epoch) else set()
    except (
        StaleLease,
        IntegrityError,
        OperationalError,
    ):  # the last: a deadlock, which PostgreSQL resolves so
        log.info("%s moved on before they could be started", ", ".join(place.job for place in places))
        return None


def _promise(
    later: Sequence[Placement], made: Plan, snapshot: Snapshot, machine: Machine, epoch: int
) -> None:
    """Write down for whom others are about to be asked to give way, and drop what came of earlier promises."""
    if not later and (snapshot.jobs.promise == NOWHERE).all():
        return
    with transaction.atomic():
        if _leads(epoch):
            promises.write(later, machine.members, kept=made.promised, now=snapshot.now)


def _ask_to_give_way(job_id: str, epoch: int) -> None:
    """Have the job's node save a checkpoint and end the attempt, unless something else was asked of it."""
    with transaction.atomic():
        if not _leads(epoch):
            return
        rows = Job.objects.filter(
            pk=job_id, status__in=[Status.STARTING, Status.RUNNING], request=Request.NONE
        )
        if rows.update(request=Request.PREEMPT):
            job = Job.objects.get(pk=job_id)
            lifecycle.note(job_id, Status(job.status), str(GIVES_WAY))
            bells.wake_control(job)


def _leads(epoch: int) -> bool:
    """Whether `epoch` is the leader's still; if so it stays that until the transaction ends."""
    return Lease.objects.select_for_update().filter(name=LEADER, epoch=epoch).exists()
