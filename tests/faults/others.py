"""More processes of the same cooperative beside a portal's own: another node, another scheduler."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.e2e.portal import ROOT
from tests.faults.mill import Mill, Patient, outlived, until, with_all_below

STAND_FOR_S = 30.0


@dataclass
class Beside:
    """`manage.py` with these arguments and surroundings, on a home of its own."""

    mill: Mill
    home: Path
    arguments: tuple[str, ...]
    extra: dict[str, str] = field(default_factory=dict)
    within: tuple[str, ...] = ()  # a command that becomes the one after it, somewhere else
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def log(self) -> Path:
        return self.home / "log"

    def start(self) -> None:
        self.home.mkdir(exist_ok=True)
        env = self.mill.env | {"REDIS_URL": f"unix://{self.mill.home}/run/redis.sock"}
        env |= {"GRISTMILL_HOME": str(self.home), "OMP_NUM_THREADS": "1"} | self.extra
        with self.log.open("ab") as log:
            command = [*self.within, sys.executable, "manage.py", *self.arguments]
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)

    @property
    def top(self) -> psutil.Process:
        assert self.process is not None
        return psutil.Process(self.process.pid)

    def stop(self) -> None:
        """However it stands by now."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            tree = with_all_below(self.top)
            self.top.resume()
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STAND_FOR_S)
            self.process.kill()
            self.process.wait()
            assert outlived(tree) == []


@contextlib.contextmanager
def running(beside: Beside) -> Iterator[Beside]:
    beside.start()
    try:
        yield beside
    finally:
        beside.stop()


@contextlib.contextmanager
def node(
    mill: Mill, home: Path, name: str, *, within: tuple[str, ...] = (), **extra: str
) -> Iterator[Beside]:
    """Another machine that works for the portal, ready for work. The store is one for all, as on a shared disk."""
    for each in (home, mill.home):
        (each / "blobs").mkdir(parents=True, exist_ok=True, mode=0o700)
    mount = ["mount", "--bind", str(mill.home / "blobs"), str(home / "blobs")]
    subprocess.run(mount, check=True)
    try:
        with running(Beside(mill, home, ("node",), {"GRISTMILL_NODE": name, **extra}, within)) as made:
            until(lambda: _is_warm(mill, name), f"{name} does not get ready", every=0.1)
            yield made
    finally:
        subprocess.run(["umount", "--lazy", str(home / "blobs")], check=False)


def _is_warm(mill: Mill, name: str) -> bool:
    sql = "SELECT state, load FROM nodes_node WHERE name = ?"
    return any(row["state"] == "active" and row["load"].get("warm") for row in mill.rows(sql, name))


@contextlib.contextmanager
def only(mill: Mill, eve: Patient, name: str) -> Iterator[None]:
    """Every other node is taken out of service; on leaving, all are back in it."""
    others = [node for node in eve.get("/nodes") if node["name"] != name and node["state"] == "active"]
    _set(eve, others, "maintenance")
    try:
        yield
    finally:
        _set(eve, others, "active")


def _set(eve: Patient, nodes: list[dict[str, str]], state: str) -> None:
    for each in nodes:
        answer = eve.http.patch(f"/nodes/{each['id']}", json={"state": state})
        assert answer.is_success, answer.text
