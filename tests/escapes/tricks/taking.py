"""Taking more than one's share. Every trick stops by itself where nothing stops it."""

import ctypes
import errno
import fcntl
import mmap
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

Found = dict[str, Any]
MIB = 1 << 20
MOST = 1200 * MIB  # where nothing else stops it


def fork_bomb(asked: Found) -> Found:
    """Processes that do nothing but be there, each a group of its own."""
    started, reason = 0, 0
    while started < asked["most"]:
        try:
            if os.fork() == 0:
                os.setsid()
                time.sleep(30)
                os._exit(0)
        except OSError as error:
            reason = error.errno
            break
        started += 1
    return {"started": started, "reason": reason}


def memory(asked: Found) -> Found:
    """`how` fast or slow, by anonymous pages, shared ones, a file without a name, or files in memory."""
    held: list[Any] = []
    piece = (64 if asked["how"] == "fast" else 16) * MIB
    for number in range(MOST // piece):
        try:
            held.append(_take(asked["how"], piece, number))
        except OSError as error:
            time.sleep(0.5)  # what is taken stays taken for a look from outside
            return {"refused": error.errno, "bytes": number * piece}
        time.sleep(0.05 if asked["how"] == "slow" else 0.0)
    time.sleep(1)
    return {"refused": 0, "bytes": MOST}


def _take(how: str, size: int, number: int) -> Any:
    if how in {"fast", "slow"}:
        return b"x" * size
    if how == "shared":
        shared = mmap.mmap(-1, size)
        shared.write(b"x" * size)
        return shared
    if how == "memfd":
        handle = os.memfd_create("hoard")
        os.write(handle, b"x" * size)
        return handle
    if how == "ipc":
        libc = ctypes.CDLL(None, use_errno=True)
        made = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
        if made < 0:
            raise OSError(ctypes.get_errno(), "shmget")
        return made
    folder = {"tmp": "/tmp", "shm": "/dev/shm"}[how]
    path = Path(folder, f"hoard-{os.getpid()}-{number}")
    path.write_bytes(b"x" * size)
    return path


def disk(asked: Found) -> Found:
    """`how`: one file, many, many empty ones, deleted but open, deleted but mapped, or in folders nested deep."""
    out = Path(asked["out"])
    held: list[Any] = []
    if asked["how"] == "hidden":
        os.chdir(out)
    try:
        for number in range(asked["rounds"]):
            held.append(_fill(asked["how"], out, number))
            time.sleep(0.01)
    except OSError as error:
        return {"refused": error.errno}
    time.sleep(3)
    return {"refused": 0, "held": len(held)}


def _fill(how: str, out: Path, number: int) -> Any:
    if how == "empty":
        for name in range(500):
            (out / f"{number}-{name}").touch()
        return None
    if how == "hidden":
        for _ in range(5):
            Path("n" * 200).mkdir()
            os.chdir("n" * 200)
        Path("grain").write_bytes(b"x" * MIB)
        return None
    with (out / ("one" if how == "one" else f"part-{number}")).open("ab") as file:
        file.write(b"x" * MIB)
        file.flush()
        if how in {"open", "mapped"}:
            Path(file.name).unlink()
        if how == "mapped":
            return mmap.mmap(os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDWR), MIB)
        return os.dup(file.fileno()) if how == "open" else None


def sparse(asked: Found) -> Found:
    """A file that claims a terabyte."""
    try:
        os.truncate(os.open(Path(asked["out"], "huge"), os.O_CREAT | os.O_RDWR), 1 << 40)
    except OSError as error:
        return {"refused": error.errno}
    return {"refused": 0}


def limits(asked: Found) -> Found:
    """Limits raised, priority gained, a core left."""
    raised = []
    for name in ("NOFILE", "CORE", "FSIZE", "NPROC", "RTPRIO", "MSGQUEUE"):
        kind = getattr(resource, f"RLIMIT_{name}")
        soft, hard = resource.getrlimit(kind)
        wanted = resource.RLIM_INFINITY if hard != resource.RLIM_INFINITY else None
        if wanted is not None and _works(
            lambda kind=kind, wanted=wanted: resource.setrlimit(kind, (wanted, wanted))
        ):
            raised.append(name)
        del soft
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    sooner = _works(lambda: os.setpriority(os.PRIO_PROCESS, 0, -10))
    realtime = _works(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10)))
    later_killed = _works(lambda: Path("/proc/self/oom_score_adj").write_text("-500", encoding="ascii"))
    del asked
    return {"raised": raised, "nice": nice, "sooner": sooner, "realtime": realtime, "later": later_killed}


def handles(asked: Found) -> Found:
    """As many pipes as there are, each as large as it may be, and filled."""
    made: list[int] = []
    reason = 0
    while len(made) < asked["most"]:
        try:
            made += os.pipe()
        except OSError as error:
            reason = error.errno
            break
        os.set_blocking(made[-1], False)
        for size in (1 << 20, 1 << 16):
            try:
                fcntl.fcntl(made[-1], fcntl.F_SETPIPE_SZ, size)
                break
            except OSError:
                continue
        try:
            os.write(made[-1], b"x" * (1 << 16))
        except OSError:
            continue
    return {"made": len(made), "reason": reason, "expected": errno.EMFILE}


def crash(asked: Found) -> Found:
    """Ends by a fault, in the output folder, with all the core that it may leave."""
    os.chdir(asked["out"])
    ctypes.string_at(0)
    return {}


def shout(asked: Found) -> Found:
    """More on every stream than anyone reads."""
    line = "\x1b[2J\x1b]0;owned\x07 " + "x" * 1000 + "\n"
    for _ in range(asked["lines"]):
        sys.stderr.write(line)
    return {"shouted": asked["lines"]}


def flood(asked: Found) -> Found:
    """Events without end, as `how` says."""
    emit = asked["emit"]
    for number in range(asked["most"]):
        emit({"type": "metric", "step": number, "values": {"loss": 1.0}, "padding": "x" * asked["padding"]})
    return {"sent": asked["most"]}


def forge(asked: Found) -> Found:
    """One line that is no event, straight into the pipe that carries them (a program's is its standard output)."""
    handle = next((number for number in range(3, 64) if _is_pipe(number)), 1)
    data = {
        "deep": b'{"type":"log","a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        "list": b"[1,2,3]",
        "word": b"drop table jobs",
        "digits": b'{"type":"progress","step":' + b"9" * 100_000 + b"}",
        "bytes": bytes(range(128, 255)),
        "endless": b'{"type":"log","text":"' + b"x" * (3 << 20),
    }[asked["how"]]
    data += b"\n"
    while data:
        data = data[os.write(handle, data) :]
    time.sleep(5)
    return {}


def _is_pipe(handle: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{handle}").startswith("pipe:")  # noqa: PTH115 - a descriptor's
    except OSError:
        return False


def _works(what: Any) -> bool:
    try:
        what()
    except (OSError, ValueError):
        return False
    return True
