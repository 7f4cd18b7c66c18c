"""The file that an upload grows in: one writer at a time, hashed as it is written, its length the truth.

The writer holds the kernel's lock on the open file, so a killed process gives it up at once, without a
time-out.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Protocol, Self

from django.conf import settings

from portal.core import storage

SUFFIX = ".part"
READ_BYTES = 1024 * 1024
REMEMBERED = 256


class Digest(Protocol):
    """What we use of hashlib's objects."""

    def update(self, data: bytes | bytearray, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...
    def copy(self) -> "Digest": ...


class PartBusyError(Exception):
    """Another writer has the file open."""


class _Memory:
    """The running hashes of uploads that paused, so that the next PATCH need not read what is there already.

    Kept per upload as (writes, length, hash) and given out once, only to the very next writer at that length.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, int, Digest]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, upload: str, *, writes: int, length: int, digest: Digest) -> None:
        with self._lock:
            self._kept[upload] = (writes, length, digest)
            self._kept.move_to_end(upload)
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)

    def take(self, upload: str, *, writes: int, length: int) -> Digest | None:
        with self._lock:
            found = self._kept.pop(upload, None)
        return found[2] if found is not None and found[:2] == (writes, length) else None


_memory = _Memory()


def folder() -> Path:
    return Path(settings.HOME) / settings.UPLOADS_FOLDER


def path_of(upload: str) -> Path:
    return folder() / f"{upload}{SUFFIX}"


def length_of(upload: str) -> int:
    """Bytes received so far; 0 when there is no file."""
    try:
        return path_of(upload).stat().st_size
    except FileNotFoundError:
        return 0


def delete(upload: str) -> None:
    path_of(upload).unlink(missing_ok=True)


class Part:
    """An upload's file, opened by its one writer. Raises PartBusyError when there is one already.

    The methods may be called from any thread; each waits for the one before.
    """

    def __init__(self, upload: str) -> None:
        self.upload = upload
        self.path = path_of(upload)
        self._lock = threading.RLock()
        self._digest: Digest | None = None
        self._writes: int | None = None
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise PartBusyError(upload) from None
        self.length = os.fstat(self._file).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def remember_as(self, writes: int) -> None:
        """This is writer number `writes`: its running hash is kept for the next one."""
        self._writes = writes

    def write(self, data: bytes | bytearray) -> None:
        """Append; OSError when the disk is full, with `length` still what is on disk."""
        with self._lock:
            digest = self._hash()
            view = memoryview(data)
            while view:
                done = os.write(self._file, view)
                digest.update(view[:done])  # type: ignore[arg-type]  # any buffer will do
                self.length += done
                view = view[done:]

    def cut(self, length: int) -> None:
        """Forget everything behind the first `length` bytes."""
        with self._lock:
            if length < self.length:
                os.ftruncate(self._file, length)
                self.length, self._digest = length, None

    def sha256(self) -> str:
        """Of all there is, in hexadecimal."""
        with self._lock:
            return self._hash().hexdigest()

    def _hash(self) -> Digest:
        if self._digest is None and self._writes is not None:
            self._digest = _memory.take(self.upload, writes=self._writes - 1, length=self.length)
        if self._digest is None:
            self._digest, position = hashlib.sha256(), 0
            while piece := os.pread(self._file, READ_BYTES, position):
                self._digest.update(piece)
                position += len(piece)
        return self._digest

    def link(self) -> Path:
        """A second name for the finished, synced file (on another mount a copy), for the store; this one stays until
        `delete`.
        """
        with self._lock:
            os.fsync(self._file)
        second = storage.incoming() / f"upload-{self.upload}"
        second.unlink(missing_ok=True)
        try:
            os.link(self.path, second)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(self.path, second)
        return second

    def close(self) -> None:
        """Give up the lock; what was written stays."""
        with self._lock:
            if self._file < 0:
                return
            if self._digest is not None and self._writes is not None:
                _memory.put(self.upload, writes=self._writes, length=self.length, digest=self._digest)
            os.close(self._file)
            self._file = -1
