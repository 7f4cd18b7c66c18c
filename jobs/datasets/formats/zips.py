"""Zip archives, read in place."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from jobs.datasets.formats import limits
from jobs.datasets.formats.archives import Member, check_count, checked
from jobs.datasets.formats.names import member_path, repaired, shown
from jobs.datasets.formats.rejected import Rejected

READABLE: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Not LZMA, of which twenty bytes can ask for gigabytes of dictionary; not bzip2, which `zipfile` unpacks without
a bound whatever size is declared."""
ENCRYPTED: Final = 0x1
UTF8: Final = 0x800
END: Final = struct.Struct("<4s4H2LH")
END_MARK: Final = b"PK\x05\x06"
END64: Final = struct.Struct("<4sQ2H2L4Q")
END64_MARK: Final = b"PK\x06\x06"
LOCATOR_BYTES: Final = 20
"""Between a zip64 end and the old one."""
LARGEST_END: Final = END.size + 0xFFFF + LOCATOR_BYTES + END64.size
LOCAL_HEADER_BYTES: Final = 30


class ZipArchive:
    """See `archives.Archive`."""

    container = "zip"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = path.stat().st_size
        self._infos: dict[str, zipfile.ZipInfo] = {}
        _check_directory(path, self._size)
        try:
            self._zip = zipfile.ZipFile(path)
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            NotImplementedError,
            LookupError,
            struct.error,
        ) as error:
            raise _damaged() from error

    def members(self) -> list[Member]:
        self._infos = {}
        found = checked(self._walk(), self._size)
        _check_apart(self._zip.infolist())
        return found

    def _walk(self) -> Iterator[Member]:
        for info in self._zip.infolist():
            name = member_path(_name(info))
            _check_kind(info, name)
            if name and not info.is_dir():
                self._infos.setdefault(name, info)
                yield Member(name, info.file_size)

    def contents(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes | None]]:
        if not self._infos:
            self.members()
        for name, info in self._infos.items():
            if name in wanted:
                yield name, self._read(info)

    def _read(self, info: zipfile.ZipInfo) -> bytes | None:
        try:
            with self._zip.open(info) as file:
                data = file.read(info.file_size)
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            ValueError,
            NotImplementedError,
            struct.error,
        ):
            return None
        return data if len(data) == info.file_size else None


def _name(info: zipfile.ZipInfo) -> str:
    return info.filename if info.flag_bits & UTF8 else repaired(info.filename, "cp437")


def _check_kind(info: zipfile.ZipInfo, name: str) -> None:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Rejected(
            "link_in_archive",
            f"The archive holds {shown(name)}, which is a link and no file of its own. "
            "Pack the pictures themselves instead of links to them.",
        )
    if info.flag_bits & ENCRYPTED:
        raise Rejected(
            "encrypted_archive", "The archive is protected by a password. Pack it again without one."
        )
    if info.compress_type not in READABLE:
        raise Rejected(
            "unknown_compression",
            f"The archive holds {shown(name)}, packed by a method we do not read. Make an ordinary zip.",
        )


def _check_apart(infos: list[zipfile.ZipInfo]) -> None:
    """Files that share their bytes unpack to far more than the archive holds, however few of them are read."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < 0:
            raise _damaged()
        if info.header_offset < end:
            raise Rejected(
                "archive_bomb",
                f"The archive holds {shown(_name(info))}, whose bytes are also those of another file. "
                "Make the zip again with an ordinary tool.",
            )
        end = info.header_offset + LOCAL_HEADER_BYTES + info.compress_size


def _damaged() -> Rejected:
    return Rejected("damaged_archive", "The zip is damaged or incomplete. Make it again and upload it again.")


def _check_directory(path: Path, size: int) -> None:
    """Bounds the table of contents before `zipfile` reads it whole into memory."""
    with path.open("rb") as file:
        file.seek(max(0, size - LARGEST_END))
        tail = file.read()
    at = tail.rfind(END_MARK)
    if at < 0 or len(tail) - at < END.size:
        raise _damaged()
    _, _, _, _, count, directory, _, _ = END.unpack_from(tail, at)
    at64 = at - LOCATOR_BYTES - END64.size  # where `zipfile` looks
    if at64 >= 0 and tail.startswith(END64_MARK, at64):
        fields = END64.unpack_from(tail, at64)
        count, directory = max(count, fields[7]), max(directory % 0xFFFFFFFF, fields[8])
    check_count(count)
    if directory > limits.MAX_CENTRAL_DIRECTORY_BYTES:
        check_count(limits.MAX_MEMBERS + 1)
