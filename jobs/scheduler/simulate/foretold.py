"""How often the range that a job is told first comes true: the forecast, in the simulator."""

from dataclasses import dataclass, field

import numpy as np

from jobs.scheduler import forecast
from jobs.scheduler.forecast import Effort
from jobs.scheduler.simulate.world import Outcome, World
from jobs.scheduler.snapshot import NOWHERE, Ints

ROLLS = 24
ENOUGH = Effort(rolls=ROLLS, least=ROLLS, budget_s=np.inf)


@dataclass
class Foretold(World):
    """A run in which every `every`-th job that has to wait is told, as it comes, when it will start. `ranges`: from
    when to when, in the trace's seconds, by the job's number.
    """

    every: int = 1
    ranges: dict[int, tuple[float, float]] = field(default_factory=dict, init=False)

    def _arrive(self) -> Ints:
        self.new = super()._arrive()
        return self.new

    def _decide(self, *, full: bool) -> None:
        super()._decide(full=full)
        waits = [int(job) for job in self.new if self.pool[job] == NOWHERE and job % self.every == 0]
        self.new = self.new[:0]
        if waits:
            self._foretell(waits)

    def _foretell(self, waits: list[int]) -> None:
        seen = self.snapshot(np.flatnonzero(self.is_open))
        found = forecast.starts(seen, self.policy, seed=waits[0], effort=ENOUGH, whom=[*map(str, waits)])
        for job in waits:
            if told := found.get(str(job)):
                self.ranges[job] = (self.now + told.earliest, self.now + told.latest)


@dataclass(frozen=True)
class Record:
    """How many jobs were told a range, how many started within theirs or too late, how wide the middle one is."""

    told: int
    held: int
    late: int
    width_s: float


def record(world: Foretold, outcome: Outcome) -> Record:
    jobs = np.array(sorted(world.ranges), dtype=np.int64)
    told = np.array([world.ranges[int(job)] for job in jobs]).reshape(-1, 2)
    began = outcome.first[jobs]
    return Record(
        told=len(jobs),
        held=int(((began >= told[:, 0]) & (began <= told[:, 1])).sum()),
        late=int((began > told[:, 1]).sum()),
        width_s=float(np.median(told[:, 1] - told[:, 0])) if len(jobs) else np.nan,
    )
