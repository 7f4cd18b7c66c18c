"""What a running program uses, looked at from outside: resident memory of its processes, growth of its
folders.
"""

import contextlib
import os
import select
import signal
import stat
from collections.abc import Iterable
from pathlib import Path

import psutil

from portal.kit import clock

_TREE_SECONDS = 0.4  # how often the list of processes is made anew; it reads all of /proc


class MemoryWatch:
    """Private memory of a process and its descendants: anonymous and shared pages that are resident.

    Files mapped into memory are left out: the kernel takes them back by itself. What a process held when the
    watch began (pages a forked child shares with its warm parent) is not counted for that process.
    """

    def __init__(self, pid: int, *, forked: bool) -> None:
        self._root = pid
        self._baseline = resident(pid) if forked else 0
        self._pids = [pid]
        self._listed = 0.0
        self.peak = 0

    def sample(self) -> int:
        """Bytes in use now."""
        if clock.monotonic() - self._listed > _TREE_SECONDS:
            self._pids = [self._root, *descendants(self._root)]
            self._listed = clock.monotonic()
        used = max(0, sum(map(resident, self._pids)) - self._baseline)
        self.peak = max(self.peak, used)
        return used


def resident(pid: int) -> int:
    """Resident anonymous and shared-memory bytes of one process, 0 when it is gone."""
    try:
        with Path(f"/proc/{pid}/status").open(encoding="ascii", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(1024 * int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem") if name in fields)


def descendants(pid: int) -> list[int]:
    try:
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def strike(pids: Iterable[int], *, within: float = 5.0) -> None:
    """Kills these processes and waits until they have ended, for at most `within` seconds all together.

    The first process of a namespace ends only after all others in it have.
    """
    handles = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handles.append(os.pidfd_open(pid))
    for handle in handles:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    until = clock.monotonic() + within
    for handle in handles:
        select.select([handle], [], [], max(0.0, until - clock.monotonic()))
        os.close(handle)


class DiskWatch:
    """Growth of folders, in bytes on disk and number of entries, since the watch began."""

    def __init__(self, folders: Iterable[Path], *, files: int) -> None:
        self._folders = list(folders)
        self._most = files
        self._bytes, self._entries = self._usage(None)

    def grown(self) -> tuple[int, int]:
        """(bytes, entries) more than at the start. Stops counting once the entries pass the limit."""
        used, entries = self._usage(self._entries + self._most)
        return used - self._bytes, entries - self._entries

    def _usage(self, most: int | None) -> tuple[int, int]:
        used = entries = 0
        waiting = [str(folder) for folder in self._folders]
        while waiting and (most is None or entries <= most):
            for size, folder in _entries(waiting.pop()):
                used += size
                entries += 1
                if folder is not None:
                    waiting.append(folder)
        return used, entries


def _entries(folder: str) -> Iterable[tuple[int, str | None]]:
    """(bytes on disk, path if a folder) of each entry; links are not followed, what vanishes meanwhile is
    skipped.
    """
    try:
        with os.scandir(folder) as found:
            for entry in found:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield status.st_blocks * 512, entry.path if stat.S_ISDIR(status.st_mode) else None
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
