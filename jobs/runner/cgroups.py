"""Limits of memory, processes and processors by control groups, version 2 or 1, where this process may make them."""

import contextlib
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path

PREFIX = "gristmill-"
_OWN = "gristmill-portal"  # where the portal's own processes go, so that its group can hand controllers down
_CONTROLLERS = ("memory", "pids", "cpu")
_LIMITS = {  # the file that sets it, in version 1 and 2
    "memory": ("memory.limit_in_bytes", "memory.max"),
    "pids": ("pids.max", "pids.max"),
    "cpu": ("cpu.cfs_quota_us", "cpu.max"),
}
_UNCHARGED = 2 * 1024 * 1024  # a huge page: so far from its limit may a group be when it can have no more
_PERIOD_US = 100_000  # over which the kernel counts processors' time, unless told otherwise
_MARKS = (
    "user.delegate",
    "trusted.delegate",
)  # how systemd marks a group that it leaves to the program in it
_counter = itertools.count()


@dataclass(frozen=True)
class Hierarchy:
    """Where groups can be made: the parent folder of each controller that is usable."""

    version: int
    parents: dict[str, Path]


@dataclass(frozen=True)
class Group:
    """One group made for one program."""

    version: int
    folders: dict[str, Path]

    @property
    def procs(self) -> list[str]:
        """The files into which a process writes its id to join."""
        return [str(folder / "cgroup.procs") for folder in dict.fromkeys(self.folders.values())]

    def add(self, pid: int) -> None:
        for procs in self.procs:
            Path(procs).write_text(str(pid), encoding="ascii")

    @property
    def limits_memory(self) -> bool:
        return "memory" in self.folders

    def peak(self) -> int:
        """The most memory the group held at once, in bytes; 0 where the kernel doesn't say."""
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"  # cgroup version  # noqa: PLR2004 # cgroup version
        return _number(self.folders.get("memory", Path("/nonexistent")) / name)

    def over_memory(self) -> bool:
        """Whether the kernel killed something in the group because the group had reached its limit."""
        return self._killed() and self._reached_limit()

    def crowded_out(self) -> bool:
        """Whether it killed something in the group although that was within its limit: a group around it, or the whole
        machine, was full.
        """
        return self._killed() and not self._reached_limit()

    def _killed(self) -> bool:
        name = "memory.events" if self.version == 2 else "memory.oom_control"  # cgroup version  # noqa: PLR2004 # cgroup version
        return "memory" in self.folders and _field(self.folders["memory"] / name, "oom_kill") > 0

    def _reached_limit(self) -> bool:
        if self.version == 2:  # noqa: PLR2004 # cgroup version
            return _field(self.folders["memory"] / "memory.events", "oom") > 0
        # Version 1 counts no such event any more (memory.failcnt stays 0 on Linux 6.18).
        return self.peak() > _number(self.folders["memory"] / "memory.limit_in_bytes") - _UNCHARGED

    def remove(self) -> None:
        """Kills what is left in the group and removes it."""
        for folder in dict.fromkeys(self.folders.values()):
            _remove(folder)


def create(
    hierarchy: Hierarchy | None,
    *,
    memory_bytes: int | None,
    processes: int | None,
    cores: float | None = None,
) -> Group | None:
    """A new group with these limits, or None where none can be made. When the processors are all busy, the groups
    have equal parts of them; `cores` is the most even when they are not.
    """
    if hierarchy is None:
        return None
    name = f"{PREFIX}{os.getpid()}-{next(_counter)}"
    group = Group(hierarchy.version, {what: parent / name for what, parent in hierarchy.parents.items()})
    for folder in group.folders.values():
        folder.mkdir(exist_ok=True)
    for file, value in _settings(hierarchy.version, memory_bytes, processes):
        target = (
            group.folders[file.partition(".")[0]] / file if file.partition(".")[0] in group.folders else None
        )
        if target is not None and target.exists():
            target.write_text(str(value), encoding="ascii")
    if cores is not None and "cpu" in group.folders:
        _hold_cores(group, cores)
    return group


def _hold_cores(group: Group, cores: float) -> None:
    """One above the limit of the groups around it is refused by version 1, and holds nothing there anyway."""
    quota = max(1000, round(cores * _PERIOD_US))  # the least that the kernel takes is a millisecond
    name = _LIMITS["cpu"][group.version - 1]
    _written(group.folders["cpu"] / name, f"{quota} {_PERIOD_US}" if group.version == 2 else f"{quota}")  # noqa: PLR2004 # cgroup version


def find(proc: Path = Path("/proc/self")) -> Hierarchy | None:
    """The first hierarchy in which a group with a limit can really be made; sweeps up leftovers."""
    for hierarchy in (_version2(proc), _version1(proc)):
        usable = {
            what: parent
            for what, parent in hierarchy.parents.items()
            if _works(hierarchy.version, what, parent)
        }
        if usable:
            for parent in usable.values():
                _sweep(parent)
            return Hierarchy(hierarchy.version, usable)
    return None


def _settings(version: int, memory_bytes: int | None, processes: int | None) -> list[tuple[str, int]]:
    settings: list[tuple[str, int]] = []
    if processes is not None:
        settings.append(("pids.max", processes))
    if memory_bytes is None:
        return settings
    if version == 1:
        # The sum with swap can't be lower than memory: memory first.
        names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        return [*settings, *((name, memory_bytes) for name in names)]
    return [*settings, ("memory.max", memory_bytes), ("memory.swap.max", 0), ("memory.oom.group", 1)]


def _version2(proc: Path) -> Hierarchy:
    """This process's group if it hands memory and pids down to its children, or can be made to because it was given
    to us; else the one above it, where that does.
    """
    own = _own(proc, "")
    mount = _mount(proc, "cgroup2", "")
    if own is None or mount is None:
        return Hierarchy(2, {})
    here = mount / own
    if not _handed_down(here) and here.name != _OWN and _ours(here, mount):
        _take_over(here)
    for parent in (here, *([here.parent] if here != mount else [])):
        if "memory" in (given := _handed_down(parent)):
            return Hierarchy(2, {what: parent for what in _CONTROLLERS if what in given})
    return Hierarchy(2, {})


def _handed_down(group: Path) -> list[str]:
    return _text(group / "cgroup.subtree_control").split()


def _ours(here: Path, mount: Path) -> bool:
    """Whether nobody else manages the group: systemd delegated it, or it is the top of all that can be seen."""
    if here == mount:
        return True
    marks = []
    for name in _MARKS:
        with contextlib.suppress(OSError):
            marks.append(os.getxattr(here, name))
    return b"1" in marks


def _take_over(here: Path) -> None:
    """Has the group hand its controllers down. One with processes in it can't (the top one excepted), so these move
    to a group below it first. Linux, Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint".
    """
    offered = _text(here / "cgroup.controllers").split()
    wanted = [f"+{what}" for what in _CONTROLLERS if what in offered]
    if "memory" not in offered or not os.access(here / "cgroup.subtree_control", os.W_OK):
        return
    if _written(here / "cgroup.subtree_control", " ".join(wanted)):
        return
    (here / _OWN).mkdir(exist_ok=True)
    for pid in _text(here / "cgroup.procs").split():
        _written(here / _OWN / "cgroup.procs", pid)
    for what in wanted:  # one by one: that one is refused (cpu, next to real-time processes) costs no other
        _written(here / "cgroup.subtree_control", what)


def _written(path: Path, text: str) -> bool:
    try:
        path.write_text(text, encoding="ascii")
    except OSError:
        return False
    return True


def _version1(proc: Path) -> Hierarchy:
    parents = {}
    for what in _CONTROLLERS:
        own, mount = _own(proc, what), _mount(proc, "cgroup", what)
        if own is not None and mount is not None:
            # In a container the path may be the host's, of which only the end is mounted here.
            parents[what] = mount / own if (mount / own).is_dir() else mount
    return Hierarchy(1, parents)


def _own(proc: Path, controller: str) -> str | None:
    """This process's group in the hierarchy of `controller` ("" is version 2), relative to its mount."""
    for line in _text(proc / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and bool(controller) == bool(controllers):
            return path.lstrip("/")
    return None


def _mount(proc: Path, kind: str, controller: str) -> Path | None:
    for line in _text(proc / "mountinfo").splitlines():
        front, _, back = line.partition(" - ")
        if back.split()[0] == kind and (not controller or controller in back.split()[-1].split(",")):
            return Path(front.split()[4])
    return None


def _works(version: int, what: str, parent: Path) -> bool:
    """Tries it: makes a group, looks for its limit file, removes it."""
    trial = parent / f"{PREFIX}{os.getpid()}-trial"
    try:
        trial.mkdir(exist_ok=True)
    except OSError:
        return False
    works = os.access(trial / _LIMITS[what][version - 1], os.W_OK)
    _remove(trial)
    return works


def _sweep(parent: Path) -> None:
    """Removes groups whose maker was killed before it could."""
    for folder in parent.glob(f"{PREFIX}*"):
        maker = folder.name.removeprefix(PREFIX).partition("-")[0]
        if maker.isdigit() and not Path("/proc", maker).exists():
            _remove(folder)


def _remove(folder: Path, tries: int = 50) -> None:
    for _ in range(tries):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # busy: kill what is in it, which takes the kernel a moment
            _written(
                folder / "cgroup.kill", "1"
            )  # version 2, since Linux 5.14: all at once, so that none forks on
            for pid in _text(folder / "cgroup.procs").split():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(int(pid), 9)
            time.sleep(0.01)
        else:
            return


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _text(path).strip()
    return int(text) if text.isdigit() else 0


def _field(path: Path, name: str) -> int:
    fields = dict(line.split(maxsplit=1) for line in _text(path).splitlines() if " " in line)
    return int(fields.get(name, "0"))
