"""Who a process is, so that another one on the same machine can tell whether it still lives. Linux tells; elsewhere
nobody is known to be gone.
"""

import os
import socket
from functools import lru_cache
from pathlib import Path

PROC = Path("/proc")
STATE, BORN = 0, 19  # fields 3 and 22 of proc(5)'s stat, counted behind the command's name
DEAD = frozenset({"Z", "X"})  # a zombie holds nothing any more


@lru_cache(maxsize=1)
def machine() -> str:
    """Where process ids mean the same as here: one boot of one kernel, one namespace of processes."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}.{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return socket.gethostname()


def me() -> str:
    """This process, unlike any other before or after it."""
    pid = os.getpid()
    found = _stat(pid)
    return f"{machine()}/{pid}/{found[BORN] if found else ''}"


def is_gone(name: str) -> bool:
    """Whether the process called so by `me` has ended. False where that can't be known: another machine's, or no
    such name at all.

    A process is told from a later one of its number by when it was born, in ticks since the boot: no change of the
    clock touches them.
    """
    where, _, rest = name.partition("/")
    pid, _, born = rest.partition("/")
    if where != machine() or not pid.isdigit() or not born:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is there, and may be hidden from us in /proc
        return False
    found = _stat(int(pid))
    return found is not None and (found[STATE] in DEAD or found[BORN] != born)


def _stat(pid: int) -> list[str] | None:
    """The fields of proc(5)'s stat behind the command's name; None when there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
