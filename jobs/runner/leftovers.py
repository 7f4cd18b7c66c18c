"""Removes what a job left behind, however deep it nested its folders and whatever it forbade.

Nothing here recurses, follows a link, or needs a path longer than a name: a hostile tree must not stop the node.
"""

import contextlib
import itertools
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def remove(path: Path) -> None:
    """Removes a file, a link or a whole folder. What can't be removed, or is gone already, is passed over.

    Only when nothing of a job's runs in it any more.
    """
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            path.chmod(0o700)
            _empty(path)
            path.rmdir()
        else:
            path.unlink()


def _empty(path: Path) -> None:
    """One folder after the other is emptied of files and its own folders are moved up to the top, to come next."""
    top = os.open(path, _FOLDER)
    names = (f".{secrets.token_hex(8)}-{number}" for number in itertools.count())
    stuck: set[str] = set()
    try:
        while entries := [name for name in os.listdir(top) if name not in stuck]:  # noqa: PTH208 - a descriptor, not a path
            stuck |= {name for name in entries if not _removed(name, top, names)}
    finally:
        os.close(top)


def _removed(name: str, top: int, names: Iterator[str]) -> bool:
    try:
        if not _is_folder(name, top):
            os.unlink(name, dir_fd=top)
            return True
        os.chmod(name, 0o700, dir_fd=top)
        folder = os.open(name, _FOLDER, dir_fd=top)
        try:
            for entry in os.listdir(folder):  # noqa: PTH208 - the same
                _lift(entry, folder, top, next(names))
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=top)
    except OSError:
        return False
    return True


def _lift(entry: str, folder: int, top: int, name: str) -> None:
    if _is_folder(entry, folder):
        os.chmod(entry, 0o700, dir_fd=folder)  # to move a folder, its '..' is written
        os.rename(entry, name, src_dir_fd=folder, dst_dir_fd=top)
    else:
        os.unlink(entry, dir_fd=folder)


def _is_folder(name: str, folder: int) -> bool:
    return stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode)
