"""The queue and the machine as the columns that the pure scheduler looks at."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from django.db.models import Q, QuerySet

from hardware.nodes.models import Accelerator, NodeState
from jobs.queue import estimates, hostmemory, open_jobs, promises
from jobs.queue.backlog import Backlog
from jobs.queue.models import Attempt
from jobs.queue.places import place_of
from jobs.queue.table import COMBINATIONS, Table, from_bits, table
from jobs.queue.work import speeds
from jobs.scheduler import lifetable
from jobs.scheduler.lifetable import LifeTable
from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Ints, Jobs, Owners, Pools, Snapshot
from portal.core import leases
from portal.ledger import queries as ledger
from portal.ledger.queries import Hours
from portal.ledger.registry import Held

MIB = 1024**2
QUIET_S = 10.0  # a node beats every 2 s


@dataclass(frozen=True)
class Machine:
    """The accelerators that take work, in pools of alike ones on one node. kinds, places and speeds are those of the
    types by their number; members: the ids in each pool; busy: those of them that something runs on.
    """

    pools: Pools
    kinds: tuple[str, ...]
    places: tuple[str, ...]
    speeds: Floats
    members: tuple[tuple[str, ...], ...]
    busy: frozenset[str]

    @property
    def where(self) -> dict[str, int]:
        """The pool of each accelerator."""
        return {pk: pool for pool, members in enumerate(self.members) for pk in members}

    @property
    def place(self) -> dict[str, int]:
        """The number of each accelerator within its pool."""
        return {pk: place for members in self.members for place, pk in enumerate(members)}

    @property
    def is_busy(self) -> bool:
        """Whether nothing is idle, and nobody could come beside what runs."""
        sharable = bool((self.pools.sharers > 1).any())
        return not sharable and all(pk in self.busy for members in self.members for pk in members)

    def idle(self, pool: int) -> list[str]:
        """The accelerators of a pool that nothing runs on."""
        return [pk for pk in self.members[pool] if pk not in self.busy]


def takeable() -> QuerySet[Accelerator]:
    """The accelerators that work may be sent to: not those of a node that missed some beats (it may be lost, and what
    is sent to it would wait in vain until that is known), nor those of one whose engine is still being loaded, as
    another may be free sooner.
    """
    found = Accelerator.objects.filter(enabled=True, node__state=NodeState.ACTIVE, node__trouble="")
    warm = ~Q(node__load__warm=0.0) | Q(node__load__warm__isnull=True)
    return found.filter(warm).exclude(node__last_seen_at__lt=leases.in_future(-QUIET_S))


def somebody_gives_way(now: float) -> bool:
    """Whether a job runs whose member is over their hours: it gives way at once, where others do in full passes."""
    open_ = Attempt.objects.filter(ended_at=None, job__request="")
    owners = set(open_.values_list("job__owner", flat=True))
    return any(hours.spent for hours in ledger.hours_standing(owners, now=_moment(now)).values())


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)


def take_machine() -> Machine:
    """The accelerators that take work, and which of them something runs on."""
    rows = list(
        takeable()
        .order_by("node", "kind", "index")
        .values_list("pk", "node_id", "kind", "model", "relative_speed", "memory_bytes", "sharing")
    )
    memories = hostmemory.packable([(row[1], row[2], row[5]) for row in rows])
    types = list(dict.fromkeys(row[2:5] for row in rows))
    nodes = {node: number for number, node in enumerate(dict.fromkeys(row[1] for row in rows))}
    members: dict[tuple[int, int, int, int], list[str]] = defaultdict(list)
    for (pk, node, kind, model, speed, _all, sharing), memory in zip(rows, memories, strict=True):
        members[nodes[node], types.index((kind, model, speed)), memory, sharing].append(pk)
    pools = np.array([(*key, len(found)) for key, found in members.items()], dtype=np.int64).reshape(-1, 5)
    open_ = Attempt.accelerators.through.objects.filter(attempt__ended_at=None)
    return Machine(
        pools=Pools(
            node=pools[:, 0],
            type=pools[:, 1],
            memory_bytes=pools[:, 2],
            sharers=pools[:, 3],
            size=pools[:, 4],
        ),
        kinds=tuple(each[0] for each in types),
        places=tuple(place_of(each[0], each[1]) for each in types),
        speeds=np.array([each[2] for each in types], dtype=np.float64),
        members=tuple(map(tuple, members.values())),
        busy=frozenset(open_.values_list("accelerator_id", flat=True)),
    )


def take_snapshot(
    machine: Machine, *, now: float, lives: LifeTable = lifetable.EMPTY, backlog: Backlog | None = None
) -> Snapshot:
    """The queue, what runs, and the machine, as columns. `backlog` is what is known of the queue; without one it is
    read whole.
    """
    known, backlog = speeds(), backlog or Backlog()
    rows = open_jobs.running(machine.where, known, now=now)
    running = table(rows, backlog.owners, backlog.recipes, machine.place)
    open_ = running.plus(backlog.waiting(known, now=now))
    promised = _promised(running, backlog, len(open_), machine.where, now)
    present, owner = _dense(open_.owner, len(backlog.owners.names))
    owners = [backlog.owners.names[number] for number in present]
    held, moment = ledger.held(owners), _moment(now)
    hours = ledger.hours_standing(owners, held, now=moment)
    usable = _usable(machine, open_.classes, owner, hours, owners)
    return Snapshot(
        now=now,
        jobs=_jobs(open_, owner, usable, backlog.priors(known), promised),
        pools=machine.pools,
        owners=_owners(owners, held, moment),
        lives=lives,
    )


def _dense(numbers: Ints, most: int) -> tuple[Ints, Ints]:
    """Those of the numbers below `most` that occur, and the place of each among them."""
    present = np.flatnonzero(np.bincount(numbers, minlength=most))
    place = np.zeros(max(most, 1), dtype=np.int64)
    place[present] = np.arange(len(present))
    return present, place[numbers]


def _promised(running: Table, backlog: Backlog, count: int, where: Mapping[str, int], now: float) -> Ints:
    """The pool that each of `count` jobs was promised: of those that run, and of the backlog's behind them. `where`
    tells that of each accelerator.
    """
    found = np.full(count, NOWHERE, dtype=np.int64)
    if told := promises.standing(where, now=now):
        found[: len(running)] = [told.get(job, NOWHERE) for job in running.ids.tolist()]
        for job, row in backlog.rows(told).items():
            found[len(running) + row] = told[job]
    return found


def _jobs(open_: Table, owner: Ints, usable: "Usable", priors: Floats, promised: Ints) -> Jobs:
    whole = estimates.seconds(priors[open_.recipe], open_.size, open_.macs) - open_.work_s
    return Jobs(
        ids=tuple(open_.ids.tolist()),
        owner=owner,
        submitted_at=open_.submitted_at,
        gang=open_.gang,
        memory_bytes=open_.memory_mb * MIB,
        speed=usable.speed,
        attained=open_.work_s,
        remaining=np.where(np.isnan(open_.pace_s), whole, open_.pace_s),
        ran=open_.ran_s,
        pool=open_.pool,
        since=open_.since,
        checkpoint_s=open_.checkpoint_s,
        fixed=open_.fixed,
        spare=usable.spare,
        boost=open_.boost,
        shares=(open_.memory_mb > 0) & (open_.gang == 1),
        unit=open_.unit,
        leaving=open_.leaving,
        promise=promised,
    )


@dataclass(frozen=True)
class Usable:
    """For each job: its speed on each type over that on the fastest it may use, and whether its member's hours are
    spent on all of them.
    """

    speed: Floats
    spare: Bools


def _usable(
    machine: Machine, classes: Ints, owner: Ints, hours: Mapping[str, Hours], owners: Sequence[str]
) -> Usable:
    count = max(len(owners), 1)
    pairs, pair = _dense(classes * count + owner, COMBINATIONS * count)
    found = [_of_classes(machine, from_bits(each // count), hours[owners[each % count]]) for each in pairs]
    speed = np.stack([speed for speed, _spare in found]) if found else np.zeros((0, len(machine.kinds)))
    spare = np.array([spare for _speed, spare in found], dtype=np.bool_)
    return Usable(speed=speed[pair], spare=spare[pair])


def _of_classes(machine: Machine, classes: frozenset[str], hours: Hours) -> tuple[Floats, bool]:
    """What a member whose `hours` these are may use for a job that may run on these classes. Where hours are left of
    one class and spent of another, only the first is used; where all are spent, what would be idle of any.
    """
    may = [
        place in classes and kind not in hours.closed
        for place, kind in zip(machine.places, machine.kinds, strict=True)
    ]
    left = [able and kind not in hours.spent for able, kind in zip(may, machine.kinds, strict=True)]
    chosen = left if any(left) else may
    usable = np.where(np.array(chosen, dtype=np.bool_), machine.speeds, 0.0)
    return np.asarray(usable / max(float(usable.max(initial=0.0)), 1e-9)), any(may) and not any(left)


def _owners(owners: list[str], held: Sequence[Held], now: datetime) -> Owners:
    limits, standing = ledger.concurrency_limits(owners), ledger.standing(owners, held, now=now)
    return Owners(
        limit=np.array([limits[owner] for owner in owners], dtype=np.int64),
        usage=np.array([standing[owner].used_s for owner in owners], dtype=np.float64),
        share=np.array([standing[owner].share for owner in owners], dtype=np.float64),
    )
