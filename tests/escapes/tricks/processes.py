"""Getting at other processes."""

import ctypes
import os
import signal
from pathlib import Path
from typing import Any

Found = dict[str, Any]


def attack(asked: Found) -> Found:
    """The process `pid`: signals, tracing, its memory, its descriptors, its limits, its priority."""
    pid = asked["pid"]
    tries = {
        "trace": lambda: _call("ptrace", 16, pid, 0, 0),
        "seize": lambda: _call("ptrace", 0x4206, pid, 0, 0),
        "read memory": lambda: _read(pid),
        "descriptor": lambda: _call("syscall", 438, os.pidfd_open(pid), 1, 0),
        "limits": lambda: _call("prlimit", pid, 7, None, ctypes.create_string_buffer(16)),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        "processors": lambda: os.sched_setaffinity(pid, {0}),
        "compare": lambda: _call("syscall", 312, pid, os.getpid(), 1, 0, 0),
        "memory file": lambda: Path(f"/proc/{pid}/mem").open("r+b").close(),
        "sooner killed": lambda: Path(f"/proc/{pid}/oom_score_adj").write_text("1000", encoding="ascii"),
        # At last, for it dies of them.
        "group": lambda: os.killpg(pid, signal.SIGUSR1),
        "pidfd": lambda: signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGUSR1),
        "signal": lambda: os.kill(pid, signal.SIGUSR1),
    }
    return {"worked": [name for name, what in tries.items() if _works(what)]}


def others(asked: Found) -> Found:
    """The processes that can be seen, but this one."""
    del asked
    seen = {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}
    return {"seen": {pid: _line(pid) for pid in seen - {os.getpid()}}}


def hijack(asked: Found) -> Found:
    """The first process of the sandbox, which runs as the same user: a way around what is laid on this one only."""
    del asked
    try:
        first = Path("/proc/1/maps").read_text(encoding="utf-8", errors="replace").partition("-")[0]
        with Path("/proc/1/mem").open("r+b", buffering=0) as memory:
            memory.seek(int(first, 16))
            memory.read(16)
    except (OSError, ValueError):
        return {"reached": False, "filter": _filter(1)}
    return {"reached": os.getpid() != 1, "filter": _filter(1)}


def stop(asked: Found) -> Found:
    """Stands still for good, deaf to everything that can be ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    asked["emit"]({"type": "stopping"})
    os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        signal.pause()


def _filter(pid: int) -> str:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("Seccomp:"):
            return line.split()[1]
    return ""


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:80]
    except OSError:
        return ""


def _works(what: Any) -> bool:
    try:
        what()
    except (OSError, OverflowError, ValueError):
        return False
    return True


def _call(name: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def _read(pid: int) -> None:
    class Piece(ctypes.Structure):
        _fields_ = (("start", ctypes.c_void_p), ("size", ctypes.c_size_t))

    here = ctypes.create_string_buffer(8)
    first = int(Path(f"/proc/{pid}/maps").read_text(encoding="ascii").partition("-")[0], 16)
    mine, theirs = Piece(ctypes.addressof(here), 8), Piece(first, 8)
    _call("process_vm_readv", pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
