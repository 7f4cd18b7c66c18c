"""Holds one running program to its limits, and cuts what it writes into lines."""

import os
import selectors
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jobs.runner import cgroups
from jobs.runner.disk import DiskWatch, HiddenError
from jobs.runner.limits import MIB, Limits
from jobs.runner.watch import Demand, Family, MemoryWatch
from portal.kit import clock
from portal.kit.process import Tail

TICK = 0.1  # seconds between two looks at memory and time
_DISK_SECONDS = 1.0
_DISK_REST = 4.0  # the most between two looks at a big tree, which takes long to walk
_DISK_HASTE = 64 * MIB  # when the disk has lost so much since the last look, the next one comes at once
_DISK_FLOOR = 64 * MIB  # what is left for the portal itself: who still writes then is stopped


class OverOutputError(Exception):
    """A program wrote a longer line, or more lines, than it may."""


class Guard:
    """Looks at a program from outside. `cause` is the first limit it broke, by the name of Exit's flag, or
    "".
    """

    def __init__(self, limits: Limits, group: cgroups.Group | None, folders: Iterable[Path]) -> None:
        self.cause = ""
        self._limits = limits
        self._group = group
        self._disk = DiskWatch(folders, files=limits.files)
        self._memory: MemoryWatch | None = None
        self._demand: Demand | None = None
        self._family: Family | None = None
        self._grown = 0
        self._free = self._disk.free()
        self._started = clock.monotonic()
        self._looked = self._started

    @property
    def seconds(self) -> float:
        return clock.monotonic() - self._started

    @property
    def wanted_bytes(self) -> int:
        """What a forked program had asked for at most, as far as looks at it told; 0 for others."""
        return self._demand.peak if self._demand else 0

    def attach(self, pid: int, *, forked: bool, private: bool) -> None:
        """From now on `pid` and its descendants are watched; their memory, unless the kernel does it. `private`: they
        have a /tmp of their own.
        """
        self._family = Family(pid)
        self._demand = Demand(pid) if forked else None
        if self._group is None or not self._group.limits_memory:
            self._memory = MemoryWatch(self._family, forked=forked, private=private)

    def look(self) -> str:
        """Checks all limits, at most as often as each is worth; the cause so far."""
        if self._demand is not None:
            self._demand.sample()
        if not self.cause:
            self.cause = self._time() or self._resident() or self._folders(often=True)
        return self.cause

    def blame(self, cause: str) -> None:
        """Records a cause found elsewhere, unless there is an earlier one."""
        self.cause = self.cause or cause

    def close(self, *, ok: bool) -> int:
        """After the end (`ok`: with exit code 0): takes the last look at memory and disk, removes the group;
        the peak memory in bytes.
        """
        self.cause = self.cause or self._folders(often=False)
        if self._group is None:
            return self._memory.peak if self._memory else 0
        if not ok and self._group.over_memory():
            self.blame("over_memory")
        if not ok and self._group.crowded_out():
            self.blame("crowded_out")
        peak = max(self._group.peak(), self._memory.peak if self._memory else 0)
        self._group.remove()
        return peak

    def _time(self) -> str:
        return "timed_out" if self._limits.seconds is not None and self.seconds > self._limits.seconds else ""

    def _resident(self) -> str:
        used = self._memory.sample() if self._memory else 0
        limit = self._limits.memory_bytes
        if self._memory is None or limit is None or used <= limit:
            return ""
        return "over_memory" if self._memory.exactly() > limit else ""

    def _folders(self, *, often: bool) -> str:
        now, free = clock.monotonic(), self._disk.free()
        if often and now - self._looked < _DISK_SECONDS and self._free - free < _DISK_HASTE:
            return ""
        try:
            grown, entries = self._disk.grown(self._family.pids() if self._family and often else [])
        except HiddenError:
            return "over_disk"
        # Not more than a tenth of the time goes into looking, as long as that is often enough.
        self._looked = clock.monotonic() + min(_DISK_REST, 9 * (clock.monotonic() - now))
        self._free = free
        writes, self._grown = grown > self._grown, grown
        limit = self._limits.disk_bytes
        over = entries > self._limits.files or (limit is not None and grown > limit)
        return "over_disk" if over or (writes and free < _DISK_FLOOR) else ""


class Lines:
    """Bytes in, whole lines out, within the limits for one line and for all."""

    def __init__(self, limits: Limits, on_line: Callable[[str], None]) -> None:
        self._limits = limits
        self._on_line = on_line
        self._rest = bytearray()
        self._total = 0

    def feed(self, data: bytes) -> None:
        self._total += len(data)
        if self._total > self._limits.output_bytes:
            raise OverOutputError("too much output")
        self._rest += data
        *whole, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        if max(map(len, (rest, *whole))) > self._limits.line_bytes:
            raise OverOutputError("too long a line")
        for line in whole:
            self._on_line(line.decode("utf-8", errors="replace"))

    def finish(self) -> None:
        """The last line need not end with a line break."""
        if self._rest:
            self.feed(b"\n")


class Log:
    """Keeps a program's raw output: all of it up to a limit in a file, and its last part in memory."""

    def __init__(self, path: Path | None, limit: int) -> None:
        self._file = path.open("ab", buffering=0) if path else None
        self._left = limit
        self.tail = Tail(8192)

    def feed(self, data: bytes) -> None:
        self.tail.feed(data)
        if self._file is None or self._left <= 0:
            return
        self._file.write(data[: self._left])
        self._left -= len(data)
        if self._left <= 0:
            self._file.write(b"\n[the log is full; what follows is not kept]\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Pump:
    """Reads several descriptors until all are closed, and hands over what comes. Closes each at its end."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._owned: set[int] = set()
        self._held: dict[int, selectors.SelectorKey] = {}

    def add(self, handle: int, sink: Callable[[bytes], Any]) -> None:
        """Hands what can be read from `handle` to `sink`, and closes it at its end."""
        self._owned.add(handle)
        self._selector.register(handle, selectors.EVENT_READ, lambda: self._read(handle, sink))

    def hold(self, handle: int, *, on: bool) -> None:
        """Leaves what comes from `handle` where it is for now, so that its writer has to wait; or no longer."""
        if on and handle in self._owned and handle not in self._held:
            self._held[handle] = self._selector.unregister(handle)
        elif not on and handle in self._held:
            self._selector.register(handle, selectors.EVENT_READ, self._held.pop(handle).data)

    def watch(self, handle: int, on_ready: Callable[[], Any]) -> None:
        """Calls `on_ready`, which reads by itself and calls `forget` at the end."""
        self._selector.register(handle, selectors.EVENT_READ, on_ready)

    @property
    def open(self) -> bool:
        """Whether anything that was added is still open."""
        return bool(self._owned)

    def turn(self, timeout: float = TICK) -> bool:
        """Waits for something to read and hands it over; whether there was anything."""
        ready = self._selector.select(timeout)
        for key, _ in ready:
            key.data()
        return bool(ready)

    def _read(self, handle: int, sink: Callable[[bytes], Any]) -> None:
        data = os.read(handle, 65536)
        if data:
            sink(data)
        else:
            self.drop(handle)

    def drop(self, handle: int) -> None:
        self.forget(handle)
        self._owned.discard(handle)
        os.close(handle)

    def forget(self, handle: int) -> None:
        """Looks at `handle` no more; whose it is closes it."""
        self._selector.unregister(handle)

    def close(self) -> None:
        """Closes what was added; what was only watched is left open."""
        self._selector.close()
        for handle in self._owned:
            os.close(handle)
        self._owned.clear()
