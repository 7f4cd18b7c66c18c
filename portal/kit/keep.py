"""Secrets that stand in a file, made on first use and readable by us alone."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """What stands at `path` (mode 0600). The first caller's `make()` decides what it is; of several processes that
    start at once, one wins and all read the same.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent) as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # a process beside us was quicker
                os.link(file.name, path)
    return path.read_bytes()
