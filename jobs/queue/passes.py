"""The leader's passes: what is idle is filled at once, and now and then everything is weighed anew."""

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

from jobs.queue import dispatch, lives
from jobs.queue.backlog import Backlog
from jobs.queue.kinds import usable
from jobs.queue.models import Attempt, Job, Request
from jobs.queue.reasons import Status
from jobs.queue.work import speeds
from jobs.scheduler import lifetable
from jobs.scheduler.lifetable import LifeTable
from jobs.scheduler.policy import DEFAULT, Policy

LEARN_S = 1800.0
NEVER, NOT_YET = float("-inf"), float("inf")


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
        self._soon_at = NOT_YET
        self._full_began = datetime.min.replace(tzinfo=UTC)

    def run(self, *, now: float, epoch: int) -> int:
        """One pass; how many jobs were started. `now`: seconds since the epoch."""
        self._learn(now)
        full = self._is_due()
        if full:
            self._full_at, self._full_began = self._clock(), datetime.fromtimestamp(now, UTC)
            self._soon_at = NOT_YET
        started = dispatch.dispatch(now=now, epoch=epoch, full=full, lives=self.lives, backlog=self.backlog)
        if self._soon_at == NOT_YET and self._somebody_new_is_in_a_hurry():
            self._soon_at = self._clock() + self.policy.full_soon_s
        return started

    def _is_due(self) -> bool:
        """Every few minutes; sooner when somebody came since then who waits, or runs where it is slow: as it is
        simulated (`jobs.scheduler.simulate.world`).
        """
        return self._clock() >= min(self._full_at + self.policy.full_every_s, self._soon_at)

    def _somebody_new_is_in_a_hurry(self) -> bool:
        waiting = Job.objects.filter(status=Status.QUEUED).exclude(request=Request.CANCEL)
        return waiting.filter(created_at__gt=self._full_began).exists() or self._somebody_new_is_slow()

    def _somebody_new_is_slow(self) -> bool:
        open_ = Attempt.objects.filter(ended_at=None, job__created_at__gt=self._full_began)
        units: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for job, kind, asked, unit in open_.values_list(
            "job", "job__kind", "job__accelerator", "accelerators"
        ):
            units[job, kind, asked].add(unit)
        known = speeds() if units else None
        return known is not None and any(
            known.relative(usable(kind, asked), on) < self.policy.slow
            for (_job, kind, asked), on in units.items()
        )

    def _learn(self, now: float) -> None:
        if self._clock() - self._learnt_at >= LEARN_S:
            self._learnt_at = self._clock()
            self.lives = lives.learn(now=now)
