"""Leaving something behind: processes, and things in the output folder."""

import contextlib
import ctypes
import os
import signal
import socket
import stat
import time
from pathlib import Path
from typing import Any

Found = dict[str, Any]


def outlive(asked: Found) -> Found:
    """A daemon: forked twice, in a session of its own, deaf, bound to no parent's death, holding no descriptor."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        _become_deaf()
        os.write(writer, b"x")
        os.closerange(0, 256)
        os.open(os.devnull, os.O_RDWR)
        os.execv("/bin/sleep", ["/bin/sleep", asked["mark"]])  # noqa: S606 - that is the trick
    os.read(reader, 1)
    time.sleep(0.2)
    if asked.get("stay"):
        _become_deaf()
        asked["emit"]({"type": "staying"})
        os.closerange(3, 256)  # what would tell it that its supervisor is gone, too
        os.execv("/bin/sleep", ["/bin/sleep", asked["mark"]])  # noqa: S606 - that is the trick
    return {"left": True}


def litter(asked: Found) -> Found:
    """An output folder that no program should meet: links, pipes, sockets, devices, closed folders, odd names."""
    out = Path(asked["out"])
    (out / "link").symlink_to(asked["secret"])
    (out / "way").symlink_to(Path(asked["secret"]).parent)
    (out / "loop").symlink_to("loop")
    os.mkfifo(out / "pipe")
    socket.socket(socket.AF_UNIX).bind(str(out / "socket"))
    (out / "plain").write_text("mine", encoding="ascii")
    os.link(out / "plain", out / "again")
    (out / "\x1b[2Jclear").touch()
    Path(os.fsdecode(os.fsencode(out) + b"/\xff\xfe")).touch()
    (out / "closed" / "inner").mkdir(parents=True)
    (out / "closed" / "inner" / "file").touch()
    (out / "closed").chmod(0)
    suid = out / "suid"
    suid.touch()
    suid.chmod(0o6755)
    made = []
    for name, source in (("hard-secret", asked["secret"]), ("hard-input", asked["input"])):
        with contextlib.suppress(OSError):
            os.link(source, out / name)
            made.append(name)
    for name, mode in (("block", stat.S_IFBLK), ("char", stat.S_IFCHR)):
        with contextlib.suppress(OSError):
            os.mknod(out / name, mode | 0o666, os.makedev(1, 3))
            made.append(name)
    return {"made": made}


def nest(asked: Found) -> Found:
    """Folders in folders, deeper than a program that calls itself for each can follow."""
    os.chdir(asked["out"])
    for _ in range(asked["depth"]):
        Path("d" * 10).mkdir()
        os.chdir("d" * 10)
    Path("bottom").touch()
    return {}


def swap(asked: Found) -> Found:
    """A file that becomes a link to the secret, and back, as fast as it goes, in place and by its folder."""
    out = Path(asked["out"])
    (out / "real").mkdir()
    (out / "real" / "model").write_text("mine", encoding="ascii")
    (out / "fake").symlink_to(Path(asked["secret"]).parent)
    (out / "now").symlink_to("real")
    asked["emit"]({"type": "swapping"})
    until = time.monotonic() + asked["seconds"]
    while time.monotonic() < until:
        for name in ("real", "fake"):
            (out / name).rename(out / "sub")
            (out / "sub").rename(out / name)
    return {}


def poison(asked: Found) -> Found:
    """What the next job on the same version would believe."""
    Path(asked["cache"], "pixels").write_text(asked["text"], encoding="ascii")
    return {}


def believe(asked: Found) -> Found:
    path = Path(asked["cache"], "pixels")
    return {"read": path.read_text(encoding="ascii") if path.exists() else ""}


def _become_deaf() -> None:
    for number in set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG: none
