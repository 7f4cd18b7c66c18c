"""Who runs where: the pure decision. See the project's design for what stands behind the numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.scheduler import promises
from jobs.scheduler.places import Places
from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.pricing import prices
from jobs.scheduler.snapshot import NOWHERE, Blocker, Bools, Floats, Ints, Plan, Snapshot
from jobs.scheduler.weight import is_overdue, starts, weigh

ROUNDING = 1e-9
DUE, ORDINARY, SPARE = LEVELS = (0, 1, 2)
FEW = 256  # candidates that are looked at however small the machine is
PER_OPENING = 4
CHUNK = 512  # pairs that are looked at together
FIRST = 1e9  # far more than weights differ by


def plan(snapshot: Snapshot, policy: Policy = DEFAULT, *, full: bool = True) -> Plan:
    """What to start, and in a full pass what to preempt for it. Deterministic.

    Otherwise what runs stays, and what is idle is filled. Nobody is preempted who was placed a moment ago
    (`Policy.protect_s`), none whose job is fixed, and no two jobs preempt each other in turn: running is worth more
    than waiting. Memory, gangs and members' limits hold in whatever is decided. A job for which others were asked to
    give way (`Jobs.promise`) comes first, and only to where they leave.
    """
    return _Pass(snapshot, policy, full=full).run()


@dataclass
class _Candidates:
    """Rows of jobs that compete for what is not held. value: jobs × types; level: 0 goes first."""

    rows: Ints
    value: Floats
    gang: Floats
    level: Ints


class _Pass:
    def __init__(self, snapshot: Snapshot, policy: Policy, *, full: bool) -> None:
        self.snapshot, self.policy, self.full = snapshot, policy, full
        self.jobs, self.pools = snapshot.jobs, snapshot.pools
        self.kinds = snapshot.jobs.speed.shape[1]
        weighed = weigh(snapshot, policy)
        self.weight, self.order = weighed.weight, weighed.order
        self.runs = self.jobs.pool != NOWHERE
        self.held = self.runs & self._stays()
        self.overdue = is_overdue(snapshot, policy)
        self.places = Places(snapshot, policy, self.held, spares=not full)
        self.promised = promises.keep(snapshot, self.places, self.weight)

    def run(self) -> Plan:
        possible = self.places.could_ever_hold()
        if not self.places.is_full:
            self._fill(self._within_limits(possible), reserve=True)
            while self._top_up(possible) or self.places.spread():
                pass
        return self._plan(possible)

    def _stays(self) -> Bools:
        """Running jobs that this pass leaves where they are."""
        settled = np.full(len(self.jobs.ids), not self.full)
        if self.full:
            least = np.maximum(
                self.policy.protect_s, self.policy.protect_checkpoints * self.jobs.checkpoint_s
            )
            settled = np.asarray(self.snapshot.now - self.jobs.since < least, dtype=np.bool_)
        stays: Bools = np.logical_or(self.jobs.fixed, settled & ~self.jobs.spare)
        return stays | promises.beside_who_leaves(self.jobs)

    def _top_up(self, possible: Bools) -> bool:
        """Whether what was left idle served somebody who was not among the first candidates."""
        if self.places.is_full:
            return False
        wanted = self.places.could_hold_now(np.flatnonzero(possible & self.places.waits))
        return self._fill(self._within_limits(wanted))

    def _within_limits(self, wanted: Bools) -> Ints:
        """Of the jobs without a place those that their member may have running besides what has one or was promised
        one, by weight.
        """
        waits, limit = self.places.waits & ~self.promised, self.snapshot.owners.limit
        left = limit - np.bincount(self.jobs.owner[~waits], minlength=len(limit))
        rows = self.order[(wanted & waits)[self.order]]
        owner = self.jobs.owner[rows]
        within = np.zeros(len(waits), dtype=np.bool_)
        within[rows[np.arange(len(rows)) - starts(owner) < left[owner]]] = True
        return np.flatnonzero(within)

    def _candidates(self, rows: Ints) -> _Candidates:
        """The jobs worth looking at: what runs, then who is overdue, then the weightiest, a few times as many as there
        are places.
        """
        jobs = self.jobs
        wanted = FEW + PER_OPENING * self.places.openings
        if len(rows) > wanted:
            worth = self.weight[rows] * np.where(self.overdue[rows], FIRST, 1.0)
            worth[self.runs[rows]] = np.inf
            rows = np.sort(rows[np.argpartition(-worth, wanted)[:wanted]])
        value = self.weight[rows, None] * jobs.speed[rows]
        self._favour_running(rows, value)
        level = np.where(self.overdue[rows], DUE, np.where(jobs.spare[rows], SPARE, ORDINARY))
        return _Candidates(rows, value, jobs.gang[rows].astype(np.float64), level)

    def _favour_running(self, rows: Ints, value: Floats) -> None:
        """Hysteresis: to stop and start again costs, and to and fro gains nothing."""
        running = np.flatnonzero(self.runs[rows])
        value[running] *= self.policy.stay
        value[running, self.pools.type[self.jobs.pool[rows[running]]]] *= self.policy.same

    def _fill(self, rows: Ints, *, reserve: bool = False) -> bool:
        """By surplus over the prices, those who are due first; then what is left idle goes to whoever can use it.
        Whether anybody found a place.
        """
        found, any_placed = self._candidates(rows), False
        price = prices(found.value, found.gang, self.places.room.of_type(self.kinds))
        surplus = found.value - price * found.gang[:, None]
        for level in LEVELS:
            at = np.flatnonzero(found.level == level)
            placed = self._place_all(found.rows[at], found.value[at], surplus[at])
            any_placed |= bool(placed.any())
            if reserve and level == DUE:
                self._reserve(found.rows[at[~placed]])
        return any_placed

    def _reserve(self, unmet: Ints) -> None:
        """One place is kept, for whoever is due and weighs most, as EASY does it: more would leave too much idle."""
        if len(unmet):
            self.places.reserve(int(unmet[np.argmax(self.weight[unmet])]))

    def _place_all(self, jobs: Ints, value: Floats, surplus: Floats) -> Bools:
        """Place the pairs of job and type that gain most first; which of the jobs found a place."""
        placed = np.zeros(len(jobs), dtype=np.bool_)
        row, kind = np.nonzero(value > 0)
        gain = surplus[row, kind]
        loses = gain < -ROUNDING * value[row, kind]
        order = np.lexsort((jobs[row], -gain, loses))
        for start in range(0, len(order), CHUNK):
            if self.places.is_full:
                break
            pairs = order[start : start + CHUNK]
            open_ = pairs[~placed[row[pairs]] & self.places.holds(jobs[row[pairs]], kind[pairs])]
            for each, on in zip(row[open_].tolist(), kind[open_].tolist(), strict=True):
                if not placed[each]:
                    placed[each] = self.places.put(int(jobs[each]), on)
        return placed

    def _plan(self, possible: Bools) -> Plan:
        moved = self.places.moved & self.runs
        return Plan(
            placements=self.places.placements(self.weight),
            preempted=tuple(self.jobs.ids[row] for row in np.flatnonzero(moved)),
            blocker=self._blockers(possible),
            weight=self.weight,
            promised=tuple(self.jobs.ids[row] for row in np.flatnonzero(self.promised)),
        )

    def _blockers(self, possible: Bools) -> NDArray[np.int8]:
        waits, found = self.places.waits, np.zeros(len(self.weight), dtype=np.int8)
        found[waits] = Blocker.CONCURRENCY
        within = self._within_limits(possible)
        found[within] = Blocker.ACCELERATOR
        found[self.places.kept_from(within)] = Blocker.RESERVED
        found[within[self.jobs.spare[within]]] = Blocker.HOURS
        found[waits & self.promised] = Blocker.ACCELERATOR
        found[waits & ~possible] = Blocker.NOWHERE
        return found
