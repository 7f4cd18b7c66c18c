"""The queue and the machine as the columns that the pure scheduler looks at."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Q, QuerySet

from hardware.nodes.models import Accelerator, NodeState
from jobs.queue import open_jobs
from jobs.queue.models import Attempt
from jobs.queue.open_jobs import Row
from jobs.queue.work import ANY, speeds
from jobs.scheduler import lifetable
from jobs.scheduler.lifetable import LifeTable
from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Jobs, Owners, Pools, Snapshot
from portal.core import leases
from portal.ledger import queries as ledger
from portal.ledger.queries import Hours

MIB = 1024**2
QUIET_S = 10.0  # a node beats every 2 s


@dataclass(frozen=True)
class Machine:
    """The accelerators that take work, in pools of alike ones on one node. kinds and speeds are those of the types by
    their number; members: the ids in each pool; busy: those of them that something runs on; where: id → pool.
    """

    pools: Pools
    kinds: tuple[str, ...]
    speeds: Floats
    members: tuple[tuple[str, ...], ...]
    busy: frozenset[str]

    @property
    def where(self) -> dict[str, int]:
        return {pk: pool for pool, members in enumerate(self.members) for pk in members}

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


def somebody_gives_way() -> bool:
    """Whether a job runs whose member is over their hours: it gives way at once, where others do in full passes."""
    open_ = Attempt.objects.filter(ended_at=None, job__request="")
    owners = set(open_.values_list("job__owner", flat=True))
    return any(hours.spent for hours in ledger.hours_standing(owners).values())


def take_machine() -> Machine:
    """The accelerators that take work, and which of them something runs on."""
    rows = list(
        takeable()
        .order_by("node", "kind", "index")
        .values_list("pk", "node_id", "kind", "model", "relative_speed", "memory_bytes", "sharing")
    )
    types = list(dict.fromkeys(row[2:5] for row in rows))
    nodes = {node: number for number, node in enumerate(dict.fromkeys(row[1] for row in rows))}
    members: dict[tuple[int, int, int, int], list[str]] = defaultdict(list)
    for pk, node, kind, model, speed, memory, sharing in rows:
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
        speeds=np.array([each[2] for each in types], dtype=np.float64),
        members=tuple(map(tuple, members.values())),
        busy=frozenset(open_.values_list("accelerator_id", flat=True)),
    )


def take_snapshot(machine: Machine, *, now: float, lives: LifeTable = lifetable.EMPTY) -> Snapshot:
    """The queue, what runs, and the machine, as columns."""
    known = speeds()
    rows = [
        *open_jobs.running(machine.where, known, now=now),
        *open_jobs.waiting(known, now=now),
    ]
    owners = list(dict.fromkeys(row.owner for row in rows))
    hours = ledger.hours_standing(owners)
    return Snapshot(
        now=now,
        jobs=_jobs(machine, rows, owners, _usable(machine, rows, hours)),
        pools=machine.pools,
        owners=_owners(owners),
        lives=lives,
    )


def _jobs(machine: Machine, rows: Sequence[Row], owners: Sequence[str], usable: "Usable") -> Jobs:
    number = {owner: index for index, owner in enumerate(owners)}
    place = {pk: unit for members in machine.members for unit, pk in enumerate(members)}

    def unit(row: Row) -> int:
        """Where others may come beside it: its memory is held to a limit, and it runs on one accelerator."""
        return place[row.units[0]] if row.memory_mb and len(row.units) == 1 else NOWHERE

    def column(of: Callable[[Row], Any], kind: type[Any]) -> Any:
        return np.fromiter((of(row) for row in rows), dtype=kind, count=len(rows))

    return Jobs(
        ids=tuple(row.pk for row in rows),
        owner=column(lambda row: number[row.owner], np.int64),
        submitted_at=column(lambda row: row.submitted_at, np.float64),
        gang=column(lambda row: row.gang, np.int64),
        memory_bytes=column(lambda row: row.memory_mb * MIB, np.int64),
        speed=usable.speed,
        attained=column(lambda row: row.work_s, np.float64),
        remaining=column(lambda row: row.remaining_s, np.float64),
        ran=column(lambda row: row.ran_s, np.float64),
        pool=column(lambda row: row.pool, np.int64),
        since=column(lambda row: row.since, np.float64),
        checkpoint_s=column(lambda row: row.checkpoint_s, np.float64),
        fixed=column(lambda row: row.fixed, np.bool_),
        spare=usable.spare,
        boost=column(lambda row: row.boost, np.float64),
        shares=column(lambda row: row.memory_mb > 0 and row.gang == 1, np.bool_),
        unit=column(unit, np.int64),
    )


@dataclass(frozen=True)
class Usable:
    """For each job: its speed on each type over that on the fastest it may use, and whether its member's hours are
    spent on all of them.
    """

    speed: Floats
    spare: Bools


def _usable(machine: Machine, rows: Sequence[Row], hours: Mapping[str, Hours]) -> Usable:
    known = {
        key: _of_kind(machine, key[0], hours[key[1]])
        for key in {(row.accelerator, row.owner) for row in rows}
    }
    found = [known[row.accelerator, row.owner] for row in rows]
    empty = np.zeros((0, len(machine.kinds)))
    return Usable(
        speed=np.stack([speed for speed, _spare in found]) if found else empty,
        spare=np.array([spare for _speed, spare in found], dtype=np.bool_),
    )


def _of_kind(machine: Machine, asked: str, hours: Hours) -> tuple[Floats, bool]:
    """What a member whose `hours` these are may use for a job that asks for this kind. Where hours are left of one
    kind and spent of another, only the first is used; where all are spent, what would be idle of any.
    """
    may = [asked in {ANY, kind} and kind not in hours.closed for kind in machine.kinds]
    left = [able and kind not in hours.spent for able, kind in zip(may, machine.kinds, strict=True)]
    chosen = left if any(left) else may
    usable = np.where(np.array(chosen, dtype=np.bool_), machine.speeds, 0.0)
    return np.asarray(usable / max(float(usable.max(initial=0.0)), 1e-9)), any(may) and not any(left)


def _owners(owners: list[str]) -> Owners:
    limits, standing = ledger.concurrency_limits(owners), ledger.standing(owners)
    return Owners(
        limit=np.array([limits[owner] for owner in owners], dtype=np.int64),
        usage=np.array([standing[owner].used_s for owner in owners], dtype=np.float64),
        share=np.array([standing[owner].share for owner in owners], dtype=np.float64),
    )
