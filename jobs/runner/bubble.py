"""The command line of a bubblewrap sandbox, and what every sandbox on this machine is furnished with."""

import base64
import enum
import functools
import os
import pwd
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.runner import calls, cgroups
from jobs.runner.limits import GIB
from jobs.runner.mounts import Mounts
from portal.kit import leash
from portal.kit import process as kit_process

ROOT = Path(__file__).resolve().parents[2]
# What browsers load is there for pages of browser bundles.
CODE = (
    "jobs",
    "hardware",
    "portal",
    "static/build",
)  # not the whole root: state (GRISTMILL_HOME) may lie in it
HIDDEN = "/.node"  # where a warm parent's sandbox keeps what it hands out to its children one by one
NEW_ROOT = "/.new"
LAST_FREE_UID = 64_999  # the highest number that Debian leaves to the machine's owner
KILL_FIRST = 500  # oom_score_adj: when the whole machine runs out, jobs go before the portal
NICE = 1  # jobs stand back a little for pages and uploads; at 5 the first step took thrice as long on a busy machine
_FILTER = "@filter"  # stands for the descriptor of the filter of system calls
_TMP = "/tmp"  # a private one  # noqa: S108 # a private one
_MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
_ETC = ("ld.so.cache", "alternatives", "localtime", "nsswitch.conf")
_SETTINGS = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")  # of the whole machine, below /proc
_DEVICES = ("/sys/devices/system/cpu", "/sys/devices/system/node")


class Level(enum.Enum):
    """How programs are shut in: as a user of their own, as the portal's user, or not at all."""

    OWN_USER = "own user"
    SAME_USER = "same user"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Box:
    """What one sandbox holds besides the system: folders, size of /tmp, device files, rlimits."""

    mounts: Mounts = field(default_factory=Mounts)
    tmp_bytes: int = GIB
    devices: Sequence[str] = ()
    rlimits: Mapping[str, int] = field(default_factory=dict)
    nested: bool = False  # may make namespaces of its own; only for our own warm parent
    watched: bool = True  # no cgroup counts its memory
    nice: int = NICE


def command(
    program: Sequence[str], box: Box, *, level: Level, group: cgroups.Group | None = None
) -> list[str]:
    """The command line that runs `program` (inside paths) in `box`. Start it from a thread that outlives it:
    it is killed with that thread. Without a sandbox inside paths are translated and the environment is the
    caller's to set.
    """
    calls_allowed = base64.b64encode(calls.program(nested=box.nested, watched=box.watched)).decode("ascii")
    outer: dict[str, Any] = {
        "parent": os.getpid(),
        "oom_score": KILL_FIRST,
        "nice": box.nice,
        "cgroups": group.procs if group else [],
    }
    if level is Level.NONE:
        return kit_process.leash(
            _absolute(box.mounts.translated(list(program))),
            rlimits=dict(box.rlimits),
            filter=calls_allowed,
            **outer,
        )
    outer["files"] = {_FILTER: calls_allowed} if calls_allowed else {}
    inner = kit_process.leash(_absolute(program), rlimits=dict(box.rlimits)) if box.rlimits else list(program)
    sources = [*map(str, _own_mounts()), *(str(host) for host, _, _ in box.mounts.pairs())]
    if level is Level.SAME_USER:
        return kit_process.leash(_bubblewrap(box, sources, inner), **outer)
    staged = [f"{leash.STAGE}/{number}" for number in range(len(sources))]
    stage = {"uid": sandbox_uid(), "gid": sandbox_uid(), "sources": sources}
    return kit_process.leash(_bubblewrap(box, staged, inner), stage=stage, **outer)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """All that a sandboxed program finds in its environment: nothing of the portal's own."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",  # a private one  # noqa: S108 # a private one
        "USER": "job",
        "LOGNAME": "job",
        "PYTHONPATH": str(ROOT),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **(extra or {}),
    }


def inside_system() -> list[str]:
    """The paths that every sandbox shows read-only, where they are on the host too."""
    return [*_system_mounts(), *map(str, _own_mounts())]


def gpu_devices(folder: Path = Path("/dev")) -> list[str]:
    """Device files and folders that NVIDIA's libraries open; none where there is no GPU of theirs."""
    found = sorted(map(str, folder.glob("nvidia*")))
    graphics = folder / "dri"
    return [*found, str(graphics)] if found and graphics.exists() else found


@functools.cache
def sandbox_uid() -> int:
    """A user and group number that nobody on this machine has."""
    taken = {user.pw_uid for user in pwd.getpwall()} | {user.pw_gid for user in pwd.getpwall()}
    return next(number for number in range(LAST_FREE_UID, 0, -1) if number not in taken)


@functools.cache
def _own_mounts() -> list[Path]:
    """Python, its packages and this code, wherever they lie; none inside another, none in /usr."""
    wanted = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), *(ROOT / name for name in CODE)}
    wanted |= _link_targets(Path(sys.prefix) / "bin" / "python")
    wanted = {path for path in wanted if path.exists() and not path.is_relative_to("/usr")}
    return sorted(
        path for path in wanted if not any(path != other and path.is_relative_to(other) for other in wanted)
    )


def _link_targets(program: Path) -> set[Path]:
    """The bin folders that a virtual environment's python links through, up to two levels of prefix."""
    real = program.resolve()
    return {real.parents[1]} if len(real.parents) > 2 else set()  # /x/bin/python  # noqa: PLR2004 # /x/bin/python


def _system_mounts() -> list[str]:
    plain = [path for path in _MERGED if Path(path).is_dir() and not Path(path).is_symlink()]
    return [
        path
        for path in ("/usr", *plain, *(f"/etc/{name}" for name in _ETC), *_DEVICES)
        if Path(path).exists()
    ]


def links() -> list[tuple[str, str]]:
    """(link, where it points): the top folders that are links into /usr, and the way to this Python that it was called
    by, where that leads over a link (a virtual environment that several checkouts share).
    """
    merged = [(path, str(Path(path).readlink())) for path in _MERGED if Path(path).is_symlink()]
    return [*merged, *_prefix_link()]


def _prefix_link() -> list[tuple[str, str]]:
    called = Path(sys.prefix)
    if called == called.resolve() or any(called.is_relative_to(path) for path in inside_system()):
        return []
    return [(str(called), str(called.resolve()))]


def _bubblewrap(box: Box, sources: Sequence[str], program: Sequence[str]) -> list[str]:
    """`sources` are where our own mounts and then the box's are reachable, in order."""
    argv = [
        _bwrap(),
        "--unshare-all",
        "--unshare-user",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
    ]
    argv += ["--hostname", "job"] + ([] if box.nested else ["--disable-userns"])
    # By bubblewrap, not by the program itself: its own first process must not be a way around it.
    argv += ["--seccomp", _FILTER] if calls.program() else []
    as_root = os.geteuid() == 0 and not _staged(
        sources
    )  # whatever its number inside, to the kernel it is root
    argv += ["--uid", "65534", "--gid", "65534"] if as_root else []
    argv += ["--size", str(box.tmp_bytes), "--tmpfs", _TMP, "--proc", "/proc", "--dev", "/dev"]
    for path in (f"/proc/{name}" for name in (_SETTINGS if as_root else ()) if Path("/proc", name).exists()):
        argv += ["--ro-bind", path, path]
    argv += ["--size", str(box.tmp_bytes), "--tmpfs", "/dev/shm"]  # private, and limited  # noqa: S108 # private, and limited
    for path in _system_mounts():
        argv += ["--ro-bind", path, path]
    for link, target in links():
        argv += ["--symlink", target, link]
    for device in box.devices:
        argv += ["--dev-bind", device, device]
    own = _own_mounts()
    for source, mount in zip(sources, own, strict=False):
        argv += ["--ro-bind", source, str(mount)]
    for source, (_, inside, writable) in zip(sources[len(own) :], box.mounts.pairs(), strict=True):
        argv += ["--bind" if writable else "--ro-bind", source, inside]
    argv += ["--dir", NEW_ROOT, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", _TMP, "--", *program]
    return argv


def _staged(sources: Sequence[str]) -> bool:
    return bool(sources) and sources[0].startswith(f"{leash.STAGE}/")


def _bwrap() -> str:
    return shutil.which("bwrap") or "/usr/bin/bwrap"


def _absolute(program: Sequence[str]) -> list[str]:
    return [shutil.which(program[0]) or program[0], *program[1:]]
