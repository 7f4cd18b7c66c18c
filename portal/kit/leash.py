"""Starts a program that can't outlive its parent, under limits, and as another user when asked.

Runs between fork and exec of the program, in a process of its own: Python code in `preexec_fn` can deadlock
in a process with threads. Standard library only; `portal.kit.process.leash` builds the command line.
"""

import base64
import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from portal.kit import linux

STAGE = "/mnt"  # where a root leash lays out folders for a user who could not reach them by their real path


def main(argument: str) -> None:
    """`argument` is JSON: argv, and optionally parent, oom_score, nice, rlimits, cgroups, stage (uid, gid, sources),
    filter (of system calls, in base64), files (a word of argv → content in base64: the word becomes the number of a
    descriptor from which that can be read).
    """
    spec: dict[str, Any] = json.loads(argument)
    for procs in spec.get("cgroups", ()):
        _write(procs, str(os.getpid()))
    if spec.get("oom_score"):
        with contextlib.suppress(OSError):  # a container may forbid it, and it is only a preference
            _write("/proc/self/oom_score_adj", str(spec["oom_score"]))
    if spec.get("nice"):
        yield_to_others(spec["nice"])
    if spec.get("stage"):
        stage(**spec["stage"])
    if spec.get("parent"):
        follow(spec["parent"])
    limit(spec.get("rlimits", {}))
    handles = {word: str(_readable(base64.b64decode(text))) for word, text in spec.get("files", {}).items()}
    argv = [handles.get(word, word) for word in spec["argv"]]
    if spec.get("filter"):
        linux.no_new_privileges()
        linux.filter_calls(base64.b64decode(spec["filter"]))
    os.execv(argv[0], argv)  # noqa: S606 # that there is no shell is the point


def limit(rlimits: dict[str, int]) -> None:
    """Lowers limits named as in `resource` without RLIMIT_; one that is already lower stays."""
    for name, value in rlimits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)  # noqa: PLW2901 # the lower of both
        resource.setrlimit(kind, (value, value))


def yield_to_others(steps: int) -> None:
    """Lets programs of usual priority go first, for good; within its session and among sessions, where the kernel
    shares time between those before it looks at single programs (autogroup).
    """
    os.nice(steps)
    with contextlib.suppress(OSError):
        _write("/proc/self/autogroup", str(steps))


def follow(parent: int) -> None:
    linux.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has already ended")


def stage(*, uid: int, gid: int, sources: list[str]) -> None:
    """In a mount namespace of its own, binds each source to STAGE/<number>, then becomes `uid`.

    An unprivileged bubblewrap started next can mount folders whose parents (such as /root) that user can't
    enter, without any of them being opened to anybody on the machine.
    """
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", flags=linux.MS_REC | linux.MS_SLAVE)
    handles = [os.open(source, os.O_PATH) for source in sources]
    linux.mount("tmpfs", STAGE, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=1m")
    for number, handle in enumerate(handles):
        _bind(handle, f"{STAGE}/{number}", folder=Path(sources[number]).is_dir())
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _bind(handle: int, target: str, *, folder: bool) -> None:
    if folder:
        Path(target).mkdir()
    else:
        Path(target).touch()
    linux.mount(f"/proc/self/fd/{handle}", target, flags=linux.MS_BIND | linux.MS_REC)
    os.close(handle)


def _readable(content: bytes) -> int:
    """A descriptor from which the program can read `content` to its end."""
    handle = os.memfd_create("handed", 0)
    os.write(handle, content)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="ascii")
