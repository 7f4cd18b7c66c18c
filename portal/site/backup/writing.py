"""Making a backup while the portal works: one moment of the database, every blob it refers to, the secrets."""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from portal.core import storage
from portal.core.freeze import frozen
from portal.core.models import Blob
from portal.core.stores.trouble import DamagedError
from portal.kit.errors import UserError
from portal.site.backup import contents, rows
from portal.site.backup.contents import CHUNK, Head, Manifest, Names

STORE = "core_blob"


@dataclass(frozen=True)
class Wish:
    """`secrets`: take the keys too. `beside`: a folder for the blobs, which then holds those of many backups.
    `skip_damaged`: list what the store has lost, and go on.
    """

    secrets: bool = True
    beside: Path | None = None
    skip_damaged: bool = False


def write(out: IO[bytes], wish: Wish) -> Manifest:
    """Write a backup to `out`. UserError when there is something that a person has to see to first."""
    with frozen(), _scratch() as folder:
        head = _head()
        with rows.snapshot():
            _dump(folder, _applied())
        with tarfile.open(fileobj=out, mode="w|", bufsize=CHUNK) as tar:
            writer = _Writer(tar, Manifest(beside=wish.beside is not None))
            writer.part(contents.HEAD, json.dumps(head.as_json()).encode())
            for path in sorted((folder / "database").iterdir()):
                writer.file(f"database/{path.name}", path)
            _blobs(writer, folder / "blobs", wish)
            for path in _secrets() if wish.secrets else []:
                writer.file(f"secrets/{path.name}", path)
            writer.end()
    return writer.manifest


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder in the home for what is written before it is copied: a backup is never larger than its parts."""
    root = Path(settings.HOME) / "work"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=root, prefix="backup-") as name:
        yield Path(name)


def _applied() -> MigrationExecutor:
    """What the database's migrations are. UserError when the code has some that were not run."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise UserError("not_migrated", "The database is older than this code. Run manage.py migrate first.")
    return executor


def _head() -> Head:
    return Head(
        format=contents.FORMAT,
        code=contents.code_version(),
        made_at=datetime.now(tz=UTC).isoformat(),
        database=connection.vendor,
        migrations=sorted(_applied().loader.graph.leaf_nodes()),
    )


def _dump(folder: Path, executor: MigrationExecutor) -> None:
    """Every table into `folder/database`, and into `folder/blobs` a line for each blob: its name and size."""
    apps = executor.loader.project_state(executor.loader.graph.leaf_nodes()).apps
    (folder / "database").mkdir()
    used = Blob.objects.exclude(pk__in=storage.unreferenced().values("pk"))
    for model in rows.tables(apps):
        table = model._meta.db_table  # noqa: SLF001 - Django's documented introspection
        found = used if table == STORE else model._base_manager.all()  # noqa: SLF001
        rows.dump(found, folder / "database" / f"{table}.jsonl.gz")
    with (folder / "blobs").open("w", encoding="ascii") as file:
        for sha256, size in used.order_by("pk").values_list("pk", "bytes").iterator():
            file.write(f"{sha256} {size}\n")


def _secrets() -> list[Path]:
    folder = Path(settings.HOME) / "secrets"
    return sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []


def _blobs(writer: "_Writer", listed: Path, wish: Wish) -> None:
    names = Names()
    with listed.open(encoding="ascii") as lines:
        for line in lines:
            sha256, size = line.split()
            blob = Blob(sha256=sha256, bytes=int(size))
            if _put(writer, blob, wish.beside):
                names.add(sha256)
                writer.manifest.blobs += 1
                writer.manifest.blob_bytes += blob.bytes
            elif wish.skip_damaged:
                writer.manifest.damaged.append(sha256)
            else:
                raise UserError("damaged", _damaged(sha256))
    writer.manifest.names = names.hexdigest()


def _damaged(sha256: str) -> str:
    return (
        f"The store has lost {sha256}, or it was changed on the disk. Put it back from an older backup, "
        "or leave out what is lost: --skip-damaged."
    )


def _put(writer: "_Writer", blob: Blob, beside: Path | None) -> bool:
    """Copy one blob; whether it was whole. StoreAwayError when the store can't be asked."""
    try:
        source = storage.open_blob(blob)
    except (OSError, DamagedError):
        return False
    with source:
        if beside is not None:
            return keep_beside(beside, blob, source)
        return writer.stream(contents.blob_name(blob.sha256), blob.bytes, source) == blob.sha256


def keep_beside(folder: Path, blob: Blob, source: IO[bytes]) -> bool:
    """Copy a blob into a folder unless it is there already from an earlier backup; whether it was whole."""
    target = folder / blob.sha256[:2] / blob.sha256
    if target.exists() and target.stat().st_size == blob.bytes:
        return True
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".new-", delete=False) as file:
        aside = Path(file.name)
        digest = hashlib.sha256()
        while piece := source.read(CHUNK):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != blob.sha256:
        aside.unlink()
        return False
    aside.replace(target)
    return True


class _Writer:
    """The archive, and its manifest as it grows."""

    def __init__(self, tar: tarfile.TarFile, manifest: Manifest) -> None:
        self.tar, self.manifest = tar, manifest

    def part(self, name: str, content: bytes) -> None:
        """Something small, hashed in the manifest."""
        self.manifest.parts[name] = self.stream(name, len(content), io.BytesIO(content))

    def file(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self.manifest.parts[name] = self.stream(name, path.stat().st_size, file)

    def stream(self, name: str, size: int, source: IO[bytes]) -> str:
        """The SHA-256 of what was written: `size` bytes, whatever the source has (then no hash fits)."""
        hashing = _Hashing(source, size)
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(datetime.now(tz=UTC).timestamp())
        self.tar.addfile(info, hashing)  # type: ignore[arg-type] # it only reads
        self.tar.members.clear()  # type: ignore[attr-defined] # else it remembers every one of a million blobs
        return hashing.hexdigest()

    def end(self) -> None:
        """The manifest: from here on the archive is complete."""
        content = json.dumps(self.manifest.as_json()).encode()
        self.stream(contents.MANIFEST, len(content), io.BytesIO(content))


class _Hashing:
    """A source that is hashed as it is read, and filled up with zeros when it is too short."""

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source, self._left, self._digest = source, size, hashlib.sha256()
        self._short = False

    def read(self, count: int) -> bytes:
        piece = self._source.read(min(count, self._left))
        if len(piece) < min(count, self._left):
            piece += self._source.read(min(count, self._left) - len(piece))
        if len(piece) < min(count, self._left):
            self._short = True
            piece = piece.ljust(min(count, self._left), b"\0")
        self._left -= len(piece)
        self._digest.update(piece)
        return piece

    def hexdigest(self) -> str:
        return "" if self._short or self._source.read(1) else self._digest.hexdigest()
