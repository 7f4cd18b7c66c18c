"""`manage.py scheduler`: decides who runs next, and sweeps up what a lost message left."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from hardware.nodes import services as nodes
from jobs.datasets import services as datasets
from jobs.queue import dispatch, sweeps
from portal.core import leases, live, storage
from portal.kit.errors import RetryableError
from portal.kit.ids import new_id

log = logging.getLogger(__name__)
LEADER_S = 10.0
PASS_S = 1.0


@dataclass
class Chore:
    """Something to do every `every_s` seconds."""

    every_s: float
    do: Callable[[], object]
    due: float = 0.0

    def run_if_due(self) -> None:
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + self.every_s
            self.do()


def chores() -> list[Chore]:
    return [
        Chore(5, lambda: nodes.mark_silent(timezone.now())),
        Chore(2, sweeps.reap),
        Chore(10, datasets.sweep),
        Chore(300, storage.condemn),
        Chore(300, storage.free),
        Chore(3600, sweeps.forget_old_keys),
    ]


class Leader:
    """The one process that decides, by the database's clock. `epoch` is None while somebody else leads."""

    def __init__(self) -> None:
        self.holder = new_id()
        self.epoch: int | None = None

    def lead(self) -> bool:
        rows = leases.named(dispatch.LEADER)
        try:
            if self.epoch is not None:
                leases.renew(rows, epoch=self.epoch, ttl_s=LEADER_S)
        except leases.StaleLease:
            self.epoch = None
        if self.epoch is None:
            self.epoch = leases.take(rows, holder=self.holder, ttl_s=LEADER_S)
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
        leader, work = Leader(), chores()
        while not stop.is_set():
            self._turn(leader, work)
            self._wait(stop)
        leader.resign()

    def _turn(self, leader: Leader, work: list[Chore]) -> None:
        try:
            if leader.lead() and leader.epoch is not None:
                dispatch.dispatch(now=time.time(), epoch=leader.epoch)
                for chore in work:
                    chore.run_if_due()
        except (DatabaseError, RetryableError):
            log.exception("the database failed: trying again")
            close_old_connections()
        except Exception:
            log.exception("a pass of the scheduler failed: trying again")

    def _wait(self, stop: threading.Event) -> None:
        try:
            live.wait_for("scheduler", timeout_s=PASS_S)
        except (live.RedisError, OSError):
            stop.wait(PASS_S)
