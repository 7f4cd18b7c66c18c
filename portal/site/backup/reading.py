"""Reading a backup: every part against its hash, and laid out in a folder if one is given. Nothing else is touched."""

import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from portal.kit.errors import UserError
from portal.site.backup import contents
from portal.site.backup.contents import CHUNK, Head, Manifest, Names

SMALL = 64 * 1024 * 1024  # bytes of a manifest, at most
STORE = "database/core_blob.jsonl.gz"


@dataclass
class Backup:
    """What an archive was found to hold, whole and right."""

    head: Head
    manifest: Manifest


@dataclass
class _Seen:
    """What came by so far."""

    head: Head | None = None
    manifest: Manifest | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    blobs: int = 0
    wrong: list[str] = field(default_factory=list)


def read(source: IO[bytes], into: Path | None = None, *, accept: Any = lambda _head: None) -> Backup:
    """Read an archive to its end. `accept` is given the head before the rest and may raise.

    UserError `not_a_backup` or `damaged_backup`, in words. What was laid out in `into` is then not to be used.
    """
    seen = _Seen()
    try:
        with tarfile.open(fileobj=source, mode="r|", bufsize=CHUNK) as tar:
            for member in tar:
                _take(seen, tar, member, into, accept)
                tar.members.clear()  # type: ignore[attr-defined] # else it remembers each
    except (tarfile.TarError, EOFError, json.JSONDecodeError, TypeError, KeyError) as error:
        if seen.head is None:
            raise UserError("not_a_backup", "This is not a backup of a Gristmill.") from error
        raise _damaged("it ends too soon, or can't be read") from error
    return _judge(seen)


def _take(seen: _Seen, tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path | None, accept: Any) -> None:
    """One part of the archive. What comes first is the head."""
    content = tar.extractfile(member) if member.isreg() else None
    if content is None or (seen.head is None and member.name != contents.HEAD):
        raise UserError("not_a_backup", "This is not a backup of a Gristmill.")
    if member.name in {contents.HEAD, contents.MANIFEST}:
        text = content.read(SMALL)
        seen.hashes[member.name] = hashlib.sha256(text).hexdigest()
        _describe(seen, member.name, json.loads(text), accept)
        return
    if not any(kind.fullmatch(member.name) for kind in (contents.TABLE, contents.BLOB, contents.SECRET)):
        raise _damaged(f"it holds something that no backup has: {member.name!r}")
    digest = _copy(content, None if into is None else into / member.name)
    if blob := contents.BLOB.fullmatch(member.name):
        _note_blob(seen, blob.group(1), digest)
    else:
        seen.hashes[member.name] = digest


def _describe(seen: _Seen, name: str, value: Any, accept: Any) -> None:
    if name == contents.MANIFEST:
        seen.manifest = Manifest.from_json(value)
        return
    if value["format"] > contents.FORMAT:
        raise UserError(
            "newer_backup", "A newer Gristmill made this backup. Update the code, then restore it."
        )
    seen.head = Head.from_json(value)
    accept(seen.head)


def _note_blob(seen: _Seen, sha256: str, digest: str) -> None:
    if digest != sha256:
        seen.wrong.append(sha256)
        return
    seen.blobs += 1
    seen.names.add(sha256)


def _copy(content: IO[bytes], target: Path | None) -> str:
    """The SHA-256 of a part, which is laid out if it has a place."""
    digest = hashlib.sha256()
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (target or Path("/dev/null")).open("wb") as file:
        while piece := content.read(CHUNK):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _judge(seen: _Seen) -> Backup:
    if seen.head is None or seen.manifest is None:
        raise _damaged("its end is missing")
    hashes = {name: digest for name, digest in seen.hashes.items() if name != contents.MANIFEST}
    for name in sorted(hashes.keys() | seen.manifest.parts.keys()):
        if hashes.get(name) != seen.manifest.parts.get(name):
            raise _damaged(f"{name} is not what was written")
    if wrong := set(seen.wrong) - set(seen.manifest.damaged):
        raise _damaged(f"{contents.blob_name(min(wrong))} is not what was written")
    inside = 0 if seen.manifest.beside else seen.manifest.blobs
    if seen.blobs != inside or (inside and seen.names.hexdigest() != seen.manifest.names):
        raise _damaged("some blobs are missing")
    return Backup(seen.head, seen.manifest)


def _damaged(how: str) -> UserError:
    return UserError("damaged_backup", f"This backup is damaged: {how}. Take another one.")


def blobs_of(folder: Path) -> Iterator[str]:
    """The blobs that a laid out backup's database refers to."""
    with gzip.open(folder / STORE, "rt", encoding="utf-8") as file:
        place = json.loads(next(file)).index("sha256")
        for line in file:
            yield json.loads(line)[place]
