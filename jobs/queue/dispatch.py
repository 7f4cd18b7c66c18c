"""From the database to the pure scheduler and back: take a snapshot, plan, apply each placement guarded."""

import logging

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from jobs.queue import bells, columns, lifecycle, placing
from jobs.queue.models import Job, Request
from jobs.queue.placing import Place
from jobs.queue.reasons import Status
from jobs.scheduler import lifetable
from jobs.scheduler.lifetable import LifeTable
from jobs.scheduler.plan import plan
from portal.core.leases import StaleLease
from portal.core.models import Lease

log = logging.getLogger(__name__)
LEADER = "scheduler"
GIVES_WAY = _("It is asked to give way to other work. It saves its state, and goes on when there is room.")


def dispatch(*, now: float, epoch: int, full: bool = False, lives: LifeTable = lifetable.EMPTY) -> int:
    """One pass: how many jobs were started. `epoch` is the leader's; a pass of a deposed leader applies nothing. A
    `full` one may ask running jobs to give way: they save a checkpoint, and a later pass fills their place.
    """
    machine = columns.take_machine()
    if machine.is_busy and not full and not columns.somebody_gives_way():
        return 0  # the usual case: the queue need not even be read
    snapshot = columns.take_snapshot(machine, now=now, lives=lives)
    made = plan(snapshot, full=full)
    for job in made.preempted:
        _ask_to_give_way(job, epoch)
    chosen = placing.choose(machine, snapshot, made.placements)
    return sum(_apply(place, epoch) for place in chosen)


def _apply(place: Place, epoch: int) -> bool:
    """Start one placement if it still holds: the leader leads, the job waits, there is room for it."""
    try:
        with transaction.atomic():
            return _leads(epoch) and placing.start(place)
    except (StaleLease, Job.DoesNotExist, IntegrityError):
        log.info("job %s moved on before it could be started", place.job)
        return False


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
