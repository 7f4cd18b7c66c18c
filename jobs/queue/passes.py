"""The leader's passes: what is idle is filled at once, and now and then everything is weighed anew."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from jobs.queue import dispatch, lives
from jobs.queue.backlog import Backlog
from jobs.queue.models import Job, Request
from jobs.queue.reasons import Status
from jobs.scheduler import lifetable
from jobs.scheduler.lifetable import LifeTable
from jobs.scheduler.policy import DEFAULT, Policy

LEARN_S = 1800.0
NEVER = float("-inf")


class Passes:
    """One leader's. Keeps the life table, the queue as columns, and when the last full pass was: by a clock that nobody
    sets.
    """

    def __init__(self, policy: Policy = DEFAULT, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.policy = policy
        self.lives: LifeTable = lifetable.EMPTY
        self.backlog = Backlog(clock=clock)
        self._clock = clock
        self._learnt_at = self._full_at = NEVER
        self._full_began = datetime.min.replace(tzinfo=UTC)

    def run(self, *, now: float, epoch: int) -> int:
        """One pass; how many jobs were started. `now`: seconds since the epoch."""
        self._learn(now)
        full = self._is_due()
        if full:
            self._full_at, self._full_began = self._clock(), datetime.fromtimestamp(now, UTC)
        return dispatch.dispatch(now=now, epoch=epoch, full=full, lives=self.lives, backlog=self.backlog)

    def _is_due(self) -> bool:
        """Every few minutes; sooner when somebody who came since then waits."""
        since = self._clock() - self._full_at
        if since >= self.policy.full_every_s:
            return True
        return since >= self.policy.full_soon_s and self._somebody_new_waits()

    def _somebody_new_waits(self) -> bool:
        waiting = Job.objects.filter(status=Status.QUEUED).exclude(request=Request.CANCEL)
        return waiting.filter(created_at__gt=self._full_began).exists()

    def _learn(self, now: float) -> None:
        if self._clock() - self._learnt_at >= LEARN_S:
            self._learnt_at = self._clock()
            self.lives = lives.learn(now=now)
