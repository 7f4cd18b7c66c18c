"""A cooperative in processes of its own: PostgreSQL, Redis, a scheduler and nodes, each of which may be killed."""

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from portal.core import embedded_redis
from portal.core.supervisor import Program, Supervisor
from tests.e2e.portal import ROOT
from tests.faults.mill import outlived, with_all_below

NODES = ("north", "south", "west")
TRAINS = "west"  # the one that loads TensorFlow: the jobs that do nothing are ready to run elsewhere within a second
FEW = 4  # accelerators of that one
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "PYTHONUNBUFFERED": "1",
}
LEAVE_S = 60.0
BURY_S = 5.0
PR_SET_CHILD_SUBREAPER = 36


def slots_of(each: int) -> int:
    """The accelerators of all nodes, where all but one have so many."""
    return each * (len(NODES) - 1) + FEW


@dataclass
class Plant:
    """Its parts by name: `redis`, `scheduler`, and the nodes. What dies is started again as `manage.py up` does it, by
    the same supervisor. Each node has a home of its own; the files' store is one for all, as on a shared disk.
    """

    home: Path
    database: str
    slots: int
    orphans: list[psutil.Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        redis = self.home / "run" / "redis.sock"
        argv = embedded_redis.command(socket=redis, data=self.home / "redis")
        python = [sys.executable, str(ROOT / "manage.py")]
        self.parts = {
            "redis": self._program("redis", argv, self.home),
            "scheduler": self._program("scheduler", [*python, "scheduler"], self.home),
            **{name: self._program(name, [*python, "node"], self.home / name, LEAVE_S) for name in NODES},
        }
        self.parts["redis"].ready = lambda: embedded_redis.wait_until_up(redis, timeout_s=60)

    @property
    def env(self) -> dict[str, str]:
        """That of every part, and of whoever looks into its database."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("GRISTMILL_")}
        return plain | {
            "GRISTMILL_HOME": str(self.home),
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "DATABASE_URL": self.database,
            "REDIS_URL": f"unix://{self.home}/run/redis.sock",
            "PYTHONPATH": str(ROOT),
            "CHAOS_SLOTS": str(self.slots),
        }

    def _program(self, name: str, argv: list[str], home: Path, grace_s: float = 10.0) -> Program:
        trains = {"CHAOS_SLOTS": str(FEW), "CHAOS_TRAINS": "1"} if name == TRAINS else {}
        env = self.env | QUIET | trains | {"GRISTMILL_HOME": str(home), "GRISTMILL_NODE": name}
        return Program(name=name, argv=argv, env=env, log=self.home / "logs" / f"{name}.log", grace_s=grace_s)

    def manage(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env, check=True)

    def kill(self, name: str) -> bool:
        """SIGKILL to the part itself; False when it is dead already. What it started has to notice by itself."""
        process = self.parts[name].process
        if process is None or process.poll() is not None:
            return False
        process.kill()
        return True

    @contextlib.contextmanager
    def accounted(self) -> Iterator[None]:
        """`orphans` are the processes begun in the block, by whatever part, that outlive it."""
        _adopt_orphans()
        before = psutil.Process().children()
        over = threading.Event()
        undertaker = threading.Thread(target=self._bury, args=(over,), name="undertaker")
        undertaker.start()
        yield
        over.set()
        undertaker.join()
        mine = [each for each in psutil.Process().children() if each not in before]
        self.orphans = outlived([below for each in mine for below in with_all_below(each)])

    def _bury(self, over: threading.Event) -> None:
        """Let go of the adopted that have ended: nobody else would, and a node that looks at all processes would see
        more of them with every kill.
        """
        while not over.wait(BURY_S):
            parts = {part.process.pid for part in self.parts.values() if part.process}
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
                    if child.pid not in parts and child.status() == psutil.STATUS_ZOMBIE:
                        os.waitpid(child.pid, os.WNOHANG)

    @contextlib.contextmanager
    def running(self, *names: str) -> Iterator[None]:
        """These parts, kept alive until the end of the block."""
        supervisor = Supervisor([self.parts[name] for name in names])
        # One thread starts, watches and ends them: they die with the thread that started them.
        keeper = threading.Thread(target=_keep, args=(supervisor,), name="keeper")
        keeper.start()
        try:
            self.parts[names[0]].ready()
            yield
        finally:
            supervisor.stop()
            keeper.join()

    @contextlib.contextmanager
    def shared_store(self) -> Iterator[None]:
        """The nodes see the files of the portal's home as their own; needs root."""
        for home in (self.home, *(self.home / name for name in NODES)):
            (home / "blobs").mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.ExitStack() as mounted:
            for name in NODES:
                place = str(self.home / name / "blobs")
                subprocess.run(["mount", "--bind", str(self.home / "blobs"), place], check=True)
                mounted.callback(subprocess.run, ["umount", "--lazy", place], check=False)
            yield

    def effects(self) -> list[Path]:
        """The files in which jobs that do nothing wrote down what they did."""
        return [file for name in NODES for file in (self.home / name / "node" / "cache").glob("*/*/effects")]

    def left_lying(self) -> list[str]:
        """Attempts' folders that nobody needs any more."""
        return [str(path) for name in NODES for path in (self.home / name / "node" / "attempts").glob("*")]


def _keep(supervisor: Supervisor) -> None:
    supervisor.start()
    try:
        supervisor.watch()
    finally:
        supervisor.end()


def _adopt_orphans() -> None:
    """Whoever loses its parent becomes our child, and can be found."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
