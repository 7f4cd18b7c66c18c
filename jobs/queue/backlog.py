"""What the leader knows of the queue from one pass to the next: it reads only the jobs of which something happened."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np
from django.db.models import Q

from jobs.queue import estimates, open_jobs
from jobs.queue.estimates import UNKNOWN, Pace
from jobs.queue.models import JobEvent
from jobs.queue.table import Numbers, RowIndex, Table, table
from jobs.queue.work import Speeds
from jobs.scheduler.snapshot import Floats

WHOLE_S = 600.0  # the queue is read whole again, in case anything was missed
LEARN_S = 30.0  # how long jobs take is learnt anew
LATE_S = 60.0  # no transaction lasts longer: a number that is missing until then belongs to no event
RECENT = 500  # events, among which missing numbers are looked for at the beginning
FARTHEST = 5000  # behind the newest no number is waited for: all of them go into one query
MANY = 2000  # changed jobs, from which on it is sooner read whole


class Backlog:
    """The jobs that wait, as columns. Whatever happens to a job leaves an event in the same transaction
    (`jobs.queue.lifecycle`): these are followed by their numbers. Of two transactions the one with the larger number
    may be committed first: so numbers that were left out are waited for. It is no more than a memory: placements are
    checked against the database, and what does not hold there is looked at again (`doubt`).
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.owners, self.recipes = Numbers(), Numbers()
        self._clock = clock
        self._waiting = table([], self.owners, self.recipes, {})
        self._index = RowIndex([])
        self._known: Speeds | None = None
        self._read_at = self._learnt_at = float("-inf")
        self._newest = 0
        self._missing: dict[int, float] = {}  # numbers below the newest, with when they were first missed
        self._doubtful: set[str] = set()
        self._priors: Mapping[str, Pace] = {}

    def doubt(self, jobs: Iterable[str]) -> None:
        """These are not as they were thought to be."""
        self._doubtful.update(jobs)

    def waiting(self, known: Speeds, *, now: float) -> Table:
        """The queue as it stands. `now`: seconds since the epoch."""
        changed = self._changed()
        stale = self._known != known or self._clock() - self._read_at >= WHOLE_S
        if stale or len(changed) > MANY:
            self._known, self._read_at = known, self._clock()
            self._waiting = table(open_jobs.waiting(known, now=now), self.owners, self.recipes, {})
            self._index = RowIndex(self._waiting.ids.tolist())
        elif changed:
            fresh = table(open_jobs.waiting(known, now=now, only=changed), self.owners, self.recipes, {})
            self._waiting = self._waiting.only(self._index.take_out(changed)).plus(fresh)
            self._index.add(fresh.ids.tolist())
        self._doubtful.clear()
        return self._waiting

    def rows(self, jobs: Collection[str]) -> dict[str, int]:
        """Of these jobs those that wait: their rows in what `waiting` told last."""
        return self._index.rows(jobs)

    def _changed(self) -> set[str]:
        """The jobs of the events that were not seen before. They are read before the jobs: what has changed by then
        is in these.
        """
        if self._known is None:  # all is read anyhow
            found = dict(JobEvent.objects.order_by("-pk").values_list("pk", "job_id")[:RECENT])
            self._newest = min(found, default=1) - 1
        else:
            events = JobEvent.objects.filter(Q(pk__gt=self._newest) | Q(pk__in=list(self._missing)))
            found = dict(events.order_by().values_list("pk", "job_id"))
        self._miss(found)
        return set(found.values()) | self._doubtful

    def _miss(self, found: Collection[int]) -> None:
        """Note the numbers that should be among the events that were `found`."""
        now, newest = self._clock(), max(found, default=self._newest)
        farthest = newest - FARTHEST
        missing = dict.fromkeys(range(max(self._newest, farthest) + 1, newest), now) | self._missing
        self._missing = {
            number: since
            for number, since in missing.items()
            if number not in found and number > farthest and now - since < LATE_S
        }
        self._newest = max(self._newest, newest)

    def priors(self, known: Speeds) -> Floats:
        """The `Pace` of each recipe, by its number (recipes, 3); NaN where nothing is known."""
        if self._clock() - self._learnt_at >= LEARN_S:
            self._learnt_at, self._priors = self._clock(), estimates.priors(known)
        found = [self._priors.get(name, UNKNOWN) for name in self.recipes.names]
        return np.array(found, dtype=np.float64).reshape(-1, len(UNKNOWN))
