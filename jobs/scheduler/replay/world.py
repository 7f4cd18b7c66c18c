"""A history in the simulator: as the portal's own passes would have seen it, under other settings."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from jobs.scheduler.plan import plan
from jobs.scheduler.replay.history import History, pools_of, trace_of
from jobs.scheduler.replay.settings import Settings
from jobs.scheduler.simulate.world import Conditions, Outcome, World
from jobs.scheduler.snapshot import Floats, Ints, Owners, Plan, Snapshot

RESTART_S = 30.0


def replay(
    history: History,
    settings: Settings,
    *,
    restart_s: float = RESTART_S,
    watch: Callable[[float], None] = lambda _done: None,
) -> Outcome:
    """What becomes of the history's jobs. `watch` is told at every decision what part of them has come, 0 to 1; what it
    raises ends the replay. ValueError when there is nothing to replay.
    """
    return _Replay(history, settings, restart_s, watch).run()


class _Replay(World):
    """Besides what every simulation has: memory, limits and shares of members, prices, what was used before, and what
    may not be preempted. A job tells its remaining time once it has run for a while, as trainings do.
    """

    def __init__(
        self, history: History, settings: Settings, restart_s: float, watch: Callable[[float], None]
    ) -> None:
        trace = trace_of(history)
        size = [sum(pool.size for pool in history.pools if pool.type == kind) for kind in history.types]
        conditions = Conditions(
            capacity=tuple(size), per_node=1, restart_s=restart_s, sigma=0.0, half_life_s=settings.half_life_s
        )
        super().__init__(trace, conditions, self._watched, settings.policy)
        self.watch, jobs = watch, history.jobs
        self.pools = pools_of(history)
        self.price = np.array([kind[3] for kind in history.types])
        self.submitted = np.array([job.submitted_s for job in jobs])
        self.memory = np.array([job.memory_bytes for job in jobs], dtype=np.int64)
        self.checkpoint = np.array([job.checkpoint_s for job in jobs])
        self.fixed = np.array([job.fixed for job in jobs], dtype=np.bool_)
        self.boost = np.array([job.boost for job in jobs])
        self._members(history, settings)

    def _members(self, history: History, settings: Settings) -> None:
        members = [history.members[name] for name in history.names]
        self.limit = np.array([max(1, each.limit) for each in members], dtype=np.int64)
        self.share = np.array(
            [settings.shares.get(name, history.members[name].share) for name in history.names],
            dtype=np.float64,
        )
        self.usage = np.array(
            [sum(used * 0.5 ** (age / settings.half_life_s) for age, used in each.used) for each in members],
            dtype=np.float64,
        )

    def _watched(self, snapshot: Snapshot, full: bool) -> Plan:
        self.watch(self.came / len(self.submitted))
        return plan(snapshot, self.policy, full=full)

    def _charge(self, rows: Ints, used: Floats) -> Floats:
        return np.asarray(used * self.price[self.pools.type[self.pool[rows]]])

    def snapshot(self, rows: Ints) -> Snapshot:
        """Shares and use are those of the members who have open jobs, as the portal weighs them."""
        seen = super().snapshot(rows)
        is_open = np.bincount(self.trace.owner[rows], minlength=len(self.share)) > 0
        whole = float(self.share[is_open].sum()) or 1.0
        jobs = replace(
            seen.jobs,
            submitted_at=self.submitted[rows],
            memory_bytes=self.memory[rows],
            checkpoint_s=self.checkpoint[rows],
            fixed=self.fixed[rows] | seen.jobs.fixed,
            boost=self.boost[rows],
        )
        owners = Owners(
            limit=self.limit,
            usage=np.where(is_open, self.usage, 0.0),
            share=np.where(is_open, self.share / whole, 0.0),
        )
        return replace(seen, jobs=jobs, owners=owners)
