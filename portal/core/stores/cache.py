"""What a machine keeps of a distant store, so that sandboxes can be given files, and nothing is fetched twice.

A file is here only whole, and checked against its name. Whoever uses one holds the kernel's shared lock on it, which
goes when the process does; what is unused for longest is let go, never what is held.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from portal.core.stores.trouble import DamagedError

READ_BYTES = 1024 * 1024
Pieces = Callable[[int], Iterator[bytes]]


class Cache:
    """The files `ab/abcd…` below `root`, of `limit` bytes together unless more are in use at once."""

    def __init__(self, root: Path, *, incoming: Path, limit: int) -> None:
        self.root, self.incoming, self.limit = root, incoming, limit

    def path(self, sha256: str) -> Path:
        """Where the file is if it is here."""
        return self.root / sha256[:2] / sha256

    def hold(self, sha256: str) -> BinaryIO | None:
        """The file, opened, if it is here. It stays for as long as it is open."""
        path = self.path(sha256)
        while True:
            try:
                file = path.open("rb")
            except FileNotFoundError:
                return None
            fcntl.flock(file, fcntl.LOCK_SH)
            if _is_at(file, path):
                os.utime(path)  # when it was last of use
                return file
            file.close()

    def fetch(self, sha256: str, size: int, pieces: Pieces) -> BinaryIO:
        """The file, opened and held, fetched first if it is not here. `pieces(start)` gives its bytes from there on.

        What an earlier try got is gone on from. Of several who want it one fetches. DamagedError when what came is not
        what the name says.
        """
        while True:
            held = self.hold(sha256) or self._fetch(sha256, size, pieces)
            if held is not None:
                return held

    def _fetch(self, sha256: str, size: int, pieces: Pieces) -> BinaryIO | None:
        """None when another fetched it meanwhile."""
        self.shrink(room=size)
        part = self.incoming / f"fetch-{sha256}"
        file = open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")  # noqa: SIM115, PTH123
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file, part):
                file.close()
                return None
            _fill(file, sha256, size, pieces)
            return self._placed(file, part, sha256)
        except BaseException:
            file.close()
            raise

    def _placed(self, file: BinaryIO, part: Path, sha256: str) -> BinaryIO | None:
        path = self.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.chmod(0o444)
        part.replace(path)
        fcntl.flock(file, fcntl.LOCK_SH)
        if _is_at(file, path):
            file.seek(0)
            return file
        file.close()
        return None

    def keep(self, source: Path, sha256: str, size: int) -> None:
        """Take in a file that is known to be right, by renaming; one on another mount is deleted."""
        self.shrink(room=size)
        path = self.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        source.chmod(0o444)
        try:
            source.replace(path)
        except OSError:
            source.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """What is here."""
        return [path.name for path in self.root.glob("??/*")]

    def shrink(self, *, room: int = 0) -> int:
        """Let go of what was unused for longest until `room` more bytes fit in the limit; how many files."""
        kept = sorted(self._found())
        total, gone = sum(size for _at, size, _path in kept), 0
        for _at, size, path in kept:
            if total + room <= self.limit:
                break
            if self.drop(path.name):
                total, gone = total - size, gone + 1
        return gone

    def _found(self) -> Iterator[tuple[float, int, Path]]:
        for path in self.root.glob("??/*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                yield status.st_mtime, status.st_size, path

    def drop(self, sha256: str) -> bool:
        """Delete the file unless somebody holds it; whether it is gone."""
        path = self.path(sha256)
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(file, path):
                    path.unlink()
        except BlockingIOError:
            return False
        except FileNotFoundError:
            pass
        return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the open file is still the one at that path: it may have been renamed or deleted while we waited."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _fill(file: BinaryIO, sha256: str, size: int, pieces: Pieces) -> None:
    """Complete the file from what is in it; from nothing if that does not come out right. DamagedError at last."""
    for _try in range(2):
        began_at = file.seek(0, os.SEEK_END)
        if began_at <= size and _completed(file, pieces) == sha256:
            file.flush()
            os.fsync(file.fileno())
            return
        file.truncate(0)
        if began_at == 0:
            break
    raise DamagedError(sha256)


def _completed(file: BinaryIO, pieces: Pieces) -> str:
    """The SHA-256 of all, once the rest has come."""
    digest, at = hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(READ_BYTES):
        digest.update(piece)
        at += len(piece)
    for piece in pieces(at):
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest()
