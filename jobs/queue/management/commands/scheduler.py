"""`manage.py scheduler`: decides who runs next, and sweeps up what a lost message left."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.core.management.base import BaseCommand
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connections

from hardware.nodes import donations, samples, windows
from hardware.nodes import services as nodes
from jobs.datasets import services as datasets
from jobs.queue import dispatch, learning, outlook, sweeps
from jobs.queue.outlook import Lookout
from jobs.queue.passes import Passes
from portal.core import leases, live, storage
from portal.core.models import Lease
from portal.core.telemetry.beats import beat
from portal.core.telemetry.swept import told
from portal.kit.errors import RetryableError
from portal.kit.identity import me

log = logging.getLogger(__name__)
LEADER_S = 10.0
RENEWED_S = (
    1.0  # what is applied is guarded by the epoch: a write for each of a burst of passes would add nothing
)
PASS_S = 1.0
REST_S = 0.1  # the longest that somebody new may wait for the pass that looks at them
REST = 4.0  # times what a pass took
BLIND_S = 8.0
SET_S = 5.0
T = TypeVar("T")


@dataclass
class Chore:
    """Something to do every `every_s` seconds."""

    every_s: float
    do: Callable[[], object]
    due: float = 0.0
    judges: bool = False  # takes silence for death: not just after the database was away, or its clock set
    aside: bool = False  # may take long, with files or a bucket: nobody who waits for a place waits for it
    running: threading.Thread | None = field(default=None, init=False)

    def run_if_due(self) -> None:
        if time.monotonic() < self.due or (self.running and self.running.is_alive()):
            return
        self.due = time.monotonic() + self.every_s
        if not self.aside:
            attempted(self.do)
            return
        self.running = threading.Thread(target=self._beside, name="chore", daemon=True)
        self.running.start()

    def _beside(self) -> None:
        try:
            attempted(self.do)
        finally:
            connections.close_all()  # this thread's


def chores() -> list[Chore]:
    return [
        Chore(2, told("silent_nodes", lambda: nodes.mark_silent(leases.clock())), judges=True),
        Chore(5, lambda: windows.open_and_close_windows(leases.clock())),
        Chore(300, lambda: samples.thin_samples(leases.clock()), aside=True),
        Chore(600, lambda: donations.sweep(leases.clock()), aside=True),
        Chore(2, told("lost_attempts", sweeps.reap), judges=True, aside=True),
        Chore(10, datasets.sweep, judges=True, aside=True),
        Chore(300, told("condemned_blobs", storage.condemn)),
        Chore(60, told("freed_bytes", storage.free), aside=True),
        Chore(3600, told("stray_files", storage.sweep_strays), aside=True),
        Chore(3600, told("checkpoints", sweeps.prune_checkpoints)),
        Chore(3600, told("idempotency_keys", sweeps.forget_old_keys)),
        Chore(3600, told("outlooks", outlook.forget)),
        Chore(3600, learning.learn, aside=True),
    ]


def attempted(work: Callable[[], T]) -> T | None:
    """What `work` gives; None when it failed, which holds up nothing else and is tried again next time."""
    try:
        return work()
    except (DatabaseTrouble, RetryableError):
        log.exception("the database failed: trying again")
        close_old_connections()
    except Exception:
        log.exception("a pass of the scheduler failed: trying again")
    return None


def rest(placed: int, took_s: float) -> float:
    """Seconds to let pass before the next pass, for one that took `took_s`.

    Who submits hundreds of jobs rings for each, and a pass for each would take a processor of those that run and of the
    web's. What was found full is looked at again a moment later; where somebody got a place, at once.
    """
    return 0.0 if placed else min(REST_S, REST * took_s)


class Clock:
    """The database's clock, watched by our own that nobody sets (and that stands still while a machine sleeps)."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def was_set(self) -> bool:
        """Whether it jumped since the last look, so that every lease may seem to have run out."""
        before, self._ahead = self._ahead, leases.clock().timestamp() - time.monotonic()
        return before is not None and abs(self._ahead - before) > SET_S

    def now(self) -> float:
        """The database's time as seconds since the epoch, by the last look: what attempts are dated by."""
        return time.time() if self._ahead is None else time.monotonic() + self._ahead


class Leader:
    """The one process that decides, by the database's clock. `epoch` is None while somebody else leads."""

    def __init__(self) -> None:
        self.holder = me()
        self.epoch: int | None = None
        self._renewed_at = float("-inf")

    def lead(self) -> bool:
        asked = time.monotonic()
        if self.epoch is not None and asked - self._renewed_at < RENEWED_S:
            return True
        try:
            if self.epoch is not None:
                leases.renew(Lease.objects.filter(name=dispatch.LEADER), epoch=self.epoch, ttl_s=LEADER_S)
        except leases.StaleLease:
            self.epoch = None
        if self.epoch is None:
            rows = leases.named(dispatch.LEADER)
            leases.give_back_for_the_dead(rows)
            self.epoch = leases.take(rows, holder=self.holder, ttl_s=LEADER_S)
        self._renewed_at = asked
        return self.epoch is not None

    def resign(self) -> None:
        if self.epoch is not None:
            leases.give_back(leases.named(dispatch.LEADER), epoch=self.epoch)


class Command(BaseCommand):
    help = "Runs the scheduler. Any number may run: one leads, the others wait to take over."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        leader, work = Leader(), [*chores(), Chore(5, self._look_ahead, aside=True)]
        while not stop.is_set():
            beat("scheduler")
            began = time.monotonic()
            placed = self._turn(leader, work)
            self._wait(stop, rest_s=rest(placed, time.monotonic() - began))
        attempted(leader.resign)

    blind_until = 0.0
    clock = Clock()
    passes = Passes()
    lookout = Lookout()

    def _look_ahead(self) -> int:
        return self.lookout.run(now=self.clock.now(), lives=self.passes.lives)

    def _turn(self, leader: Leader, work: list[Chore]) -> int:
        """A pass and the chores that are due, where we lead; how many jobs were given a place."""
        if not self._leads(leader):
            return 0
        placed = attempted(lambda: self.passes.run(now=self.clock.now(), epoch=leader.epoch or 0))
        for chore in work:
            if not (chore.judges and time.monotonic() < self.blind_until):
                chore.run_if_due()
        return placed or 0

    def _leads(self, leader: Leader) -> bool:
        """Whether we lead. After an outage of the database, or a jump of its clock, the nodes get time to speak up."""
        asked = time.monotonic()
        leads, was_set = attempted(leader.lead), attempted(self.clock.was_set)
        if leads is None or was_set is not False or time.monotonic() - asked > BLIND_S:
            self.blind_until = time.monotonic() + BLIND_S
        return bool(leads)

    def _wait(self, stop: threading.Event, *, rest_s: float) -> None:
        stop.wait(rest_s)
        try:
            live.wait_for("scheduler", timeout_s=PASS_S)
        except (live.RedisError, OSError):
            stop.wait(PASS_S)
