"""What is found by looking, when nobody said it: attempts without a living node, keys that have served."""

import logging
from datetime import timedelta

from django.db import DatabaseError
from django.utils import timezone

from jobs.queue import lifecycle
from jobs.queue.models import Attempt, Job, Submission
from jobs.queue.reasons import FINAL
from jobs.queue.services import KEY_LIVES
from portal.core import leases
from portal.core.telemetry import logs

log = logging.getLogger(__name__)
CHECKPOINT_LIVES = timedelta(days=7)


def reap() -> int:
    """End the attempts whose lease ran out, or whose worker is known to be gone; how many. One that can't be ended
    holds up no other.
    """
    leases.give_back_for_the_dead(Attempt.objects.filter(ended_at=None))
    return sum(_reap(attempt) for attempt in list(Attempt.objects.filter(leases.free(), ended_at=None)))


def _reap(attempt: Attempt) -> bool:
    try:
        with logs.about(job=attempt.job_id, attempt=attempt.pk):
            return lifecycle.reap(attempt) is not None
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
