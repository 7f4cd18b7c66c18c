"""An attempt's pulse: keeps its lease, and passes on what is asked of its job."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import Error as DatabaseTrouble
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from jobs.queue import bells, lifecycle
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job, Request
from jobs.queue.reasons import EndReason
from jobs.runner.running import Running
from portal.core import live
from portal.core.leases import StaleLease
from portal.core.telemetry import logs
from portal.kit import clock

log = logging.getLogger(__name__)
T = TypeVar("T")

RENEW_S = 5.0
LOOK_S = 1.0
RETRY_S = 0.5
OBEY_S = 20.0  # at least, between asking the engine to end and ending it
STALL_S = 5.0  # this process stood still for longer: not the database was away, but we
GIVE_UP_S = lifecycle.LEASE_S - 2.0


class Pulse(threading.Thread):
    """Keeps the lease of an attempt from the claim on, and passes on what its owner or the platform asks.

    `lost` is set when the lease is gone: told by the database, or by this machine's own clock, which nobody sets and no
    sleep stops, when the database can't be reached for as long as a lease lasts. `request` is what was asked (a
    `Request`). The engine is named later (`attach`): starting it takes a while, and a lease does not wait. It is given
    `patience_s` to save and leave, by what it told of itself. `cut_off` tells that the lease ran out although this
    process was at work: the database was out of reach.
    """

    def __init__(self, held: Held, is_draining: Callable[[], bool]) -> None:
        super().__init__(name=f"pulse-{held.attempt_id}", daemon=True)
        self.held = held
        self.request = ""
        self.lost = threading.Event()
        self.over = threading.Event()
        self.killed_for: EndReason | None = None
        self.cut_off = False
        self.patience_s = 0.0
        self._is_draining = is_draining
        self._running: Running | None = None
        self._renewed_at = self._looked_at = clock.boottime()
        self._stalled = False
        self._asked_at: float | None = None
        self._asked, self._heard = "", True
        self._lock = threading.RLock()

    def run(self) -> None:
        with logs.about(job=self.held.job_id, attempt=self.held.attempt_id):
            self._keep()

    def _keep(self) -> None:
        threading.Thread(
            target=logs.carried(self._guard), name=f"guard-{self.held.attempt_id}", daemon=True
        ).start()
        try:
            while not self.over.is_set() and not self.lost.is_set():
                self._beat()
                self._wait()
        except Exception:
            log.exception("attempt %s: its pulse failed", self.held.attempt_id)
            self.give_up()
        finally:
            connections.close_all()

    def _guard(self) -> None:
        """Never asks the database, so that one which lets every other thread hang can't keep a lost lease unseen."""
        while not self.over.wait(LOOK_S) and not self.lost.is_set():
            self._notice_stall()
            self._expire()

    def _notice_stall(self) -> None:
        now = clock.boottime()
        self._stalled |= now - self._looked_at > STALL_S
        self._looked_at = now

    def _expire(self) -> None:
        """Give up once the lease has run out by this machine's clock."""
        now = clock.boottime()
        if now - self._renewed_at >= GIVE_UP_S and not self.lost.is_set():
            self.cut_off = not (self._stalled or now - self._looked_at > STALL_S)
            self.give_up()

    def attach(self, running: Running) -> None:
        """The engine has begun: tell it what was asked meanwhile."""
        with self._lock:
            self._running = running
            if self.lost.is_set():
                running.kill()
            elif self.request:
                self._tell(self.request)

    def end_for(self, reason: EndReason) -> None:
        """Kill the engine, and remember why."""
        if self.killed_for is None:
            self.killed_for = reason
            self._kill()

    def give_up(self) -> None:
        """The lease is lost: end the engine, and write nothing more."""
        self.lost.set()
        self._kill()

    def check(self) -> None:
        """Raises StaleLease when the lease is lost, even if the database lets the beat hang."""
        self._expire()
        if self.lost.is_set():
            raise StaleLease

    def patiently(self, write: Callable[[], T]) -> T:
        """`write` to the database; while it can't be reached, again and again. Raises StaleLease when the lease has
        run out meanwhile. What is written must bear to be written twice.
        """
        while True:
            try:
                return write()
            except (OperationalError, InterfaceError) as error:
                log.warning("attempt %s: the database can't be written to: %s", self.held.attempt_id, error)
                close_old_connections()
                self.check()
                self.lost.wait(RETRY_S)

    def _wait(self) -> None:
        """Until something is asked. While Redis, which would tell, is away, it is looked up every second."""
        try:
            self._heard = live.wait_for(bells.control_bell(self.held.job_id), timeout_s=LOOK_S)
        except (live.RedisError, OSError):
            self._heard = True
            self.over.wait(LOOK_S)

    def _beat(self) -> None:
        now = clock.boottime()  # before the database is asked: its lease may begin as early as this
        try:
            if now - self._renewed_at >= RENEW_S:
                self._asked = lifecycle.renew(self.held)
                self._renewed_at = now
            elif self._heard:
                self._asked = lifecycle.requested(self.held)
        except (StaleLease, Job.DoesNotExist):
            if not self.over.is_set():
                self.give_up()
        except DatabaseTrouble as error:
            log.warning("attempt %s: the database can't be reached: %s", self.held.attempt_id, error)
            close_old_connections()
            self._expire()
        else:
            self._obey(self._asked)

    def _obey(self, asked: str) -> None:
        if self._is_draining() and asked != Request.CANCEL:
            asked = Request.DRAIN
        with self._lock:
            if asked and asked != self.request:
                self.request = asked
                self._tell(asked)
            elif self._asked_at and self.request != Request.STOP and self._is_overdue(self._asked_at):
                self._kill()

    def _is_overdue(self, asked_at: float) -> bool:
        return clock.monotonic() - asked_at > max(OBEY_S, self.patience_s)

    def _tell(self, asked: str) -> None:
        if self._running is not None:
            self._asked_at = clock.monotonic()
            self._running.send("stop" if asked == Request.STOP else "checkpoint")

    def _kill(self) -> None:
        with self._lock:
            if self._running is not None:
                self._running.kill()
