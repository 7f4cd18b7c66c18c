"""What a replay is made of: the jobs of some days, the machine, and what its members had used before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from jobs.scheduler.simulate.trace import Trace
from jobs.scheduler.snapshot import Floats, Pools

ANY: Final = "any"
ON_REQUEST: Final = frozenset({"fpga"})  # what no job gets that did not ask for it
MOST_ADDED: Final = 1000


@dataclass(frozen=True)
class Past:
    """One job. Times in seconds from the beginning of the replay; NaN what has not happened.

    kind: of accelerator (of an FPGA board with its name, as `fpga:ulx3s-85f`), or `any`. work: seconds times the
    relative speed of what it ran on; of a gang, its slowest. wait_s: until it first started, and took_s until it
    ended, as it really was. carried: it was there at the beginning already, so it takes its place (with what was left
    of it), and is not counted. fixed: it may not be preempted.
    """

    id: str
    member: str
    submitted_s: float
    kind: str
    gang: int
    memory_bytes: int
    work: float
    wait_s: float = np.nan
    took_s: float = np.nan
    carried: bool = False
    fixed: bool = False
    boost: float = 1.0
    checkpoint_s: float = 0.0


@dataclass(frozen=True)
class Pool:
    """Alike accelerators of one node. speed: relative; price: of a second."""

    node: str
    kind: str
    model: str
    speed: float
    memory_bytes: int
    price: float
    size: int

    @property
    def type(self) -> tuple[str, str, float, float]:
        return (self.kind, self.model, self.speed, self.price)


@dataclass(frozen=True)
class Member:
    """share and limit (of jobs at once) as they are; used: (age at the beginning in s, weighted device-seconds)."""

    share: float = 1.0
    limit: int = 2**31
    used: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class History:
    """jobs: in order of submission. left_out: why, and how many. lost_s: device-seconds that the platform lost, which
    are not replayed.
    """

    jobs: tuple[Past, ...]
    pools: tuple[Pool, ...]
    members: Mapping[str, Member] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    lost_s: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The members by their dense number."""
        return tuple(dict.fromkeys(job.member for job in self.jobs))

    @property
    def types(self) -> tuple[tuple[str, str, float, float], ...]:
        return tuple(dict.fromkeys(pool.type for pool in self.pools))

    @property
    def size(self) -> int:
        return sum(pool.size for pool in self.pools)


def fitting(history: History, why: str) -> History:
    """Only those that something here could hold; the others are left out for `why`."""
    fits = tuple(job for job in history.jobs if any(_holds(pool, job) for pool in history.pools))
    out = len(history.jobs) - len(fits)
    return replace(history, jobs=fits, left_out={**history.left_out, why: out} if out else history.left_out)


def with_added(pools: Sequence[Pool], additions: Sequence[str]) -> tuple[Pool, ...]:
    """The machine with more, each addition as KIND=COUNT or KIND=COUNT@SPEED, on a node of its own. Without a speed it
    is like the fastest of its kind. ValueError in a sentence.
    """
    found = tuple(pools)
    for number, text in enumerate(additions):
        kind, _is, rest = text.partition("=")
        count, at, speed = rest.partition("@")
        alike = max((pool for pool in pools if pool.kind == kind), key=lambda pool: pool.speed, default=None)
        if not count.isdecimal() or not 0 < int(count) <= MOST_ADDED:
            raise ValueError(f"{text}: write what to add as gpu=2, or with a relative speed as gpu=2@1.5.")
        if alike is None and not at:
            raise ValueError(
                f"{text}: there is no {kind} here that it could be like. Say its speed, as {text}@1.5."
            )
        made = alike or Pool("", kind, "", 1.0, 0, 1.0, 0)
        made = replace(made, node=f"added {number + 1}", size=int(count))
        found = (*found, replace(made, speed=_speed(speed, text)) if at else made)
    return found


def trace_of(history: History) -> Trace:
    """The jobs for the simulator; steps are `work`. ValueError when there is none, or one fits nowhere."""
    if not history.jobs:
        raise ValueError("There is no job to replay.")
    rate = _rates(history)
    if not rate.max(axis=1, initial=0.0).all():
        raise ValueError("A job fits nowhere on this machine.")
    number = {name: index for index, name in enumerate(history.names)}
    return Trace(
        arrival=np.array([max(0.0, job.submitted_s) for job in history.jobs]),
        gang=np.array([job.gang for job in history.jobs], dtype=np.int64),
        steps=np.array([job.work for job in history.jobs]),
        rate=rate,
        types=tuple(f"{kind} {model}".strip() for kind, model, _speed, _price in history.types),
        owner=np.array([number[job.member] for job in history.jobs], dtype=np.int64),
    )


def pools_of(history: History) -> Pools:
    """The machine for the simulator. Nothing is shared there: each job has its accelerators to itself."""
    nodes = {name: index for index, name in enumerate(dict.fromkeys(pool.node for pool in history.pools))}
    types = {kind: index for index, kind in enumerate(history.types)}
    return Pools(
        node=np.array([nodes[pool.node] for pool in history.pools], dtype=np.int64),
        type=np.array([types[pool.type] for pool in history.pools], dtype=np.int64),
        memory_bytes=np.array([pool.memory_bytes for pool in history.pools], dtype=np.int64),
        size=np.array([pool.size for pool in history.pools], dtype=np.int64),
        sharers=np.ones(len(history.pools), dtype=np.int64),
    )


def _rates(history: History) -> Floats:
    """(jobs × types): 0 where no pool of the type could hold the job."""
    known: dict[tuple[str, int, int], list[float]] = {}
    for job in history.jobs:
        key = (job.kind, job.gang, job.memory_bytes)
        if key not in known:
            able = {pool.type for pool in history.pools if _holds(pool, job)}
            known[key] = [kind[2] if kind in able else 0.0 for kind in history.types]
    return np.array([known[job.kind, job.gang, job.memory_bytes] for job in history.jobs]).reshape(
        len(history.jobs), len(history.types)
    )


def _holds(pool: Pool, job: Past) -> bool:
    enough = pool.memory_bytes == 0 or pool.memory_bytes >= job.memory_bytes
    return _may_use(pool, job) and pool.size >= job.gang and enough


def _may_use(pool: Pool, job: Past) -> bool:
    if job.kind == ANY:
        return pool.kind.partition(":")[0] not in ON_REQUEST
    return job.kind == pool.kind


def _speed(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MOST_ADDED:
        raise ValueError(f"{whole}: the speed is a number above 0.")
    return value
