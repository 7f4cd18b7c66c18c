"""A Redis of the house's own, which keeps a file: killed, and back with it, without it, and with half of it."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from portal.core.embedded_redis import binary
from tests.e2e.portal import free_port
from tests.faults import phases, sound
from tests.faults.conftest import Eves, mended
from tests.faults.mill import Mill, Patient, until

SOON_S = 15.0


@dataclass
class Server:
    """One that writes down what it takes in."""

    home: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.home, "appendonly": "yes"}
        options |= {"appendfsync": "always", "save": "", "loglevel": "warning"}
        command = [binary(), *(str(part) for name, value in options.items() for part in (f"--{name}", value))]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self.answers, "no Redis")

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(redis.Redis.from_url(self.address).ping())
        return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def lose_its_file(self) -> None:
        shutil.rmtree(self.home / "appendonlydir")

    def tear_its_file(self) -> None:
        (written,) = (self.home / "appendonlydir").glob("*.incr.aof")
        with written.open("r+b") as file:
            file.truncate(written.stat().st_size - 7)

    def keep_its_file(self) -> None:
        assert list((self.home / "appendonlydir").iterdir())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("redis"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def mill(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    made = Mill(tmp_path_factory.mktemp("redismill"), extra={"REDIS_URL": server.address})
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def eve(mill: Mill, eves: Eves) -> Iterator[Patient]:
    yield eves.of(mill)[0]
    mended(mill, eves.of(mill)[0])


@pytest.mark.parametrize("then", ["keep_its_file", "lose_its_file", "tear_its_file"])
def test_killed_and_back(mill: Mill, eve: Patient, data: str, server: Server, then: str) -> None:
    """One job runs, and another waits with its message unread."""
    scene = phases.training(mill, eve, data)
    with mill.unheard("node"):
        waiting = phases.submit(eve, data, epochs=1)
        server.kill()
        time.sleep(1)
        getattr(server, then)()
        server.start()
    scene.release()
    eve.ended(waiting)
    for job in (scene.job, waiting):
        sound.succeeded(mill, eve, job, ["done"])
    _hints_work_again(mill, eve, data)


def _hints_work_again(mill: Mill, eve: Patient, data: str) -> None:
    """A message wakes the node, not only its own look at the database."""
    sound.succeeded(mill, eve, phases.submit(eve, data, epochs=1), ["done"], within=SOON_S * 4)
    queues = "SELECT node_name FROM queue_attempt LIMIT 1"
    link = redis.Redis.from_url(f"redis://127.0.0.1:{mill.extra['REDIS_URL'].rpartition(':')[2]}")
    assert link.llen(f"node.{mill.value(queues)}") == 0
