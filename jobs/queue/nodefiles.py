"""What jobs leave on a node's disk: attempts' folders, which go with the attempt, and caches, which stay while there
is room. Whatever a killed worker left is swept when the next one starts.
"""

import contextlib
import fcntl
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from jobs.datasets.models import Version
from jobs.runner.disk import size
from jobs.runner.leftovers import remove
from jobs.runner.limits import GIB, MIB
from portal.kit import identity
from portal.kit.errors import UserError

DISK_LOW_BYTES = 2 * GIB
BITSTREAMS = "bitstreams"
"""The shelf with the circuits of FPGA boards, as `python -m hardware.fpga.prepare` leaves them there."""

_used: Counter[str] = Counter()
_used_lock = threading.Lock()


def attempts_root() -> Path:
    return Path(settings.HOME) / "node" / "attempts"


def cache_root() -> Path:
    return Path(settings.HOME) / "node" / "cache"


def shelf(name: str) -> Path:
    """A folder that the node keeps for all jobs. Only whoever runs the node puts something there: what a job leaves is
    for its owner alone.
    """
    folder = Path(settings.HOME) / "node" / "shelf" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextlib.contextmanager
def only_worker() -> Iterator[str]:
    """Be the one worker on this home; yields who was it before (`identity.me`), where it is sure that it has ended,
    else nothing. UserError when another process is.

    So everything that lies in the node's folders, and every attempt that the one before claimed, is nobody's.
    """
    path = Path(settings.HOME) / "run" / "node.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sentence = _("Another worker runs on %(home)s. Give this one a home of its own (GRISTMILL_HOME).")
            raise UserError("node_running", sentence % {"home": settings.HOME}) from None
        before = _last_holder(file)
        file.truncate(0)
        file.write(f"{_place(file)} {identity.me()}")
        file.flush()
        yield before


def _last_holder(file: IO[str]) -> str:
    """Who wrote itself into this lock, which the kernel took from it when it ended. Of a copy of the file, or one that
    another boot left (which may be another computer's, of the same image), that says nothing.
    """
    file.seek(0)
    place, _, name = file.read().partition(" ")
    boot, ours = (each.partition(".")[0] for each in (name, identity.machine()))
    return name if place == _place(file) and boot == ours else ""


def _place(file: IO[str]) -> str:
    status = os.fstat(file.fileno())
    return f"{status.st_dev}:{status.st_ino}"


@contextlib.contextmanager
def cache(key: str) -> Iterator[Path]:
    """The folder kept under that key; it is not swept while in use."""
    folder = cache_root() / key
    with _used_lock:
        _used[key] += 1
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.utime(folder)  # when it was last of use
        yield folder
    finally:
        with _used_lock:
            _used[key] -= 1


def sweep_attempts(*, keep: set[str]) -> int:
    """Remove the folders of attempts that are over; how many."""
    over = [folder for folder in _folders(attempts_root()) if folder.name not in keep]
    for folder in over:
        remove(folder)
    return len(over)


def sweep_caches() -> int:
    """Remove the caches of versions that were deleted; then, while they take too much or the disk is nearly full,
    those longest out of use. How many.
    """
    kept = _folders(cache_root())
    known = set(Version.objects.filter(pk__in=[folder.name for folder in kept]).values_list("pk", flat=True))
    gone = sum(_remove_unused(folder) for folder in kept if folder.name not in known)
    kept = sorted((folder for folder in kept if folder.exists()), key=lambda folder: folder.stat().st_mtime)
    sizes = {folder: size(folder) for folder in kept}
    for folder in kept:
        if sum(sizes.values()) <= settings.NODE_CACHE_MB * MIB and disk_free() > DISK_LOW_BYTES:
            break
        if _remove_unused(folder):
            gone, sizes[folder] = gone + 1, 0
    return gone


def _remove_unused(folder: Path) -> bool:
    with _used_lock:
        if _used[folder.name]:
            return False
        remove(folder)
    return True


def _folders(root: Path) -> list[Path]:
    return [entry for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []


def disk_free() -> int:
    """Bytes free where the node's folders lie, which may be a mount of their own."""
    root = attempts_root()
    return shutil.disk_usage(root if root.is_dir() else settings.HOME).free
