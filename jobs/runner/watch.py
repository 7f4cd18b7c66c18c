"""What a running program uses, looked at from outside: its processes, their memory, and what they asked for."""

import contextlib
import os
import resource
import select
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil

from portal.kit import clock

_TREE_SECONDS = 0.4  # how often the list of processes is made anew
_LISTS_CHILDREN = Path("/proc/self/task", str(os.getpid()), "children").exists()  # CONFIG_PROC_CHILDREN
_STACK = max(
    0, resource.getrlimit(resource.RLIMIT_STACK)[0]
)  # of each thread, here as in what is started from here
_IN_MEMORY = ("tmp", "dev/shm")  # file systems in memory that every sandbox has of its own


class Family:
    """A process and its descendants; the list is made anew now and then."""

    def __init__(self, pid: int) -> None:
        self.root = pid
        self._pids = [pid]
        self._listed = 0.0

    def pids(self) -> list[int]:
        if clock.monotonic() - self._listed > _TREE_SECONDS:
            self._pids = [self.root, *_family(self.root)]
            self._listed = clock.monotonic()
        return self._pids


class MemoryWatch:
    """Private memory of a process and its descendants: resident anonymous pages, and shared ones or files in the
    sandbox's own memory, whichever is more (the same bytes may be both).

    Files mapped into memory are left out: the kernel takes them back by itself. What a process held when the
    watch began (pages a forked child shares with its warm parent) is not counted for that process. `private`:
    it has file systems of its own, which are counted.
    """

    def __init__(self, family: Family, *, forked: bool, private: bool) -> None:
        self._family = family
        self._private = private
        self._baseline = sum(resident(family.root)) if forked else 0
        self._own_share = share(family.root) if forked else 0
        self.peak = 0

    def sample(self) -> int:
        """Bytes in use now."""
        anonymous, shared = map(sum, zip(*map(resident, self._family.pids()), strict=True))
        files = _files_in_memory(self._family.pids()) if self._private else 0
        used = max(0, anonymous + max(shared, files) - self._baseline)
        self.peak = max(self.peak, used if len(self._family.pids()) == 1 else 0)
        return used

    def exactly(self) -> int:
        """The same, with pages that several of the processes share (after a fork) counted once. Takes longer."""
        if len(self._family.pids()) > 1:
            files = _files_in_memory(self._family.pids()) if self._private else 0
            used = max(0, sum(map(share, self._family.pids())) - self._own_share, files)
        else:
            used = self.sample()
        self.peak = max(self.peak, used)
        return used


class Demand:
    """What a forked process has asked the kernel for since the watch began, touched or not: what it wanted, should it
    be stopped on the way there. Its writable private mappings, less its threads' stacks, of which little is ever used.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._baseline = _asked_for(pid)
        self.peak = 0

    def sample(self) -> None:
        self.peak = max(self.peak, _asked_for(self._pid) - self._baseline)


def _asked_for(pid: int) -> int:
    fields = _status(pid)
    data, threads = (int(fields.get(name, "0").split()[0]) for name in ("VmData", "Threads"))
    return 1024 * data - max(0, threads - 1) * _STACK


def resident(pid: int) -> tuple[int, int]:
    """Resident (anonymous, shared-memory) bytes of one process, 0 when it is gone."""
    fields = _status(pid)
    anonymous, shared = (1024 * int(fields.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem"))
    return anonymous, shared


def _status(pid: int) -> dict[str, str]:
    """The kernel's fields of one process, empty when it is gone."""
    try:
        with Path(f"/proc/{pid}/status").open(encoding="ascii", errors="replace") as file:
            return dict(line.split(":", 1) for line in file)
    except (FileNotFoundError, ProcessLookupError):
        return {}


def share(pid: int) -> int:
    """The same of one process, shared pages divided among those that share them; all of them where that is not to be
    learned.
    """
    try:
        with Path(f"/proc/{pid}/smaps_rollup").open(encoding="ascii", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if line.startswith("Pss_"))
    except OSError:
        return sum(resident(pid))
    return sum(1024 * int(fields[name].split()[0]) for name in ("Pss_Anon", "Pss_Shmem") if name in fields)


def _files_in_memory(pids: Iterable[int]) -> int:
    """Bytes in the file systems in memory that these processes see and we don't, each once."""
    used: dict[int, int] = {}
    for path in (f"/proc/{pid}/root/{name}" for pid in pids for name in _IN_MEMORY):
        with contextlib.suppress(OSError):
            device, status = Path(path).stat().st_dev, os.statvfs(path)
            used[device] = (status.f_blocks - status.f_bfree) * status.f_frsize
    for name in _IN_MEMORY:  # the first of the processes may not be shut in yet
        with contextlib.suppress(OSError):
            used.pop(Path("/", name).stat().st_dev, None)
    return sum(used.values())


def _family(pid: int) -> list[int]:
    """The descendants as the kernel lists them: it may leave out some while others end, but to read all of /proc takes
    longer the more processes a node has, whosever they are.
    """
    if not _LISTS_CHILDREN:
        return descendants(pid)
    found: list[int] = []
    left = [pid]
    while left:
        below = _children(left.pop())
        found += below
        left += below
    return found


def _children(pid: int) -> list[int]:
    texts = []
    with contextlib.suppress(OSError):  # it is gone
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                texts.append((task / "children").read_text())
    return [int(child) for child in " ".join(texts).split()]


def descendants(pid: int) -> list[int]:
    """All of them, by reading all of /proc."""
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
