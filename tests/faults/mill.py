"""A portal that is treated badly: its parts by name, what its database says, and what it left lying."""

import contextlib
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import redis

from tests.e2e.portal import Portal, Scripter
from tests.faults.cluster import Cluster

T = TypeVar("T")
Job = dict[str, Any]
PARTS = {
    "web": ("uvicorn",),
    "scheduler": ("manage.py", "scheduler"),
    "node": ("manage.py", "node"),
    "helper": ("portal.celery",),
    "redis": ("redis-server",),
}
ENGINE = "jobs.runner.warm_main"
CHECKER = "jobs.datasets.formats.check"
BACK_S = 60.0
LOADED_S = 120.0


class WaitedTooLongError(AssertionError):
    """What should have come did not."""


def until(found: Callable[[], T | None], what: str, *, within: float = BACK_S, every: float = 0.02) -> T:
    """The first thing that `found` gives which is not nothing."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if something := found():
            return something
        time.sleep(every)
    raise WaitedTooLongError(f"{what}: not within {within:.0f} s")


def outlived(processes: list[psutil.Process], *, within: float = 10.0) -> list[psutil.Process]:
    """Those of `processes` that still live after so many seconds: there should be none."""
    return psutil.wait_procs(processes, timeout=within)[1]


def with_all_below(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


class Patient(Scripter):
    """A member whose script tries again while the portal is away."""

    def get(self, path: str) -> Any:
        return until(lambda: self._answer(path), f"GET {path}", every=0.1)[0]

    def _answer(self, path: str) -> tuple[Any] | None:
        with contextlib.suppress(httpx.TransportError):
            answer = self.http.get(path)
            if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                assert answer.is_success, f"{path}: {answer.text}"
                return (answer.json(),)
        return None


@dataclass
class Mill(Portal):
    """A whole portal on SQLite, or on `cluster`."""

    cluster: Cluster | None = None

    def patient(self, name: str, *, steward: bool = False) -> Patient:
        made = self.member(name, steward=steward)
        return Patient(self, made.name, made.token)

    # -- its parts

    def part(self, name: str) -> psutil.Process:
        """The process that plays this part; waited for, if it is just being started again."""
        return until(lambda: next(self._with(*PARTS[name]), None), f"no {name}")

    def _with(self, *words: str, below: psutil.Process | None = None) -> Iterator[psutil.Process]:
        """Processes of ours, but for sandboxes, whose command line has all these words."""
        for process in with_all_below(below) if below else self.processes():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if all(word in line for word in words) and process.name() != "bwrap":
                    yield process

    def warm(self, node: psutil.Process | None = None) -> psutil.Process:
        """The warm parent of `node`, or of the portal's own, which then is known to have loaded the engine: work is
        sent to no node before.
        """
        if node is None:
            until(self._has_loaded, "the engine is not loaded", within=LOADED_S, every=0.1)
        return until(lambda: next(iter(self._engine(node)), None), "no warm parent")

    def _has_loaded(self) -> bool:
        """By what the node's present process told."""
        sql = "SELECT worker, load FROM nodes_node WHERE name = ?"
        for row in self.rows(sql, socket.gethostname()):
            load = row["load"] if isinstance(row["load"], dict) else json.loads(row["load"])
            return bool(load.get("warm")) and f"/{self.part('node').pid}/" in row["worker"]
        return False

    def child(self, *words: str, newest: bool = False, node: psutil.Process | None = None) -> psutil.Process:
        """The training process: the warm parent's grandchild. With words, as in any portal."""
        if words:
            return super().child(*words, newest=newest)
        return until(lambda: self._child(node), "no training process", every=0.002)

    def _child(self, node: psutil.Process | None) -> psutil.Process | None:
        engine = self._engine(node)
        with contextlib.suppress(psutil.Error):
            return next((p for p in engine[1:] if (q := p.parent()) and q.parent() == engine[0]), None)
        return None

    def _engine(self, node: psutil.Process | None) -> list[psutil.Process]:
        return list(self._with(ENGINE, below=node or self.part("node")))

    def checker(self) -> psutil.Process:
        """The process that checks an upload."""
        below = self.part("helper")
        return until(lambda: next(self._with(CHECKER, below=below), None), "no checker", every=0.002)

    def resume(self) -> None:
        """Whatever of it a test that failed left standing still goes on."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_STOPPED:
                    process.resume()

    def crash(self) -> None:
        """Everything at once, as when the power fails; not the database's server."""
        tree = self.processes()
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert self.process is not None
        self.process.wait()
        assert outlived(tree) == []

    @contextlib.contextmanager
    def kept_down(self, part: str) -> Iterator[None]:
        """Killed, and killed again whenever it comes up."""
        over = threading.Event()

        def kill() -> None:
            while not over.wait(0.05):
                for process in list(self._with(*PARTS[part])):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()

    @contextlib.contextmanager
    def unheard(self, *parts: str) -> Iterator[None]:
        """These stand still meanwhile."""
        held = [self.part(part) for part in parts]
        for process in held:
            process.suspend()
        try:
            yield
        finally:
            for process in held:
                process.resume()

    def answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.address}/account/login/", timeout=5).status_code == httpx.codes.OK
        return False

    def redis_answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(redis.Redis(unix_socket_path=str(self.home / "run/redis.sock")).ping())
        return False

    # -- its records

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """What its database says, past the portal; values for each `?`."""
        if self.cluster is not None:
            return self.cluster.rows(sql, *values)
        with contextlib.closing(sqlite3.connect(self.home / "gristmill.sqlite3", timeout=20)) as link:
            link.row_factory = sqlite3.Row
            return [dict(row) for row in link.execute(sql, values)]

    def value(self, sql: str, *values: Any) -> Any:
        """The one value in the one row."""
        (row,) = self.rows(sql, *values)
        return next(iter(row.values()))

    def leader(self) -> int:
        """The epoch of whoever leads."""
        return int(self.value("SELECT epoch FROM core_lease WHERE name = 'scheduler'"))

    # -- its folders

    def out_of(self, job: Job, home: Path | None = None) -> Path:
        """Where the job's open attempt writes, on the node with that home."""
        sql = "SELECT id FROM queue_attempt WHERE job_id = ? AND ended_at IS NULL"
        return (home or self.home) / "node" / "attempts" / str(self.value(sql, job["id"])) / "out"

    def left_lying(self) -> list[str]:
        """What is on the disk that nobody needs any more, by its place in the home folder."""
        places = ("node/attempts", "blobs/incoming", "work/checks", "uploads")
        found = [
            entry
            for place in places
            if (self.home / place).is_dir()
            for entry in (self.home / place).iterdir()
        ]
        return sorted(str(entry.relative_to(self.home)) for entry in found)

    def stored(self) -> dict[str, int]:
        """The files in the store: their names and sizes."""
        return {path.name: path.stat().st_size for path in (self.home / "blobs").glob("??/*")}
