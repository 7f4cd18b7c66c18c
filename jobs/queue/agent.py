"""A node's agent: registers the node, beats, and runs the attempts that are sent to it.

It lives in the node's Celery worker process. Celery's messages only hasten it: it also looks for its attempts itself.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connections
from django.db.models import Q
from django.utils.translation import gettext as _

from hardware.nodes import services as nodes
from hardware.nodes.models import Node, NodeState
from hardware.nodes.probe.energy import Together
from hardware.nodes.probe.fpga import lines
from hardware.nodes.probe.machine import probe
from hardware.nodes.probe.sampling import Sampler
from jobs.queue import lifecycle, nodefiles
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt
from jobs.queue.reasons import EndReason
from jobs.queue.supervise import Supervisor
from jobs.runner.bubble import gpu_devices
from jobs.runner.warm import PRELOAD, WarmParent
from portal.core import storage
from portal.core.telemetry import logs
from portal.core.telemetry.beats import beat
from portal.kit import clock
from portal.kit.amounts import in_bytes
from portal.kit.errors import UserError
from portal.kit.identity import is_gone, me

log = logging.getLogger(__name__)
MB = 1000**2
BEAT_S = 2.0
EAGER_S = 0.5  # while the engine is being loaded: no work is sent here until it is known to be
TIDY_S = 60.0
GOODBYE_S = 2.0  # for the scheduler to be told that this node goes
LEAVE_S = 30.0  # for all that runs to save a checkpoint and end
TARGET = "jobs.engine.main:run"
ENGINE = (
    "jobs.engine.training.images",
    "jobs.engine.training.tables",
    "jobs.engine.training.devices_tensorflow",
    "jobs.engine.training.steps_tensorflow",
)
CLAIMED = Q(claimed_at__isnull=False)


class Agent:
    """One per node. `start` returns at once; attempts run in threads of their own."""

    def __init__(self) -> None:
        self.holder = me()
        self.node: Node | None = None
        self.maintenance = threading.Event()
        self.stopping = threading.Event()
        self._left = threading.Event()
        self.trouble = ""
        self.displaced = False
        self._before = ""
        self._found: dict[str, Any] = {}
        self._told_warm = False
        self._cut_off: set[str] = set()
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._sampler = Sampler()
        self._meters = Together()
        self._beats = [
            threading.Thread(target=self._live, name="agent", daemon=True),
            threading.Thread(
                target=self._repeat, args=(lambda: TIDY_S, self._tidy), name="tidy", daemon=True
            ),
        ]
        self._warm = WarmParent(
            Path(settings.HOME) / "node",
            target=TARGET,
            preload=(*PRELOAD["tensorflow"], *ENGINE),
            shared=[storage.blobs_root()],
            devices=gpu_devices(),
            lines=lines(),
        )

    def start(self, before: str = "") -> None:
        """Clear up after an earlier process, register this node, warm the engine up, and begin to beat.

        Call it while holding `nodefiles.only_worker`, with what it yields. UserError when the node's name is another
        computer's, or another worker's that lives.
        """
        self._before = before
        for folder in (nodefiles.attempts_root(), nodefiles.cache_root(), storage.blobs_root()):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        nodefiles.sweep_attempts(keep=set())
        self._warm.start()
        self._register_in_turn()
        for thread in self._beats:
            thread.start()

    def _register_in_turn(self) -> None:
        """Register; where another worker has the name, once it has been silent for long enough to be gone."""
        until = time.monotonic() + nodes.HELD_FOR.total_seconds() + BEAT_S
        while True:
            try:
                self._register()
            except UserError as error:
                if error.code != nodes.IN_USE or time.monotonic() > until or self.stopping.is_set():
                    raise
            else:
                return
            self.stopping.wait(EAGER_S)

    def _register(self) -> None:
        report = self._warm.report
        self._found = self._found or probe(Path(settings.HOME))
        self.node = nodes.register(
            name=settings.NODE_NAME,
            key=nodes.own_key(),
            probe=self._found,
            sandbox={"available": report.available, "enforced": report.enforced, "missing": report.missing},
            load=self._load(),
            worker=self.holder,
            after=self._before,
        )
        self._disown()

    def _disown(self) -> None:
        """What an earlier process of this node claimed died with it: where that is sure it is known now, not in half a
        minute. One that may live, on a copy of this home, keeps its leases until they run out.
        """
        for attempt in Attempt.objects.filter(CLAIMED, node=self.node, ended_at=None):
            if is_gone(attempt.holder) or (self._before and attempt.holder == self._before):
                lifecycle.take_away(attempt, EndReason.NODE_LOST, only=CLAIMED)

    def _come_back(self) -> None:
        """Another worker goes by this node's name, and this one takes no work while it does. What runs here runs on:
        its leases are its own.
        """
        try:
            self._register()
        except UserError as error:
            if not self.displaced:
                log.error("this worker takes no work: %s", error.detail)  # noqa: TRY400 - told in words
            self.displaced = True
        else:
            self.displaced = False

    @property
    def is_draining(self) -> bool:
        """Whether what runs here is to save a checkpoint and go elsewhere: not before the scheduler knows that this
        node goes, or it would send here what has just left.
        """
        return self.maintenance.is_set() or self._left.is_set()

    @property
    def _takes_nothing(self) -> bool:
        return self.is_draining or self.displaced or bool(self.trouble)

    def take(self, attempt_id: str) -> None:
        """Run the attempt in a thread of its own, unless somebody has claimed it, or this node has come into trouble: a
        beat gives it back then.
        """
        self.trouble = self._find_trouble()  # a disk may have filled up since the last beat
        with self._lock:
            if attempt_id in self._threads or self.stopping.is_set() or self._takes_nothing:
                return
            thread = threading.Thread(target=self._run, args=(attempt_id,), name=attempt_id)
            self._threads[attempt_id] = thread
        thread.start()

    def _run(self, attempt_id: str) -> None:
        try:
            held = lifecycle.claim(attempt_id, holder=self.holder, node=self.node)
            if held is not None:
                with logs.about(job=held.job_id, attempt=attempt_id):
                    self._supervise(held)
        except Exception:
            log.exception("attempt %s: what was claimed will be found when its lease runs out", attempt_id)
        finally:
            connections.close_all()  # this thread's
            with self._lock:
                self._threads.pop(attempt_id, None)

    def _supervise(self, held: Held) -> None:
        supervisor = Supervisor(held, self._warm, lambda: self.is_draining, meters=self._meters)
        supervisor.run()
        if supervisor.pulse.cut_off:
            self._cut_off.add(held.attempt_id)

    def _live(self) -> None:
        self._repeat(self._pace, self._beat)
        self._give_back()
        connections.close_all()  # this thread's

    def _pace(self) -> float:
        return BEAT_S if self._told_warm else EAGER_S

    def _repeat(self, every_s: Callable[[], float], work: Callable[[], None]) -> None:
        while not self.stopping.wait(every_s()):
            try:
                work()
            except DatabaseTrouble:
                log.warning("the database can't be reached: trying again")
            except Exception:
                log.exception("the agent failed: trying again")
            finally:
                close_old_connections()
                beat("node")
        connections.close_all()

    def _beat(self) -> None:
        if self.node is None:
            return
        try:
            self.trouble = self._find_trouble()
            load = self._load()
            state = nodes.heartbeat(
                self.node,
                load,
                worker=self.holder,
                trouble=self.trouble,
                readings=self._sampler.due(),
                clock=clock.now(),
            )
            self._told_warm, self.displaced = bool(load["warm"]), False
        except Node.DoesNotExist:  # a steward deleted it while it works
            self._register()
            return
        except UserError:
            self._come_back()
            return
        (self.maintenance.set if state == NodeState.MAINTENANCE else self.maintenance.clear)()
        self._excuse()
        waiting = Attempt.objects.filter(node=self.node, claimed_at=None, ended_at=None)
        for attempt in waiting:
            if self.maintenance.is_set() or self.trouble:
                lifecycle.withdraw(attempt, EndReason.DRAINED)
            else:
                self.take(attempt.pk)

    def _excuse(self) -> None:
        """Tell of the attempts that were lost because the database, which now answers, did not."""
        for attempt_id in list(self._cut_off):
            lifecycle.excuse(attempt_id, holder=self.holder)
            self._cut_off.discard(attempt_id)

    def _find_trouble(self) -> str:
        """Why this node can take no work now, in words; empty when it can."""
        if self._warm.trouble:
            return _("Its training engine does not start: %(why)s") % {"why": self._warm.trouble}
        free = nodefiles.disk_free()
        least = settings.NODE_DISK_RESERVE_MB * MB
        if free < least:
            figures = {"free": in_bytes(free), "least": in_bytes(least)}
            return (
                _("Its disk is nearly full: %(free)s are free, and it takes work from %(least)s on.")
                % figures
            )
        return ""

    def _tidy(self) -> None:
        with self._lock:
            running = set(self._threads)
        nodefiles.sweep_attempts(keep=running)
        nodefiles.sweep_caches()
        storage.tidy()

    def _load(self) -> dict[str, float]:
        memory = psutil.virtual_memory()
        return {
            "cpu_percent": psutil.cpu_percent(),
            "memory_percent": memory.percent,
            "memory_available_bytes": memory.available,
            "disk_free_bytes": nodefiles.disk_free(),
            "running": len(self._threads),
            "warm": float(self._warm.ready),
        }

    def leave(self) -> None:
        """Begin to stop: take nothing more, and have what runs save a checkpoint. Safe in a signal's handler."""
        self.stopping.set()

    def stop(self) -> None:
        """Wait until what was not begun is given back and what runs has ended, and close the engine."""
        self.leave()
        self._beats[0].join(timeout=GOODBYE_S)
        self._left.set()
        until = time.monotonic() + LEAVE_S
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))
        self._warm.close()

    def _give_back(self) -> None:
        """Tell the scheduler that this node goes, so that it sends nothing more and what it sent goes elsewhere."""
        try:
            if self.node is not None and not self.displaced:
                nodes.leave(self.node, worker=self.holder)
                for attempt in Attempt.objects.filter(node=self.node, claimed_at=None, ended_at=None):
                    lifecycle.withdraw(attempt, EndReason.DRAINED)
        except DatabaseTrouble:
            log.warning("the database can't be reached: its silence will tell that this node is gone")
        finally:
            self._left.set()


@lru_cache(maxsize=1)
def agent() -> Agent:
    """This process's agent."""
    return Agent()
