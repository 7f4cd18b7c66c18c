"""Shuts a forked child in: its own user, mount, process, network and IPC namespaces, only its own folders.

A warm parent's sandbox holds the folders of all jobs on the node under a hidden path. A child calls
`separate`, forks once more, and the new process calls `enclose`: it builds a root of only what is its own,
moves into it and lets the rest go for good. All of it before any of the member's data is touched.
"""

import contextlib
import os
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.runner import bubble, calls
from portal.kit import linux

_QUIET = linux.MS_NOSUID | linux.MS_NODEV
_SETTINGS = ("sys", "sysrq-trigger", "irq", "bus", "fs")  # of the whole machine, below /proc: to be read only
_MACHINE = ("kcore", "keys", "timer_list", "sched_debug", "kpagecount", "kpageflags")  # not to be read either


@dataclass(frozen=True)
class View:
    """What a child is to see: (path in the parent's sandbox, inside path) each; sources are read-only where
    mounted so.
    """

    binds: Sequence[tuple[str, str]] = ()
    tmp_bytes: int = 64 * 1024 * 1024
    hidden: Sequence[str] = ()  # devices of the parent's sandbox that the child does not get
    watched: bool = True  # as in bubble.Box
    system: Sequence[str] = field(default_factory=bubble.inside_system)


def separate() -> None:
    """New namespaces for this (single-threaded) process, with the same user number inside; children get a new
    process namespace. Raises OSError where the kernel or an outer sandbox doesn't allow it.
    """
    user, group = os.getuid(), os.getgid()
    linux.unshare(
        linux.CLONE_NEWUSER
        | linux.CLONE_NEWNS
        | linux.CLONE_NEWPID
        | linux.CLONE_NEWNET
        | linux.CLONE_NEWIPC
        | linux.CLONE_NEWUTS
    )
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def enclose(view: View) -> None:
    """The first process of the new namespace moves into a root of its own and gives up every right."""
    linux.mount(None, "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", bubble.NEW_ROOT, "tmpfs", _QUIET, "mode=755,size=1m")
    _furnish(view)
    os.chdir(bubble.NEW_ROOT)
    Path("old").mkdir()
    linux.pivot_root(".", "old")
    linux.unmount("/old")
    Path("/old").rmdir()
    linux.mount(None, "/", flags=linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | _QUIET)
    os.chdir("/tmp")  # a private one  # noqa: S108 # a private one
    linux.drop_capabilities()
    linux.die_with_parent(signal.SIGKILL)
    filter_calls(watched=view.watched)


def filter_calls(*, watched: bool) -> None:
    """No right to be gained, and only the system calls that a job needs, where the kernel can hold it to them."""
    linux.no_new_privileges()
    if program := calls.program(watched=watched):
        linux.filter_calls(program)


def trial() -> str:
    """Tries all of it in a child: an empty string when it works, else what the kernel said."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):  # whatever happens, this copy must end here
            os.write(writer, (_tried() or "works").encode())
        os._exit(0)
    os.close(writer)
    answer = os.read(reader, 4096).decode(errors="replace")
    os.close(reader)
    os.waitpid(pid, 0)
    return "" if answer == "works" else answer or "the trial ended without an answer"


def _tried() -> str:
    """Forks as a real child does; the second process reports through its exit code and a pipe."""
    reader, writer = os.pipe()
    try:
        separate()
    except OSError as error:
        return str(error)
    pid = os.fork()
    if pid == 0:
        try:
            enclose(View())
        except OSError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    return os.read(reader, 4096).decode(errors="replace")


def _furnish(view: View) -> None:
    """Puts the system, a fresh /proc, /dev and /tmp and the child's own folders into the new root."""
    new = bubble.NEW_ROOT
    size = f"size={view.tmp_bytes},mode=1777"
    _filesystem("tmpfs", f"{new}/tmp", _QUIET, size)  # a private one  # noqa: S108 # a private one
    _filesystem("proc", f"{new}/proc", _QUIET | linux.MS_NOEXEC)
    _cover(Path(new, "proc"))
    _bind("/dev", f"{new}/dev")
    _hide(Path(new + path) for path in view.hidden)
    _filesystem("tmpfs", f"{new}/dev/shm", _QUIET, size)  # too  # noqa: S108 # too
    _filesystem(
        "tmpfs", f"{new}/dev/pts", _QUIET, "size=4k,mode=755"
    )  # terminals would be shared with other children
    for path in view.system:
        _bind(path, new + path)
    for link, target in bubble.links():
        Path(new + link).parent.mkdir(parents=True, exist_ok=True)
        Path(new + link).symlink_to(target)
    for source, inside in view.binds:
        _bind(source, new + inside)


def _cover(proc: Path) -> None:
    """For where this user's number is root's, whom file permissions don't stop."""
    Path(proc, "sys/user/max_user_namespaces").write_text("0", encoding="ascii")
    for path in (str(proc / name) for name in _SETTINGS if (proc / name).exists()):
        _bind(path, path)
        linux.mount(
            None,
            path,
            flags=linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOEXEC | _QUIET,
        )
    for name in _MACHINE:
        if (proc / name).exists():
            linux.mount(os.devnull, str(proc / name), flags=linux.MS_BIND)


def _hide(devices: Iterable[Path]) -> None:
    """Covers device files by the null device, and folders of them by an empty one."""
    for path in devices:
        if path.is_dir():
            linux.mount("tmpfs", str(path), "tmpfs", _QUIET, "size=4k,mode=755")
        else:
            linux.mount(os.devnull, str(path), flags=linux.MS_BIND)


def _filesystem(kind: str, target: str, flags: int, options: str | None = None) -> None:
    Path(target).mkdir(parents=True, exist_ok=True)
    linux.mount(kind, target, kind, flags, options)


def _bind(source: str, target: str) -> None:
    place = Path(target)
    if Path(source).is_dir():
        place.mkdir(parents=True, exist_ok=True)
    elif not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    # Recursive, since what came from an outer namespace can only be taken as a whole.
    linux.mount(source, target, flags=linux.MS_BIND | linux.MS_REC)
