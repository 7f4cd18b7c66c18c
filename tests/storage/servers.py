"""A real S3 server in a process of its own, and a line to it that can be cut."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3

KEYS = {"GRISTMILL_S3_ACCESS_KEY": "an-access-key", "GRISTMILL_S3_SECRET_KEY": "a-secret-key"}
START_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """moto's server. Like S3 it takes names and bytes over HTTP; unlike it, it forgets all when it ends."""

    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> Any:
        """Somebody else's client, to look and to meddle with."""
        return boto3.client(
            "s3", endpoint_url=self.address, region_name="us-east-1",
            aws_access_key_id="other", aws_secret_access_key="other",
        )  # fmt: skip

    def bucket(self, name: str) -> str:
        self.client.create_bucket(Bucket=name)
        return name


@contextlib.contextmanager
def s3(**env: str) -> Iterator[Server]:
    server = Server(free_port())
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(server.port)],
            env=os.environ | env, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            _wait(server.port)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait(port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("the S3 server did not start")


@dataclass
class Line:
    """A TCP line to a server. `down` cuts what flows and refuses what comes, `up` mends it; with `cut_after` it goes
    down by itself once so many bytes have come back. While it is `dead` it takes what comes, and nothing gets through.
    """

    to: int
    port: int = field(default_factory=free_port)
    cut_after: int | None = None
    seconds_down: float = 0.0
    came_back: int = 0
    dead: bool = False
    _open: set[socket.socket] = field(default_factory=set)
    _listener: socket.socket | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        if self._listener is not None:
            return
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _where = listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            self._open |= {near, far}
            for ends in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.dead:
                    continue
                target.sendall(data)
                if back:
                    self._count(len(data))
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, size: int) -> None:
        self.came_back += size
        if self.cut_after is not None and self.came_back >= self.cut_after:
            self.cut_after = None
            self.down()
            threading.Timer(self.seconds_down, self.up).start()
