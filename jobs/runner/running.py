"""The supervisor's side of one training process."""

import contextlib
import json
import os
import queue
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.runner import cgroups
from jobs.runner.child import Handles
from jobs.runner.guard import Guard, Lines, Log, OverOutputError, Pump
from jobs.runner.limits import MIB, Exit, Limits
from jobs.runner.mounts import Mounts, translate
from jobs.runner.watch import descendants, strike
from portal.kit import clock

Event = dict[str, Any]
_DRAIN_SECONDS = 2.0  # how long the last words of an ended child are waited for
_BACKLOG = 1000  # events, and
_BACKLOG_BYTES = (
    4 * MIB
)  # of lines, that wait to be dealt with; the rest is left in the pipe, for the child to wait
_CREDENTIALS = struct.Struct("iII")


@dataclass(frozen=True)
class Ends:
    """This side's ends of a child's pipes and sockets."""

    events: int
    log: int
    control: socket.socket
    status: socket.socket

    def close(self) -> None:
        os.close(self.events)
        os.close(self.log)
        self.control.close()
        self.status.close()


def sockets() -> tuple[socket.socket, socket.socket]:
    """Two ends that keep messages apart and block, whatever default this process has: kombu sets one for a moment
    whenever it reaches for a broker that is away, and a socket with a timeout does not block in the child.
    """
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.setblocking(True)
    return pair


def channels(spec: Event) -> tuple[Ends, Handles]:
    """New pipes and sockets for one child: (this side's ends, the child's); `spec` is put where the child
    reads it.
    """
    memory = os.memfd_create("spec")
    os.write(memory, json.dumps(spec).encode())
    os.lseek(memory, 0, os.SEEK_SET)
    events, log = os.pipe(), os.pipe()
    control, status = sockets(), sockets()
    control[0].setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    mine = Ends(events[0], log[0], control[0], status[0])
    return mine, Handles(memory, events[1], log[1], control[1].detach(), status[1].detach())


class Running:
    """A task that runs. Made by WarmParent.run; a thread of its own reads the child and holds it to its
    limits.


    `names` are the inside paths of what a child that could not be given them sees under other names. `private`: the
    child has a /tmp of its own. `backlog` tells how many of the events given to `on_event` are still to be dealt with.
    """

    def __init__(
        self,
        ends: Ends,
        *,
        mounts: Mounts,
        limits: Limits,
        group: cgroups.Group | None,
        names: Mapping[str, str],
        private: bool,
        on_event: Callable[[Event], None] | None,
        backlog: Callable[[], int] | None,
        log: Path | None,
    ) -> None:
        self._ends = ends
        self._mounts = mounts
        self._names = names
        self._group = group
        self._guard = Guard(limits, group, mounts.writable)
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._private = private
        self._on_event = on_event or self._queue.put
        self._backlog = backlog or self._queue.qsize
        self._unread = 0  # bytes taken since nothing was waiting
        self._lines = Lines(limits, self._event)
        self._log = Log(log, limits.log_bytes)
        self._pump = Pump()
        self._worker: int | None = None  # the worker's id, as this process sees it
        self._pidfd: int | None = None
        self._status: int | None = None
        self._held_back: list[str] | None = []  # commands for a child that has not begun; None once it has
        self._ended = False
        self._killed = False
        self._error: BaseException | None = None
        self._exit: Exit | None = None
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._follow, name="running", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The child's process id, as this process sees it; None until it has started."""
        return self._worker

    @property
    def events(self) -> Iterator[Event]:
        """The events in order, until the child has ended; once, and only where no `on_event` was given."""
        while (event := self._queue.get()) is not None:
            yield event

    def send(self, command: str) -> None:
        """Asks the task for "checkpoint" or "stop"; nothing happens when it has ended. What is asked before the child
        may begin is told it then: the first word that it hears must be the one that lets it.
        """
        with self._lock:
            if self._held_back is not None:
                self._held_back.append(command)
                return
        self._tell(command)

    def _tell(self, command: str) -> None:
        with contextlib.suppress(OSError):
            self._ends.control.send(command.encode("ascii"))

    def kill(self) -> None:
        """Ends the child at once, with all that it started."""
        self._killed = True
        self._strike()

    def wait(self, timeout: float | None = None) -> Exit:
        """How it ended. Raises TimeoutError after `timeout` seconds, and what `on_event` raised, which kills
        the child.
        """
        if not self._done.wait(timeout):
            raise TimeoutError(f"still running after {timeout} s")
        if self._error is not None:
            raise self._error
        if self._exit is None:
            raise RuntimeError("ended without a result")
        return self._exit

    def host_path(self, name: str) -> Path:
        """The host path of a file that the child named in an event; OutsideError when it isn't a plain file
        of its own writable folders.
        """
        return self._mounts.outside(translate(name, self._names))

    def _follow(self) -> None:
        try:
            self._attend()
            self._exit = self._result()
        except BaseException as error:  # handed to whoever waits  # noqa: BLE001 # handed to whoever waits
            self._error = error
            self._strike()
            self._guard.close(ok=False)
        finally:
            self._release()
            self._queue.put(None)
            self._done.set()

    def _attend(self) -> None:
        """Reads until the child has ended and its last words are in."""
        self._pump.add(self._ends.events, self._hear)
        self._pump.add(self._ends.log, self._log.feed)
        self._pump.watch(self._ends.control.fileno(), self._hello)
        self._pump.watch(self._ends.status.fileno(), self._take_status)
        while not self._ended:
            self._turn()
            if self._guard.look() or self._killed:
                self._strike()
        self._strike()
        until = clock.monotonic() + _DRAIN_SECONDS
        while self._pump.open and clock.monotonic() < until:
            self._turn(0.05)

    def _hear(self, data: bytes) -> None:
        self._unread += len(data)
        self._lines.feed(data)

    def _wait_for_listener(self) -> None:
        waiting = self._backlog()
        self._unread = self._unread if waiting else 0
        full = waiting > _BACKLOG or self._unread > _BACKLOG_BYTES
        self._pump.hold(self._ends.events, on=full and not self._ended)

    def _turn(self, timeout: float = 0.1) -> bool:
        self._wait_for_listener()
        try:
            return self._pump.turn(timeout)
        except OverOutputError:
            self._guard.blame("over_output")
            self._strike()
            return True

    def _event(self, line: str) -> None:
        if self._guard.cause == "over_output":
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise OverOutputError("not an event") from error
        if not isinstance(event, dict):
            raise OverOutputError("not an event")
        self._on_event(event)

    def _hello(self) -> None:
        """The worker's first word, with its id from the kernel: put it under its limits and let it go on."""
        try:
            message, extra, _, _ = self._ends.control.recvmsg(64, socket.CMSG_SPACE(_CREDENTIALS.size))
        except OSError:
            message, extra = b"", []
        if not message:
            self._pump.forget(self._ends.control.fileno())
            return
        for level, kind, data in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and self._worker is None:
                self._admit(_CREDENTIALS.unpack(data)[0])

    def _admit(self, pid: int) -> None:
        if pid <= 0:  # it lives where this process can't see it, and so can't be held to its limits
            self._strike()
            return
        try:
            with self._lock:
                self._pidfd = os.pidfd_open(pid)
                self._worker = pid
            if self._group is not None:
                self._group.add(pid)
        except ProcessLookupError:
            return  # it died meanwhile, which its keeper will tell
        self._guard.attach(pid, forked=True, private=self._private)
        with self._lock:
            commands, self._held_back = ["go", *(self._held_back or [])], None
            for command in commands:
                self._tell(command)

    def _take_status(self) -> None:
        """The keeper's report, or the end of its socket when it was killed."""
        try:
            message = self._ends.status.recv(256)
        except OSError:
            message = b""
        if message:
            self._status = int(json.loads(message)["exit"])
        self._ended = True
        self._pump.forget(self._ends.status.fileno())

    def _strike(self) -> None:
        """Kills the worker; before it has said hello, closing its control socket has the same effect."""
        with self._lock:
            below = descendants(self._worker) if self._worker is not None and not self._ended else []
            if self._pidfd is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            strike(below, within=_DRAIN_SECONDS)
        with contextlib.suppress(OSError):
            self._ends.control.shutdown(socket.SHUT_RDWR)

    def _result(self) -> Exit:
        code = self._status
        seconds = self._guard.seconds
        peak = self._guard.close(ok=code == 0)
        cause = {self._guard.cause: True} if self._guard.cause else {}
        return Exit(
            code=code if code is not None and code >= 0 else None,
            signal=signal.SIGKILL if code is None else -code if code < 0 else None,
            peak_memory_bytes=peak,
            wanted_bytes=self._guard.wanted_bytes,
            seconds=seconds,
            killed=self._killed and not cause,
            lost=code is None and not self._killed and not cause,
            tail=self._log.tail.text(),
            **cause,
        )

    def _release(self) -> None:
        self._pump.close()
        self._log.close()
        with self._lock:
            self._ends.control.close()
            self._ends.status.close()
            if self._pidfd is not None:
                os.close(self._pidfd)
                self._pidfd = None
