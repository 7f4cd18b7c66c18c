"""What is found by looking, when nobody said it: attempts without a living node, keys that have served."""

from django.utils import timezone

from jobs.queue import lifecycle
from jobs.queue.models import Attempt, Submission
from jobs.queue.services import KEY_LIVES
from portal.core import leases


def reap() -> int:
    """End the attempts whose lease ran out; how many."""
    reaped = 0
    for attempt in Attempt.objects.filter(leases.free(), ended_at=None).select_related("job"):
        reaped += lifecycle.reap(attempt) is not None
    return reaped


def forget_old_keys() -> int:
    """Drop idempotency keys past their 24 hours; how many."""
    gone, _counts = Submission.objects.filter(created_at__lt=timezone.now() - KEY_LIVES).delete()
    return gone
