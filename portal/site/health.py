"""Whether the portal can do its work: what `/readyz` says, part by part. No secrets, no names, cheap to ask."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from redis import RedisError

from hardware.nodes.models import Node, NodeState
from jobs.queue.dispatch import LEADER
from portal.core import live, storage
from portal.core.models import Lease
from portal.core.stores.trouble import StoreAwayError
from portal.kit.amounts import in_bytes

KEPT_S = 1.0
MIB = 1024**2
LITTLE_BYTES = 1024 * MIB
LEAST_BYTES = 64 * MIB


class State(StrEnum):
    """`degraded`: members can use the portal, and something is amiss. `failing`: send them nobody."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


ORDER = list(State)


@dataclass(frozen=True)
class Check:
    """How one part is, in a sentence if not well, and how long it took to find out."""

    state: State = State.OK
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """All parts; as bad as the worst of them."""

    checks: dict[str, Check] = field(default_factory=dict)

    @property
    def state(self) -> State:
        return max((check.state for check in self.checks.values()), key=ORDER.index, default=State.OK)

    def as_json(self) -> dict[str, Any]:
        parts = {
            name: {"status": check.state, "seconds": round(check.seconds, 4)}
            | ({"detail": check.detail} if check.detail else {})
            for name, check in self.checks.items()
        }
        return {"status": self.state, "checks": parts}


def _database() -> Check:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return Check()


class _Migrations:
    """Whether the database is as this code wants it. What was found so once stays so for this process."""

    applied = False

    def __call__(self) -> Check:
        if not self.applied:
            executor = MigrationExecutor(connection)
            self.applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        if self.applied:
            return Check()
        return Check(State.FAILING, "The database is not migrated: run manage.py migrate.")


def _redis() -> Check:
    try:
        live.connection().ping()
    except (RedisError, OSError):
        return Check(State.DEGRADED, "Redis does not answer: all goes on, without live updates.")
    return Check()


def _storage() -> Check:
    try:
        with tempfile.TemporaryFile(dir=storage.incoming()) as file:
            file.write(b"room")
        free = shutil.disk_usage(Path(settings.HOME)).free
    except OSError as error:
        return Check(State.FAILING, f"The storage can't be written to: {error.strerror}.")
    far = storage.bucket()
    try:
        if far is not None:
            far.holds("0" * 64, 0)
    except StoreAwayError:
        return Check(
            State.DEGRADED, "The file store does not answer: what lies in it can't be read or added to."
        )
    if free < LEAST_BYTES:
        return Check(State.FAILING, f"The disk is full: {in_bytes(free)} are free.")
    if free < LITTLE_BYTES:
        return Check(State.DEGRADED, f"The disk is nearly full: {in_bytes(free)} are free.")
    return Check()


def _scheduler() -> Check:
    if Lease.objects.filter(name=LEADER, lease_expires_at__gt=Now()).exists():
        return Check()
    return Check(State.DEGRADED, "No scheduler leads: jobs are taken in, and none is started.")


def _nodes() -> Check:
    if Node.objects.filter(state=NodeState.ACTIVE).exists():
        return Check()
    return Check(State.DEGRADED, "No node takes work: jobs wait.")


PARTS: dict[str, Callable[[], Check]] = {
    "database": _database,
    "migrations": _Migrations(),
    "redis": _redis,
    "storage": _storage,
    "scheduler": _scheduler,
    "nodes": _nodes,
}
NEED_THE_DATABASE = frozenset({"migrations", "scheduler", "nodes"})


def look() -> Report:
    """Every part now. What needs a part that fails is not asked."""
    close_old_connections()
    checks: dict[str, Check] = {}
    for name, part in PARTS.items():
        if name not in NEED_THE_DATABASE or (_is_well("database", checks) and _is_well("migrations", checks)):
            checks[name] = _timed(part)
    close_old_connections()
    return Report(checks)


def _is_well(name: str, checks: dict[str, Check]) -> bool:
    return name not in checks or checks[name].state != State.FAILING


def _timed(part: Callable[[], Check]) -> Check:
    started = time.monotonic()
    try:
        found = part()
    except DatabaseTrouble:
        found = Check(State.FAILING, "The database does not answer.")
    return Check(found.state, found.detail, time.monotonic() - started)


class _Kept:
    """The last report, for a second: however many ask, the parts are asked once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._report = Report()
        self._until = 0.0

    def get(self) -> Report:
        with self._lock:
            if time.monotonic() >= self._until:
                self._report = look()
                self._until = time.monotonic() + KEPT_S
            return self._report


kept = _Kept()
