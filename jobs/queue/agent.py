"""A node's agent: registers the node, beats, and runs the attempts that are sent to it.

It lives in the node's Celery worker process. Celery's messages only hasten it: it also looks for its attempts itself.
"""

import logging
import threading
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from hardware.nodes import services as nodes
from hardware.nodes.models import Node, NodeState
from hardware.nodes.probe.machine import probe
from jobs.queue import lifecycle
from jobs.queue.models import Attempt
from jobs.queue.supervise import Supervisor, attempts_root, cache_root
from jobs.runner.warm import WarmParent
from portal.core import storage
from portal.kit.ids import new_id

log = logging.getLogger(__name__)
BEAT_S = 2.0
UNCLAIMED_S = 2.0
TARGET = "jobs.engine.main:run"


class Agent:
    """One per node. `start` returns at once; attempts run in threads of their own."""

    def __init__(self) -> None:
        self.holder = f"{settings.NODE_NAME}:{new_id()}"
        self.node: Node | None = None
        self.draining = threading.Event()
        self.stopping = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._warm = WarmParent(Path(settings.HOME) / "node", target=TARGET, shared=[storage.blobs_root()])

    def start(self) -> None:
        """Register this node, warm the engine up, and begin to beat."""
        for folder in (attempts_root(), cache_root(), storage.blobs_root()):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._warm.start()
        self.node = nodes.register(
            name=settings.NODE_NAME,
            key=nodes.own_key(),
            probe=probe(),
            sandbox=self._sandbox(),
        )
        threading.Thread(target=self._beat, name="agent", daemon=True).start()

    def _sandbox(self) -> dict[str, Any]:
        report = self._warm.report
        return {"available": report.available, "enforced": report.enforced, "missing": report.missing}

    def take(self, attempt_id: str) -> None:
        """Run the attempt in a thread of its own, unless somebody has claimed it."""
        with self._lock:
            if attempt_id in self._threads or self.stopping.is_set():
                return
            thread = threading.Thread(target=self._run, args=(attempt_id,), name=attempt_id)
            self._threads[attempt_id] = thread
        thread.start()

    def _run(self, attempt_id: str) -> None:
        try:
            held = lifecycle.claim(attempt_id, holder=self.holder)
            if held is not None:
                Supervisor(held, self._warm, self.draining).run()
        except DatabaseError:
            log.exception("attempt %s: the database failed; the lease will run out", attempt_id)
        finally:
            close_old_connections()
            with self._lock:
                self._threads.pop(attempt_id, None)

    def _beat(self) -> None:
        while not self.stopping.wait(BEAT_S):
            try:
                self._beat_once()
            except DatabaseError:
                log.warning("the database can't be reached: trying again")
            except Exception:
                log.exception("the agent's beat failed: trying again")
            finally:
                close_old_connections()

    def _beat_once(self) -> None:
        if self.node is None:
            return
        state = nodes.heartbeat(self.node, load=self._load())
        (self.draining.set if state == NodeState.MAINTENANCE else self.draining.clear)()
        before = timezone.now() - timedelta(seconds=UNCLAIMED_S)
        waiting = Attempt.objects.filter(
            node=self.node, claimed_at=None, ended_at=None, created_at__lt=before
        )
        for attempt_id in waiting.values_list("pk", flat=True):
            self.take(attempt_id)

    def _load(self) -> dict[str, float]:
        memory = psutil.virtual_memory()
        return {
            "cpu_percent": psutil.cpu_percent(),
            "memory_percent": memory.percent,
            "memory_available_bytes": memory.available,
            "disk_free_bytes": psutil.disk_usage(str(settings.HOME)).free,
            "running": len(self._threads),
            "warm": float(self._warm.ready),
        }

    def stop(self) -> None:
        """Ask everything that runs to save a checkpoint and end, wait for it, and close the engine."""
        self.stopping.set()
        self.draining.set()
        for thread in list(self._threads.values()):
            thread.join(timeout=25)
        self._warm.close()


@lru_cache(maxsize=1)
def agent() -> Agent:
    """This process's agent."""
    return Agent()
