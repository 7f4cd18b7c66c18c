"""Signs of life for health checks on the same machine: a file a process, written whenever its loop has turned.

What stands in it is the machine's monotonic clock, which no change of the time touches and all containers share.
"""

import contextlib
import socket
import time
from pathlib import Path

from django.conf import settings


def beat(role: str) -> None:
    """This process's loop has turned. A disk that is full keeps nobody from work."""
    path = _path(role)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = path.with_suffix(".new")
        aside.write_text(str(time.monotonic()), encoding="ascii")
        aside.replace(path)


def age(role: str) -> float | None:
    """Seconds since the last beat; None when there was none since this machine started."""
    try:
        since = time.monotonic() - float(_path(role).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return since if since >= 0 else None


def _path(role: str) -> Path:
    return Path(settings.HOME) / "run" / f"{role}@{socket.gethostname()}.beat"
