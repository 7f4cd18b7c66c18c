"""Promises: places that running jobs were asked to leave for others. A new leader finds them in the database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings

from jobs.queue.models import Promise
from jobs.scheduler.snapshot import Placement


def standing(where: Mapping[str, int], *, now: float) -> dict[str, int]:
    """The pool that each job was promised; `where` tells that of each accelerator. `now`: seconds since the epoch."""
    rows = Promise.objects.filter(until__gt=datetime.fromtimestamp(now, UTC))
    found = rows.values_list("job", "accelerator")
    return {job: where[accelerator] for job, accelerator in found if accelerator in where}


def write(
    made: Sequence[Placement], members: Sequence[Sequence[str]], *, kept: Iterable[str], now: float
) -> None:
    """Those that are new, and the `kept` ones besides: all others are no more. `members`: the accelerators of each
    pool. They last for as long as a job that is asked to leave may take at most (`jobs.queue.record`). Call it in a
    transaction.
    """
    until = datetime.fromtimestamp(now, UTC) + timedelta(seconds=settings.HUNG_AFTER_S)
    new = [Promise(job_id=each.job, accelerator_id=members[each.pool][0], until=until) for each in made]
    Promise.objects.exclude(job__in=list(kept)).delete()
    Promise.objects.bulk_create(new)
