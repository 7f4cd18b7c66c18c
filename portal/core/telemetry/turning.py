"""Log files of bounded size: `x.log` becomes `x.log.1` when it is full, `x.log.1` becomes `x.log.2`, and so on.

Only renames: at whatever moment a process is killed, every line that was written is in one of the files, and who
still has the old file open goes on writing to it under its new name.
"""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple


class Size(NamedTuple):
    """How large a log may grow before it turns, and how many old ones are kept."""

    bytes: int = 20 * 1024**2
    kept: int = 5


USUAL = Size()


def turn(path: Path, *, kept: int) -> None:
    """Rename `path` to `path.1`, and those before it on; of them `kept` stay. What went away meanwhile is no error."""
    for number in range(kept, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        with contextlib.suppress(FileNotFoundError):
            newer.replace(older)


def turn_if_full(path: Path, size: Size) -> bool:
    """`turn` when the file is that large; whether it was."""
    try:
        full = path.stat().st_size >= size.bytes
    except FileNotFoundError:
        return False
    if full:
        turn(path, kept=size.kept)
    return full


def is_open_as(number: int, path: Path) -> bool:
    """Whether the open file of that number is the one which now stands at `path`."""
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except OSError:
        return False


def reopen(number: int, path: Path) -> None:
    """Have the open file of that number be `path`, at once and for every thread; made if need be."""
    fresh = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.dup2(fresh, number)
    finally:
        os.close(fresh)
