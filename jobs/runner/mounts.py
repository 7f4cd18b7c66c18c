"""Which folders of the host a program sees, and under which names.

A program is told inside names only (/job/out, /cache). Where no sandbox can be had the same names are
translated, so that callers write them once.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any


class OutsideError(Exception):
    """A sandboxed program named a file that isn't a plain file in one of its writable folders."""


@dataclass(frozen=True)
class Mounts:
    """Host path → absolute inside path. The host paths are resolved at once, so that later links change
    nothing.
    """

    read_only: Mapping[Path, str] = field(default_factory=dict)
    writable: Mapping[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("read_only", "writable"):
            resolved = {
                path.resolve(strict=True): _absolute(inside) for path, inside in getattr(self, name).items()
            }
            object.__setattr__(self, name, resolved)

    def pairs(self) -> list[tuple[Path, str, bool]]:
        """(host, inside, writable), outer folders before those inside them."""
        both = [(*pair, False) for pair in self.read_only.items()] + [
            (*pair, True) for pair in self.writable.items()
        ]
        return sorted(both, key=lambda mount: mount[1].count("/"))

    def translated(self, value: Any) -> Any:
        """JSON-like `value` with inside paths replaced by host paths: for a program that runs without a
        sandbox.
        """
        return translate(value, {inside: str(host) for host, inside, _ in self.pairs()})

    def outside(self, name: str) -> Path:
        """The host path of a plain file that the program wrote and named, either way; OutsideError for all
        else.

        No part below the mount may be a link, so that a hostile program can't make the portal read another
        file.
        """
        for host, inside, _ in reversed([mount for mount in self.pairs() if mount[2]]):
            for start in (inside, str(host)):
                if name.startswith(start.rstrip("/") + "/"):
                    return plain_file(host, name[len(start.rstrip("/")) + 1 :])
        raise OutsideError(f"{name!r} is in none of the writable folders")


def plain_file(folder: Path, name: str) -> Path:
    """`folder/name` where it is a regular file reached through no link and no '..'; else OutsideError."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\0" in name or ".." in parts:
        raise OutsideError(f"{name!r} is not a file name")
    path = folder
    for part in parts:
        path = path / part
        mode = _mode(path)
        if not (stat.S_ISREG(mode) if path == folder.joinpath(*parts) else stat.S_ISDIR(mode)):
            raise OutsideError(f"{name!r} is not a plain file")
    return path


@contextlib.contextmanager
def pinned(path: Path) -> Iterator[Path]:
    """Another path of the same plain file, which leads to it even when the program that wrote it, and still runs,
    changes what lies at `path` (as `Mounts.outside` gave it). OutsideError when it already has.
    """
    try:
        file = _opened(path)
    except OSError as error:
        raise OutsideError(f"{path.name!r} is no longer there") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OutsideError(f"{path.name!r} is not a plain file")
        yield Path(f"/proc/self/fd/{file}")
    finally:
        os.close(file)


def _opened(path: Path) -> int:
    """A descriptor of what lies there, reached through no link, and not waiting should it be a pipe."""
    folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in path.parts[1:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def translate(value: Any, names: Mapping[str, str]) -> Any:
    """Replaces strings that are, or lie below, a key of `names`; longest key first, in lists and dicts."""
    if isinstance(value, dict):
        return {key: translate(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [translate(item, names) for item in value]
    if isinstance(value, str):
        return _translated(value, names)
    return value


def _translated(text: str, names: Mapping[str, str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        if text == name or text.startswith(name.rstrip("/") + "/"):
            return names[name] + text[len(name) :]
    return text


def _absolute(inside: str) -> str:
    if not inside.startswith("/") or os.path.normpath(inside) != inside or inside == "/":
        raise ValueError(f"{inside!r} is not an absolute inside path")
    return inside


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError as error:
        raise OutsideError(f"{path.name!r} is not there") from error
