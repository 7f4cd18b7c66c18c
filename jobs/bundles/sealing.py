"""From the folder that a build left in its sandbox to the signed zip that a member takes home. Pure: no
database.

The folder is not trusted. Nothing in it is followed or executed; what is signed is exactly what its manifest
lists, each file hashed while it is copied into the zip.
"""

import base64
import hashlib
import json
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.bundles.signing import sign
from portal.kit.errors import UserError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
EXECUTABLE = frozenset({"run.py"})

MAX_FILES = 500
MAX_BYTES = 1024**3
MAX_MANIFEST_BYTES = 4 * 1024**2
PIECE = 1024**2
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time a zip can hold: equal content makes an equal zip
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,149}")


class ListedFile(BaseModel):
    """What the manifest says of one file."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0, le=MAX_BYTES)


class Manifest(BaseModel):
    """The part of a manifest that sealing relies on: every file of the bundle beside it, by name."""

    model_config = ConfigDict(extra="ignore")

    files: dict[str, ListedFile] = Field(min_length=1, max_length=MAX_FILES)


class SealError(UserError):
    """The folder is not what its manifest says, or holds what no bundle may."""

    def __init__(self, what: str) -> None:
        super().__init__("bad_bundle", f"The bundle was not signed: {what}.")


def seal(
    folder: Path,
    key: Ed25519PrivateKey,
    out_zip: Path,
    top: str,
    *,
    told: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Check every file of `folder` against its manifest, sign that, and write it all into `out_zip` under
    `top/`. What is `told` are entries that the manifest must have just so.

    `manifest.sig` holds the 64 bytes of the signature over the manifest's bytes; it is returned in base64.
    Raises SealError for anything but plain files with plain names that match the manifest one to one;
    `out_zip` is then of no use.
    """
    if not NAME.fullmatch(top):
        raise ValueError(f"not the name of one folder: {top!r}")
    sources = _plain_files(folder)
    content = _read_manifest(sources.pop(MANIFEST, None))
    listed = _listed(content)
    _check_told(json.loads(content), told)
    if SIGNATURE in sources:
        raise SealError(f"it holds a {SIGNATURE} already, which is for the portal to write")
    if set(listed) != set(sources):
        raise SealError(f"its files are not those of its manifest ({_difference(set(listed), set(sources))})")
    signature = sign(key, content)
    with zipfile.ZipFile(out_zip, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry(top, MANIFEST), content)
        archive.writestr(_entry(top, SIGNATURE), signature)
        for name in sorted(listed):
            _copy(archive, _entry(top, name), sources[name], listed[name])
    return base64.b64encode(signature).decode("ascii")


def signature_in(archive: Path) -> str:
    """The signature (base64) in a zip that `seal` wrote."""
    with zipfile.ZipFile(archive) as bundle:
        name = next(name for name in bundle.namelist() if name.endswith(f"/{SIGNATURE}"))
        return base64.b64encode(bundle.read(name)).decode("ascii")


def _plain_files(folder: Path) -> dict[str, Path]:
    """The files in `folder` by name; SealError for links, folders, devices, odd names, too many or too large
    ones.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise SealError("the build left none")
    files: dict[str, Path] = {}
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if not NAME.fullmatch(entry.name):
                raise SealError(f"a file in it has the name {entry.name[:60]!a}")
            if not entry.is_file(follow_symlinks=False):
                raise SealError(f"{entry.name} is not a plain file")
            files[entry.name] = Path(entry.path)
            total += entry.stat(follow_symlinks=False).st_size
            if len(files) > MAX_FILES or total > MAX_BYTES:
                raise SealError(f"it holds more than {MAX_FILES} files or {MAX_BYTES // 1024**2} MiB")
    return files


def _open(path: Path) -> BinaryIO:
    """Open a plain file for reading; a link put there since it was listed is not followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise SealError(f"{path.name} is not a plain file")
    return file


def _read_manifest(path: Path | None) -> bytes:
    if path is None:
        raise SealError(f"it has no {MANIFEST}")
    with _open(path) as file:
        content = file.read(MAX_MANIFEST_BYTES + 1)
    if len(content) > MAX_MANIFEST_BYTES:
        raise SealError("its manifest is too large")
    return content


def _listed(content: bytes) -> Mapping[str, ListedFile]:
    try:
        return Manifest.model_validate(json.loads(content)).files
    except (ValidationError, ValueError, RecursionError) as error:
        raise SealError("its manifest can't be read") from error


def _check_told(manifest: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """SealError when the manifest says nothing, or something else, about what the portal knows better."""
    for name, value in told.items():
        if name not in manifest:
            raise SealError(f"its manifest says nothing of {name!r}")
        if manifest[name] != value:
            raise SealError(f"its manifest says something else of {name!r} than the portal knows")


def _difference(listed: set[str], found: set[str]) -> str:
    odd = sorted(listed ^ found)
    return ", ".join(f"{name[:60]!a}" for name in odd[:5])


def _entry(top: str, name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"{top}/{name}", EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, so that the permissions below count
    entry.external_attr = (stat.S_IFREG | (0o755 if name in EXECUTABLE else 0o644)) << 16
    return entry


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, source: Path, listed: ListedFile) -> None:
    """Copy one file into the zip, hashing what is written; SealError when that is not what the manifest
    lists.
    """
    digest, size = hashlib.sha256(), 0
    with _open(source) as file, archive.open(entry, "w") as out:
        while piece := file.read(min(PIECE, listed.bytes + 1 - size)):
            digest.update(piece)
            size += len(piece)
            out.write(piece)
    if size != listed.bytes or digest.hexdigest() != listed.sha256:
        raise SealError(f"{source.name} is not what its manifest says")
