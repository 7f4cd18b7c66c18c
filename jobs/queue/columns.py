"""The queue and the machine as the columns that the pure scheduler looks at."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db.models import F, QuerySet, Sum

from hardware.nodes.models import Accelerator, NodeState
from jobs.queue.models import Attempt, Job, Request
from jobs.queue.reasons import Status
from jobs.scheduler.snapshot import NOWHERE, Floats, Jobs, Owners, Pools, Snapshot
from portal.core import leases
from portal.ledger import queries as ledger

MIB = 1024**2
ANY = "any"
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
        return all(pk in self.busy for members in self.members for pk in members)

    def idle(self, pool: int) -> list[str]:
        """The accelerators of a pool that nothing runs on."""
        return [pk for pk in self.members[pool] if pk not in self.busy]


@dataclass(frozen=True)
class Row:
    """One open job, as columns are made of."""

    pk: str
    owner: str
    created_at: datetime
    accelerator: str
    gang: int
    memory_mb: int
    ran_s: float = 0.0
    pool: int = NOWHERE


def takeable() -> QuerySet[Accelerator]:
    """The accelerators that work may be sent to: not those of a node that missed some beats. It may be lost, and what
    is sent to it would wait in vain until that is known.
    """
    found = Accelerator.objects.filter(enabled=True, node__state=NodeState.ACTIVE, node__trouble="")
    return found.exclude(node__last_seen_at__lt=leases.in_future(-QUIET_S))


def take_machine() -> Machine:
    """The accelerators that take work, and which of them something runs on."""
    rows = list(
        takeable()
        .order_by("node", "kind", "index")
        .values_list("pk", "node_id", "kind", "model", "relative_speed", "memory_bytes")
    )
    types = list(dict.fromkeys(row[2:5] for row in rows))
    nodes = {node: number for number, node in enumerate(dict.fromkeys(row[1] for row in rows))}
    members: dict[tuple[int, int, int], list[str]] = defaultdict(list)
    for pk, node, kind, model, speed, memory in rows:
        members[nodes[node], types.index((kind, model, speed)), memory].append(pk)
    pools = np.array([(*key, len(found)) for key, found in members.items()], dtype=np.int64).reshape(-1, 4)
    open_ = Attempt.accelerators.through.objects.filter(attempt__ended_at=None)
    return Machine(
        pools=Pools(node=pools[:, 0], type=pools[:, 1], memory_bytes=pools[:, 2], size=pools[:, 3]),
        kinds=tuple(each[0] for each in types),
        speeds=np.array([each[2] for each in types], dtype=np.float64),
        members=tuple(map(tuple, members.values())),
        busy=frozenset(open_.values_list("accelerator_id", flat=True)),
    )


def take_snapshot(machine: Machine, *, now: float) -> Snapshot:
    """The queue, what runs, and the machine, as columns."""
    rows = [*_running(machine), *_waiting()]
    owners = list(dict.fromkeys(row.owner for row in rows))
    number = {owner: index for index, owner in enumerate(owners)}
    whole, real = np.int64, np.float64
    jobs = Jobs(
        ids=tuple(row.pk for row in rows),
        owner=np.array([number[row.owner] for row in rows], dtype=whole),
        submitted_at=np.array([row.created_at.timestamp() for row in rows], dtype=real),
        gang=np.array([row.gang for row in rows], dtype=whole),
        memory_bytes=np.array([row.memory_mb * MIB for row in rows], dtype=whole),
        speed=_speeds(machine, [row.accelerator for row in rows]),
        attained=np.array([row.ran_s for row in rows], dtype=real),
        remaining=np.full(len(rows), np.nan),
        ran=np.array([row.ran_s for row in rows], dtype=real),
        pool=np.array([row.pool for row in rows], dtype=whole),
        since=np.full(len(rows), now),
        checkpoint_s=np.zeros(len(rows)),
        fixed=np.zeros(len(rows), dtype=np.bool_),
        spare=np.zeros(len(rows), dtype=np.bool_),
    )
    return Snapshot(now=now, jobs=jobs, pools=machine.pools, owners=_owners(owners))


def _waiting() -> list[Row]:
    """The queue, oldest first."""
    found = Job.objects.filter(status=Status.QUEUED).exclude(request=Request.CANCEL).order_by("pk")
    columns = found.values_list("pk", "owner_id", "created_at", "accelerator", "spec__resources")
    ran = _ran()
    return [
        Row(pk, owner, created, kind, asked.get("count") or 1, asked.get("memory_mb") or 0, ran.get(pk, 0.0))
        for pk, owner, created, kind, resources in columns
        for asked in [resources or {}]
    ]


def _ran() -> dict[str, float]:
    """Seconds that queued jobs which ran before have run."""
    tries = Attempt.objects.filter(
        job__status=Status.QUEUED, started_at__isnull=False, ended_at__isnull=False
    )
    lasted = tries.values_list("job").annotate(ran=Sum(F("ended_at") - F("started_at"))).order_by()
    return {pk: ran.total_seconds() for pk, ran in lasted if isinstance(ran, timedelta)}


def _running(machine: Machine) -> list[Row]:
    """What holds accelerators that take work."""
    where = machine.where
    held: dict[tuple[str, str, datetime, str], list[int]] = defaultdict(list)
    open_ = Attempt.objects.filter(ended_at=None).values_list(
        "job_id", "job__owner_id", "job__created_at", "job__accelerator", "accelerators"
    )
    for pk, owner, created, kind, accelerator in open_:
        if accelerator in where:
            held[pk, owner, created, kind].append(where[accelerator])
    return [Row(*key, gang=len(pools), memory_mb=0, pool=pools[0]) for key, pools in held.items()]


def _speeds(machine: Machine, kinds: Sequence[str]) -> Floats:
    """For each job by the kind it asks for, its speed on each type over that on the fastest it may use."""
    known = {
        kind: _relative(
            np.array([kind in {ANY, each} for each in machine.kinds], dtype=np.bool_), machine.speeds
        )
        for kind in set(kinds)
    }
    empty = np.zeros((0, len(machine.kinds)))
    return np.stack([known[kind] for kind in kinds]) if len(kinds) else empty


def _relative(may: "np.ndarray[tuple[int], np.dtype[np.bool_]]", speeds: Floats) -> Floats:
    usable = np.where(may, speeds, 0.0)
    return np.asarray(usable / max(float(usable.max(initial=0.0)), 1e-9))


def _owners(owners: list[str]) -> Owners:
    limits, standing = ledger.concurrency_limits(owners), ledger.standing(owners)
    return Owners(
        limit=np.array([limits[owner] for owner in owners], dtype=np.int64),
        usage=np.array([standing[owner].used_s for owner in owners], dtype=np.float64),
        share=np.array([standing[owner].share for owner in owners], dtype=np.float64),
    )
