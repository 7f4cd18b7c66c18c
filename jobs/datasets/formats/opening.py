"""Which kind of archive a file is: told by its content, never by its name."""

from pathlib import Path

from jobs.datasets.formats.archives import Archive
from jobs.datasets.formats.rejected import Rejected
from jobs.datasets.formats.tars import TarArchive
from jobs.datasets.formats.zips import ZipArchive


def open_archive(path: Path) -> Archive:
    """The archive at `path`, told by its content. Raises `Rejected` for anything that is none we read."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise Rejected("empty_file", "The file is empty (0 bytes). Choose another, or upload it again.")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZipArchive(path)
    if head.startswith(b"\x1f\x8b") or head[257:262] == b"ustar":
        return TarArchive(path)
    raise Rejected("unknown_archive", _what_it_is(head))


def _what_it_is(head: bytes) -> str:
    signs = {
        b"7z\xbc\xaf": "a 7z archive",
        b"Rar!": "a RAR archive",
        b"BZh": "a file packed with bzip2",
        b"\xfd7zXZ": "a file packed with xz",
        b"\x28\xb5\x2f\xfd": "a file packed with Zstandard",
        b"\xff\xd8\xff": "a single JPEG picture",
        b"\x89PNG": "a single PNG picture",
        b"PAR1": "a Parquet table",
    }
    what = next((what for sign, what in signs.items() if head.startswith(sign)), "no archive we know")
    return f"The file is {what}. Put a folder of pictures for each class into one zip, tar or tar.gz."
