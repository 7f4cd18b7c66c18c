"""Lets the sandbox's own user reach what the portal's user owns; nobody else on the machine gets anything."""

import os
import stat
from pathlib import Path


def read(path: Path, user: int, *, below: Path | None = None) -> None:
    """Gives the group `user` read access to a file or a whole folder, and passage to it from `below`
    (inclusive).
    """
    if below is not None:
        _passage(path, user, below)
    for entry in _all(path):
        _group(entry, user, stat.S_IRGRP | (stat.S_IXGRP if entry.is_dir() else 0))


def write(path: Path, user: int, *, below: Path | None = None) -> None:
    """Gives a folder and what is in it to `user`; a folder that already is theirs is left as it is."""
    if below is not None:
        _passage(path, user, below)
    if path.stat().st_uid == user:
        return
    for entry in _all(path):
        os.chown(entry, user, user, follow_symlinks=False)
    path.chmod(0o770)


def line(path: Path, user: int) -> None:
    """Gives the group `user` reading and writing of a device file."""
    _group(path, user, stat.S_IRGRP | stat.S_IWGRP)


def _passage(path: Path, user: int, below: Path) -> None:
    for folder in [path, *path.parents]:
        if folder.is_dir():
            _group(folder, user, stat.S_IXGRP)
        if folder == below:
            return


def _group(path: Path, user: int, bits: int) -> None:
    status = path.stat()
    others = bits >> 3
    if status.st_mode & others == others or status.st_uid == user:
        return
    if status.st_gid != user:
        os.chown(path, -1, user)
    path.chmod(stat.S_IMODE(status.st_mode) | bits)


def _all(path: Path) -> list[Path]:
    """The path and all below it, links left out: they would be followed."""
    below = path.rglob("*") if path.is_dir() else ()
    return [path, *(entry for entry in below if not entry.is_symlink())]
