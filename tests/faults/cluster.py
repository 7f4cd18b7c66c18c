"""A PostgreSQL of our own that may be killed, frozen and started again: every promise to the disk is kept (fsync)."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from tests.e2e.portal import free_port
from tests.postgres import _account, _as, program

START_S = 60.0
NAME = "gristmill"
CONNECTIONS = 80
SETTINGS = {"shared_buffers": "64MB"}


@dataclass
class Cluster:
    """A server on a port of 127.0.0.1, and of `hosts`, with an empty database. `home` belongs to the account it
    runs as.
    """

    home: Path
    hosts: tuple[str, ...] = ()  # who comes to these is trusted too
    port: int = field(default_factory=free_port)
    connections: int = CONNECTIONS
    server: "subprocess.Popen[bytes] | None" = None

    def address(self, port: int | None = None, host: str = "127.0.0.1") -> str:
        """As DATABASE_URL takes it; with `port`, by way of whatever listens there."""
        return f"postgresql://{NAME}@{host}:{port or self.port}/{NAME}"

    def make(self) -> None:
        data = ["-D", str(self.home / "data"), "-A", "trust", "-U", NAME, "-E", "UTF8"]
        self._run(program("initdb"), *data)
        with (self.home / "data/pg_hba.conf").open("a") as file:
            file.writelines(f"host all all {host}/24 trust\n" for host in self.hosts)
        self.start()
        self._run(program("createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", NAME, NAME)

    def start(self) -> float:
        """Start it; how many seconds it took to answer (after a kill it repairs itself first)."""
        began = time.monotonic()
        wanted = SETTINGS | {
            "listen_addresses": ",".join(["127.0.0.1", *self.hosts]),
            "max_connections": str(self.connections),
        }
        options = [part for key, value in wanted.items() for part in ("-c", f"{key}={value}")]
        place = ["-D", str(self.home / "data"), "-k", str(self.home), "-p", str(self.port)]
        command = _as(_account(), program("postgres"), *place, *options)
        with (self.home / "log").open("ab") as log:
            self.server = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.home)
        while not self._answers():
            assert time.monotonic() - began < START_S, (self.home / "log").read_text(errors="replace")
            time.sleep(0.05)
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL to the postmaster and every backend at once, as a power cut would."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert self.server is not None
        self.server.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It keeps every connection, and answers nothing."""
        held = self.processes()
        for process in held:
            process.suspend()
        try:
            yield
        finally:
            for process in held:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    @contextlib.contextmanager
    def held_table(self, name: str) -> Iterator[Callable[[], bool]]:
        """Nobody reads this table until the end; yields what tells whether somebody waits to."""
        with psycopg.connect(self.address()) as link:
            link.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(name)))
            yield lambda: bool(self.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))

    def processes(self) -> list[psutil.Process]:
        assert self.server is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self.server.pid)
            return [top, *top.children(recursive=True)]
        return []

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.address(), autocommit=True) as link:
            cursor = link.execute(query.replace("?", "%s"), values)  # type: ignore[arg-type]
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _answers(self) -> bool:
        asked = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def _run(self, *command: str) -> None:
        subprocess.run(_as(_account(), *command), check=True, stdout=subprocess.DEVNULL, cwd=self.home)


@contextlib.contextmanager
def cluster(*hosts: str, connections: int = CONNECTIONS) -> Iterator[Cluster]:
    """A running one that takes so many connections, and ends with the block. It can be reached at these addresses of
    the machine as well.
    """
    with tempfile.TemporaryDirectory(prefix="gm-pg-", ignore_cleanup_errors=True) as name:
        home, account = Path(name), _account()
        os.chown(home, account.pw_uid, account.pw_gid)
        made = Cluster(home, hosts, connections=connections)
        try:
            made.make()
            yield made
        finally:
            if made.server is not None and made.server.poll() is None:
                made.kill()
