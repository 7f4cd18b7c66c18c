"""Secrets that stand in the home folder, made on first use and readable by us alone."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings


def kept(name: str, make: Callable[[], bytes]) -> bytes:
    """The secret of that name in `GRISTMILL_HOME/secrets` (mode 0600). The first caller's `make()` decides
    what it is; of several processes that start at once, one wins and all read the same.
    """
    path = Path(settings.HOME) / "secrets" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent) as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # a process beside us was quicker
                os.link(file.name, path)
    return path.read_bytes()
