"""Tar archives, plain or gzipped, read as one stream from front to end."""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, Final

from jobs.datasets.formats import limits
from jobs.datasets.formats.archives import Member, check_count, check_total, checked
from jobs.datasets.formats.names import member_path, repaired, shown
from jobs.datasets.formats.rejected import Rejected

STREAM_ERRORS: Final = (
    tarfile.TarError,
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    LookupError,
    OverflowError,
)
BLOCK_BYTES: Final = 64 * 512
DIGITS: Final = re.compile(rb"[0-9]{100}")
"""No number in an honest header. On a long run of digits, tarfile's own search takes time by its square."""


class Meter(io.RawIOBase):
    """Counts what comes out of the file, and stops at `ceiling` bytes or when it is a bomb."""

    def __init__(self, raw: IO[bytes], uploaded_bytes: int) -> None:
        super().__init__()
        self.raw = raw
        self.uploaded_bytes = uploaded_bytes
        self.count = 0
        self.ceiling = limits.MAX_TAR_HEADER_BYTES

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self.count > self.ceiling + BLOCK_BYTES:
            raise Rejected(
                "damaged_archive",
                "The tar holds a header that is far too long. Make the archive again with an ordinary tool.",
            )
        data = self.raw.read(size)
        self.count += len(data)
        check_total(self.count, self.uploaded_bytes)
        return data

    def drain(self) -> None:
        """Reads on to the end of the file, where a gzip keeps the sum of all that was in it."""
        self.ceiling = limits.MAX_UNPACKED_BYTES
        while self.read(BLOCK_BYTES):
            pass


class _Again:
    """Gives tarfile what was read already, once; after that, it has its own stream back."""

    def __init__(self, tar: tarfile.TarFile, stream: Any, body: bytes) -> None:
        self._tar, self._stream, self._body = tar, stream, body

    def read(self, _size: int) -> bytes:
        self._tar.fileobj = self._stream
        return self._body


class _Header(tarfile.TarInfo):
    """A header that must be whole: tarfile takes a broken one in the middle for the end of the archive."""

    def _proc_pax(self, tar: tarfile.TarFile) -> Any:
        """Looks at the header's body before tarfile does."""
        stream = tar.fileobj
        body = stream.read(self._block(self.size))  # type: ignore[attr-defined]
        if DIGITS.search(body):
            raise tarfile.ReadError("a number of more than a hundred digits")
        tar.fileobj = _Again(tar, stream, body)  # type: ignore[assignment]
        return super()._proc_pax(tar)  # type: ignore[misc]

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf) or not buf:
                raise tarfile.ReadError(str(error)) from error
            raise  # a block of zeros ends the archive


class TarArchive:
    """See `archives.Archive`."""

    container = "tar"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = path.stat().st_size

    def members(self) -> list[Member]:
        return checked((Member(name, info.size) for name, info, _ in self._walk()), self._size)

    def contents(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes | None]]:
        left = set(wanted)
        for name, info, tar in self._walk():
            if name in left:
                left.discard(name)
                yield name, self._read(tar, info)
            if not left:
                return

    def _read(self, tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes | None:
        try:
            file = tar.extractfile(info)
            return file.read() if file else None
        except STREAM_ERRORS as error:
            raise _damaged() from error

    def _walk(self) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
        with self.path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            raw: IO[bytes] = gzip.GzipFile(fileobj=file) if zipped else file  # type: ignore[assignment]
            try:
                yield from self._stream(Meter(raw, self._size))
            except STREAM_ERRORS as error:
                raise _damaged() from error

    def _stream(self, meter: Meter) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
        with tarfile.open(
            fileobj=meter, mode="r|", tarinfo=_Header, encoding="utf-8", errors="surrogateescape"
        ) as tar:
            count = 0
            while (info := tar.next()) is not None:
                count += 1
                check_count(count)
                tar.members = []  # type: ignore[attr-defined]  # tarfile keeps every header otherwise
                name = member_path(repaired(info.name, "utf-8"))
                meter.ceiling = tar.offset + limits.MAX_TAR_HEADER_BYTES
                check_total(tar.offset, self._size)
                if _is_file(info, name):
                    yield name, info, tar
        meter.drain()


def _damaged() -> Rejected:
    return Rejected("damaged_archive", "The tar is damaged or incomplete. Make it again and upload it again.")


def _is_file(info: tarfile.TarInfo, name: str) -> bool:
    if info.isdir():
        return False
    if info.isreg() and not info.issparse():
        return bool(name)
    raise Rejected(
        "link_in_archive",
        f"The archive holds {shown(name)}, which is a link, a device or a sparse file. "
        "Pack the pictures themselves, as plain files.",
    )
