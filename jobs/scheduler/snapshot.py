"""What the scheduler sees and what it decides: columns of plain numbers, no rows of a database, no clock.

Accelerators come in *pools*: those of one type on one node. Types are numbered; what they are is the caller's business.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jobs.scheduler import lifetable
from jobs.scheduler.lifetable import LifeTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
NOWHERE: Final = -1
ANY_NUMBER: Final = 2**31
NO_FLAGS: Final[Bools] = np.zeros(0, dtype=np.bool_)
NO_NUMBERS: Final[Ints] = np.zeros(0, dtype=np.int64)
NO_FACTORS: Final[Floats] = np.zeros(0)


def _fill(columns: object, count: int, **plain: np.generic) -> None:
    """Columns that were left out get their plain value in every row."""
    for name, value in plain.items():
        if len(getattr(columns, name)) == 0:
            object.__setattr__(columns, name, np.full(count, value))


@dataclass(frozen=True)
class Jobs:
    """Open jobs, one a row, in any order: those that wait and those that run.

    ids: as the database names them. owner: dense member numbers. submitted_at, since: seconds since the epoch; since is
    when a running job was put where it runs. gang: accelerators it needs at once, all in one pool. memory_bytes: that
    each of them must have, 0 unknown. speed (jobs × types): on a type over that on its fastest, 0 where it may not
    run. attained: seconds of work done so far, as on its fastest type. remaining: such seconds still to do, NaN when
    nobody can tell. ran: seconds it has run, on whatever. pool: where it runs, -1 while it waits. checkpoint_s: what a
    checkpoint costs it. fixed: it may not be preempted. spare: its member is over quota, so it takes only what would be
    idle, and gives way at once.

    shares: it may run beside others on one accelerator, because its memory_bytes are enforced; for gangs of 1 whose
    memory is known, ignored elsewhere. unit: the accelerator a running job may share, by any number that is its own
    within the pool; -1 for one that has its accelerators to itself, or waits. boost: what a steward multiplied its
    weight with.

    leaving: it runs and was asked to leave; it is fixed, and its accelerators are free soon. promise: the pool in which
    others were asked to give way for it (`Plan.promised`); -1 for none.
    """

    ids: tuple[str, ...]
    owner: Ints
    submitted_at: Floats
    gang: Ints
    memory_bytes: Ints
    speed: Floats
    attained: Floats
    remaining: Floats
    ran: Floats
    pool: Ints
    since: Floats
    checkpoint_s: Floats
    fixed: Bools
    spare: Bools
    shares: Bools = field(default_factory=lambda: NO_FLAGS)
    unit: Ints = field(default_factory=lambda: NO_NUMBERS)
    boost: Floats = field(default_factory=lambda: NO_FACTORS)
    leaving: Bools = field(default_factory=lambda: NO_FLAGS)
    promise: Ints = field(default_factory=lambda: NO_NUMBERS)

    def __post_init__(self) -> None:
        _fill(
            self, len(self.ids), shares=np.False_, unit=np.int64(NOWHERE), boost=np.float64(1.0),
            leaving=np.False_, promise=np.int64(NOWHERE),
        )  # fmt: skip

    @property
    def may_share(self) -> Bools:
        """Who may be on one accelerator with others."""
        return np.asarray(self.shares & (self.gang == 1) & (self.memory_bytes > 0))


def only(jobs: Jobs, rows: Ints) -> Jobs:
    """These rows of the jobs."""
    arrays = {name: column[rows] for name, column in vars(jobs).items() if name != "ids"}
    return replace(jobs, ids=tuple(jobs.ids[row] for row in rows), **arrays)


@dataclass(frozen=True)
class Pools:
    """Alike accelerators of one node, a pool a row. node and type: dense numbers; memory_bytes of each accelerator, 0
    unknown; size: how many take work, running or not; sharers: how many jobs may share one of them, 1 forbids it. It
    is shared only where its memory is known, and by no more than `Policy.sharers`.
    """

    node: Ints
    type: Ints
    memory_bytes: Ints
    size: Ints
    sharers: Ints = field(default_factory=lambda: NO_NUMBERS)

    def __post_init__(self) -> None:
        _fill(self, len(self.size), sharers=np.int64(ANY_NUMBER))


@dataclass(frozen=True)
class Owners:
    """Members by their dense number. limit: jobs they may have running at once; usage: decayed device-seconds;
    share: what they are entitled to, as a part of what all of these are: who has no open job is not among them.
    """

    limit: Ints
    usage: Floats
    share: Floats


@dataclass(frozen=True)
class Snapshot:
    """Everything a pass looks at. `lives` is the life table of past jobs."""

    now: float
    jobs: Jobs
    pools: Pools
    owners: Owners
    lives: LifeTable = lifetable.EMPTY


class Blocker(IntEnum):
    """What a job that was not placed waits for."""

    NONE = 0
    ACCELERATOR = 1
    CONCURRENCY = 2
    NOWHERE = 3  # nothing here is of a type, a size or a memory that it can run on
    RESERVED = (
        4  # what is free and would hold it is kept for one that waited past its bound, or others leave for
    )
    HOURS = 5  # its member is over quota, and what it could run on is taken


@dataclass(frozen=True)
class Placement:
    """Put this job into that pool: on accelerators that nothing runs on, or where the job `beside` is. That one runs
    there already, or is placed earlier in the same plan.
    """

    job: str
    pool: int
    beside: str | None = None


@dataclass(frozen=True)
class Plan:
    """What a pass decided, in the order in which it is to be applied. `preempted`: running jobs that give way, those
    that move elsewhere among them. `blocker`: a `Blocker` for each row of the jobs. `weight`: what each was worth.

    Whoever gives way needs time to save its state. A placement for which there is no room until then is a promise: the
    caller tells of it in the next snapshots (`Jobs.promise`), and the pool is kept. `promised`: those of the promises
    told this time that stand and still wait; the others are no more.
    """

    placements: tuple[Placement, ...]
    preempted: tuple[str, ...]
    blocker: NDArray[np.int8]
    weight: Floats = field(repr=False)
    promised: tuple[str, ...] = ()
