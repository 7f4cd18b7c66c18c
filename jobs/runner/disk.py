"""What a running program adds to its folders, looked at from outside; deleted files that it keeps open included."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_UNSEEN = frozenset({errno.ENAMETOOLONG, errno.EACCES, errno.EPERM})
_GONE = " (deleted)\n"
_BLOCK = 512  # bytes; the unit of st_blocks on every file system


class HiddenError(Exception):
    """A folder that can't be looked into: nested deeper than a path can be long, or closed to us."""


class DiskWatch:
    """Growth of folders, in bytes on disk and number of entries, since the watch began."""

    def __init__(self, folders: Iterable[Path], *, files: int) -> None:
        self._folders = list(folders)
        self._devices = {folder.stat().st_dev for folder in self._folders}
        self._most = files
        self._bytes = self._entries = 0
        with contextlib.suppress(HiddenError):  # left there before: then the first look tells
            self._bytes, self._entries = self._usage(None)

    def grown(self, pids: Sequence[int]) -> tuple[int, int]:
        """(bytes, entries) more than at the start, with what `pids` keep open of deleted files. Stops counting once
        the entries pass the limit. HiddenError when not all of it can be seen.
        """
        used, entries = self._usage(self._entries + self._most)
        used += sum(size for (device, _), size in deleted(pids).items() if device in self._devices)
        return used - self._bytes, entries - self._entries

    def free(self) -> int:
        """Bytes free where there is least."""
        found = [os.statvfs(folder) for folder in self._folders]
        return min((status.f_bavail * status.f_frsize for status in found), default=0)

    def _usage(self, most: int | None) -> tuple[int, int]:
        used = entries = 0
        seen: set[int] = set()  # files with several names count once
        waiting = [str(folder) for folder in self._folders]
        while waiting and (most is None or entries <= most):
            for status, folder in _entries(waiting.pop()):
                entries += 1
                if status.st_ino not in seen:
                    used += status.st_blocks * _BLOCK
                if status.st_nlink > 1:
                    seen.add(status.st_ino)
                if folder is not None:
                    waiting.append(folder)
        return used, entries


def _entries(folder: str) -> Iterator[tuple[os.stat_result, str | None]]:
    """(status, path if a folder) of each entry; links are not followed, what vanishes meanwhile is skipped."""
    try:
        with os.scandir(folder) as found:
            for entry in found:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield status, entry.path if stat.S_ISDIR(status.st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        if error.errno in _UNSEEN:
            raise HiddenError(folder) from error
        raise


def size(folder: Path) -> int:
    """Bytes on disk of what can be seen in a folder; a file with several names counts with each."""
    used, waiting = 0, [str(folder)]
    while waiting:
        with contextlib.suppress(OSError, HiddenError):
            for status, below in _entries(waiting.pop()):
                used += status.st_blocks * _BLOCK
                waiting += [below] if below is not None else []
    return used


def deleted(pids: Sequence[int]) -> dict[tuple[int, int], int]:
    """Bytes on disk by (device, inode) of the files without a name that these processes keep open or mapped."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        found |= dict(_open(pid))
    for pid in pids:
        for key, size in _mapped(pid):
            found.setdefault(key, size)
    return found


def _open(pid: int) -> Iterator[tuple[tuple[int, int], int]]:
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat()
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    yield (status.st_dev, status.st_ino), status.st_blocks * _BLOCK


def _mapped(pid: int) -> Iterator[tuple[tuple[int, int], int]]:
    """As large as the mapping reaches into the file: the file itself can't be asked."""
    with (
        contextlib.suppress(OSError),
        Path(f"/proc/{pid}/maps").open(encoding="utf-8", errors="replace") as lines,
    ):
        for line in lines:
            if line.endswith(_GONE):
                span, _, offset, device, inode, _ = line.split(maxsplit=5)
                start, end = (int(number, 16) for number in span.split("-"))
                major, minor = (int(number, 16) for number in device.split(":"))
                yield (os.makedev(major, minor), int(inode)), int(offset, 16) + end - start
