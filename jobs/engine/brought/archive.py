"""Zips that members bring: their table of contents is checked, and only what a model needs is unpacked, by count."""

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from jobs.engine.brought.refused import NotTakenError, quoted

MIB = 1024**2
MAX_ENTRIES = 5_000
MAX_UNPACKED_BYTES = 2 * 1024 * MIB
MAX_RATIO = 100
"""Bytes unpacked per byte packed, beyond `FREE_BYTES`: weights are noise, which packs badly."""
FREE_BYTES = 64 * MIB
MAX_PATH_CHARACTERS = 400
_ENCRYPTED = 0x1
_DAMAGED = "The zip is damaged or cut off. Upload the file again, or pack it anew."


def entries_of(path: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip. NotTakenError for one that is damaged, hostile, or a bomb."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (
        zipfile.BadZipFile,
        ValueError,
        OSError,
        NotImplementedError,
        EOFError,
        UnicodeDecodeError,
    ) as error:
        raise NotTakenError(_DAMAGED) from error
    if len(entries) > MAX_ENTRIES:
        raise NotTakenError(f"The zip holds {len(entries):,} files; a model has at most {MAX_ENTRIES:,}.")
    for entry in entries:
        _check_entry(entry)
    _check_sizes(entries, path.stat().st_size)
    return [entry for entry in entries if not entry.is_dir()]


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name, place = entry.filename, PurePosixPath(entry.filename)
    outside = (
        place.is_absolute()
        or ".." in place.parts
        or "\\" in name
        or ":" in name
        or "\0" in entry.orig_filename
    )
    if outside or len(name) > MAX_PATH_CHARACTERS:
        raise NotTakenError(
            f"The zip has a file that leads out of its folder, {quoted(name)}: pack the folder anew."
        )
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise NotTakenError(f"The zip has a link in it, {quoted(name)}: pack the files themselves.")
    if entry.flag_bits & _ENCRYPTED:
        raise NotTakenError("The zip is locked with a password. Pack it anew without one.")


def _check_sizes(entries: list[zipfile.ZipInfo], packed: int) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES:
        raise NotTakenError(
            f"Unpacked, the file would take {unpacked // MIB:,} MB; models of at most {MAX_UNPACKED_BYTES // MIB:,} MB "
            "are taken. No board here runs a larger one."
        )
    if unpacked > FREE_BYTES + MAX_RATIO * packed:
        raise NotTakenError(
            f"The file unpacks to {unpacked // max(packed, 1):,} times its size, as no model does, so it is not opened."
        )


def unpack(path: Path, folder: Path, wanted: Callable[[PurePosixPath], PurePosixPath | None]) -> None:
    """Write the files for which `wanted` tells a place below `folder`. NotTakenError when one cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in entries_of(path):
                place = wanted(PurePosixPath(entry.filename))
                if place is not None:
                    target = folder / place
                    target.parent.mkdir(parents=True, exist_ok=True)
                    # zipfile reads no more than the size that was declared, and that was counted.
                    with archive.open(entry) as source, target.open("wb") as out:
                        shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        raise NotTakenError(_DAMAGED) from error
    except OSError as error:
        if error.errno is None:  # zlib's and bz2's are without
            raise NotTakenError(_DAMAGED) from error
        raise


def check_whole(path: Path) -> None:
    """NotTakenError when a file in the zip does not read back as it was packed."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except Exception as error:
        raise NotTakenError(_DAMAGED) from error
    if bad is not None:
        raise NotTakenError(_DAMAGED)
