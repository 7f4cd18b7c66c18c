"""A network between a node and the database, which can be cut."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.e2e.portal import free_port

PIECE = 65536
CONNECT_S = 5.0


@dataclass
class Proxy:
    """Passes on what comes to `port`, as long as the network stands."""

    target: int
    port: int = field(default_factory=free_port)
    _open: threading.Event = field(default_factory=threading.Event)
    _links: list[socket.socket] = field(default_factory=list)
    _door: socket.socket = field(default_factory=socket.socket)

    def start(self) -> None:
        self._open.set()
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._door.bind(("127.0.0.1", self.port))
        self._door.listen()
        threading.Thread(target=self._welcome, daemon=True).start()

    def stop(self) -> None:
        self._open.set()
        self._door.close()
        self._drop()

    @contextlib.contextmanager
    def swallowing(self) -> Iterator[None]:
        """Nothing gets through and nobody is told, as when a switch is off."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Connections are broken off, and so is each new one."""
        self._open.clear()
        self._drop()
        try:
            yield
        finally:
            self._drop()
            self._open.set()

    def _drop(self) -> None:
        for link in self._links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        self._links.clear()

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _address = self._door.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self._links.append(near)
        self._open.wait()
        with contextlib.suppress(OSError):
            far = socket.create_connection(("127.0.0.1", self.target), timeout=CONNECT_S)
            far.settimeout(None)
            self._links.append(far)
            threading.Thread(target=self._pass, args=(far, near), daemon=True).start()
            self._pass(near, far)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                self._open.wait()
                target.sendall(piece)
        for link in (source, target):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
