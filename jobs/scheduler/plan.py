"""Who runs where: the pure decision. See the project's design for what stands behind the numbers."""

from dataclasses import dataclass

import numpy as np

from jobs.scheduler.packing import Room
from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.pricing import prices
from jobs.scheduler.snapshot import (
    NOWHERE,
    Blocker,
    Bools,
    Floats,
    Ints,
    Placement,
    Plan,
    Snapshot,
)
from jobs.scheduler.weight import is_overdue, weigh

ROUNDING = 1e-9
DUE, ORDINARY, SPARE = LEVELS = (0, 1, 2)
FEW = 256  # candidates that are looked at however small the machine is
PER_ACCELERATOR = 4


def plan(snapshot: Snapshot, policy: Policy = DEFAULT, *, full: bool = True) -> Plan:
    """What to start, and in a full pass what to preempt for it. Deterministic.

    Otherwise what runs stays, and what is idle is filled. Nobody is preempted who was placed a moment ago
    (`Policy.protect_s`), none whose job is fixed, and no two jobs preempt each other in turn: running is worth more
    than waiting. Memory, gangs and members' limits hold in whatever is decided.
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
        self.weight, self.rank = weigh(snapshot, policy)
        self.runs = self.jobs.pool != NOWHERE
        self.held = self.runs & self._stays()
        self.overdue = is_overdue(snapshot, policy)
        self.chosen = np.where(self.held, self.jobs.pool, NOWHERE)
        self.blocker = np.zeros(len(self.jobs.ids), dtype=np.int8)

    def run(self) -> Plan:
        room = self._room()
        allowed = self._allowed()
        if not room.is_full:
            self._fill(room, self._candidates(allowed, room))
        return self._plan(allowed)

    def _stays(self) -> Bools:
        """Running jobs that this pass leaves where they are."""
        settled = np.full(len(self.jobs.ids), not self.full)
        if self.full:
            least = np.maximum(
                self.policy.protect_s, self.policy.protect_checkpoints * self.jobs.checkpoint_s
            )
            settled = np.asarray(self.snapshot.now - self.jobs.since < least, dtype=np.bool_)
        stays: Bools = np.logical_or(self.jobs.fixed, settled & ~self.jobs.spare)
        return stays

    def _room(self) -> Room:
        used = np.bincount(
            self.jobs.pool[self.held], weights=self.jobs.gang[self.held], minlength=len(self.pools.size)
        )
        return Room(self.pools, np.maximum(self.pools.size - used.astype(np.int64), 0))

    def _allowed(self) -> Bools:
        """Jobs within their member's limit of running ones: what is held counts first, then the weightiest."""
        held = np.bincount(self.jobs.owner[self.held], minlength=len(self.snapshot.owners.limit))
        open_ = np.flatnonzero(~self.held)
        order = open_[np.lexsort((self.rank[open_], self.jobs.owner[open_]))]
        owner = self.jobs.owner[order]
        starts = np.searchsorted(owner, owner, side="left")
        place = np.arange(len(order)) - starts + held[owner]
        allowed: Bools = self.held.copy()
        allowed[order] = place < self.snapshot.owners.limit[owner]
        self.blocker[~allowed] = Blocker.CONCURRENCY
        return allowed

    def _candidates(self, allowed: Bools, room: Room) -> _Candidates:
        """The jobs worth looking at: what runs, who is overdue, and of the rest the most valuable, a few times as many
        as there are accelerators.
        """
        jobs = self.jobs
        rows = np.flatnonzero(allowed & ~self.held)
        wanted = FEW + PER_ACCELERATOR * int(room.free.sum())
        if len(rows) > wanted:
            worth = self.weight[rows] + np.where(self.runs[rows] | self.overdue[rows], np.inf, 0.0)
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

    def _fill(self, room: Room, found: _Candidates) -> None:
        """By surplus over the prices, those who are due first; then what is left idle goes to whoever can use it."""
        price = prices(found.value, found.gang, room.of_type(self.kinds))
        surplus = found.value - price * found.gang[:, None]
        for level in LEVELS:
            rows = np.flatnonzero(found.level == level)
            placed = self._place_all(room, found.rows[rows], found.value[rows], surplus[rows])
            if level == DUE:
                self._reserve(room, found.rows[rows[~placed]])

    def _reserve(self, room: Room, unmet: Ints) -> None:
        """One place is kept, for whoever is due and weighs most, as EASY does it: more would leave too much idle."""
        if len(unmet):
            room.reserve(self.jobs, int(unmet[np.argmax(self.weight[unmet])]))

    def _place_all(self, room: Room, jobs: Ints, value: Floats, surplus: Floats) -> Bools:
        """Place the pairs of job and type that gain most first; which of the jobs found a place."""
        placed = np.zeros(len(jobs), dtype=np.bool_)
        row, kind = np.nonzero(value > 0)
        gain = surplus[row, kind]
        loses = gain < -ROUNDING * value[row, kind]
        for pair in np.lexsort((jobs[row], -gain, loses)):
            if room.is_full:
                break
            if not placed[row[pair]]:
                placed[row[pair]] = self._put(room, int(jobs[row[pair]]), int(kind[pair]))
        return placed

    def _put(self, room: Room, job: int, kind: int) -> bool:
        gang, here = int(self.jobs.gang[job]), int(self.jobs.pool[job])
        if here != NOWHERE and self.pools.type[here] == kind and room.takes(here, gang):
            pool = here
        else:
            pool = room.best(kind, gang, int(self.jobs.memory_bytes[job]))
        if pool == NOWHERE:
            return False
        room.take(pool, gang)
        self.chosen[job] = pool
        return True

    def _possible(self) -> Bools:
        """Jobs that some pool could hold if it were empty."""
        pools, size, memory = self.pools, np.zeros(self.kinds), np.zeros(self.kinds)
        np.maximum.at(size, pools.type, pools.size)
        np.maximum.at(memory, pools.type, np.where(pools.memory_bytes == 0, np.inf, pools.memory_bytes))
        able = (self.jobs.speed > 0) & (size >= self.jobs.gang[:, None])
        return np.asarray((able & (memory >= self.jobs.memory_bytes[:, None])).any(axis=1))

    def _plan(self, allowed: Bools) -> Plan:
        ids, moved = self.jobs.ids, self.chosen != self.jobs.pool
        starts = np.flatnonzero(moved & (self.chosen != NOWHERE))
        starts = starts[np.lexsort((starts, -self.weight[starts]))]
        waits = allowed & (self.chosen == NOWHERE)
        self.blocker[waits] = Blocker.ACCELERATOR
        self.blocker[(self.chosen == NOWHERE) & ~self._possible()] = Blocker.NOWHERE
        return Plan(
            placements=tuple(Placement(ids[row], int(self.chosen[row])) for row in starts),
            preempted=tuple(ids[row] for row in np.flatnonzero(moved & self.runs)),
            blocker=self.blocker,
            weight=self.weight,
        )
