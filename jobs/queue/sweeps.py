"""What is found by looking, when nobody said it: attempts without a living node, keys that have served."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from jobs.queue import columns, lifecycle
from jobs.queue.models import Attempt, Job, Submission
from jobs.queue.reasons import FINAL, EndReason
from jobs.queue.services import KEY_LIVES
from portal.core import leases
from portal.core.telemetry import logs

log = logging.getLogger(__name__)
CHECKPOINT_LIVES = timedelta(days=7)


def reap() -> int:
    """End the attempts whose lease ran out, or whose worker is known to be gone, and those that wait in vain for a node
    to claim them; how many. One that can't be ended holds up no other.
    """
    open_ = Attempt.objects.filter(ended_at=None)
    leases.give_back_for_the_dead(open_)
    lost = sum(_ended(attempt, lifecycle.reap) for attempt in list(open_.filter(leases.free())))
    return lost + sum(_ended(attempt, _withdraw) for attempt in list(open_.filter(_unheard())))


def _unheard() -> Q:
    """What was sent to a node that misses its beats, as one that died just before. It goes elsewhere at once, and does
    not wait until a minute is over.
    """
    return Q(claimed_at=None, node__last_seen_at__lt=leases.in_future(-columns.QUIET_S))


def _withdraw(attempt: Attempt) -> Job | None:
    return lifecycle.withdraw(attempt, EndReason.NODE_LOST)


def _ended(attempt: Attempt, end: Callable[[Attempt], Job | None]) -> bool:
    try:
        with logs.about(job=attempt.job_id, attempt=attempt.pk):
            return end(attempt) is not None
    except DatabaseError:
        raise
    except Exception:
        log.exception("attempt %s can't be ended", attempt.pk)
        return False


def prune_checkpoints() -> int:
    """Let go of the checkpoints of jobs that ended a week ago without a model; how many. The store frees them."""
    old = Job.objects.filter(status__in=FINAL, ended_at__lt=timezone.now() - CHECKPOINT_LIVES)
    return old.filter(checkpoint__isnull=False).update(checkpoint=None, checkpoint_step=None)


def forget_old_keys() -> int:
    """Drop idempotency keys past their 24 hours; how many."""
    gone, _counts = Submission.objects.filter(created_at__lt=timezone.now() - KEY_LIVES).delete()
    return gone
