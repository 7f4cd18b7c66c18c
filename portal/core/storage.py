"""The content-addressed store: bytes named by their SHA-256, written once, freed when nothing points at them.

On disk under `GRISTMILL_HOME/blobs/ab/abcd…`. A file appears there only whole: it is written beside, hashed, synced and
renamed. The `Blob` row is made in the caller's transaction, so that a blob exists for others only with what refers to it.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.core.models import Blob

CHUNK_BYTES = 1024 * 1024
GRACE = timedelta(hours=1)


def blobs_root() -> Path:
    return Path(settings.HOME) / "blobs"


def path_of(sha256: str) -> Path:
    """Where the bytes of that hash lie (whether or not they are there)."""
    return blobs_root() / sha256[:2] / sha256


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hexadecimal) and size in bytes of a file, read in pieces."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


def adopt(path: Path) -> Blob:
    """Take the file at `path` (on the home's file system) into the store by renaming it; its Blob."""
    sha256, size = hash_file(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return _place(path, sha256, size)


def copy_in(path: Path) -> Blob:
    """Copy the file at `path` into the store, leaving it where it is; its Blob."""
    with _scratch() as (file, temporary), path.open("rb") as source:
        digest, size = hashlib.sha256(), 0
        while piece := source.read(CHUNK_BYTES):
            digest.update(piece)
            file.write(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
        return _place(temporary, digest.hexdigest(), size)


def put_bytes(content: bytes) -> Blob:
    """Store a small piece of content that is in memory already; its Blob."""
    with _scratch() as (file, temporary):
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return _place(temporary, hashlib.sha256(content).hexdigest(), len(content))


def open_blob(blob: Blob) -> BinaryIO:
    return path_of(blob.sha256).open("rb")


@contextmanager
def _scratch() -> Iterator[tuple[BinaryIO, Path]]:
    folder = blobs_root() / "incoming"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        try:
            yield file, Path(file.name)  # type: ignore[misc]
        finally:
            Path(file.name).unlink(missing_ok=True)


def _place(source: Path, sha256: str, size: int) -> Blob:
    """Rename a finished file into its place and count it. Identical content is stored once."""
    target = path_of(sha256)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source.chmod(0o444)
    source.replace(target)
    blob, made = Blob.objects.get_or_create(sha256=sha256, defaults={"bytes": size})
    if not made and blob.condemned_at is not None:
        Blob.objects.filter(pk=sha256).update(condemned_at=None)
    return blob


def unreferenced() -> QuerySet[Blob]:
    """Blobs that no foreign key of any room points at."""
    blobs = Blob.objects.all()
    for relation in Blob._meta.related_objects:  # noqa: SLF001 - Django's documented introspection
        column = relation.field.name
        users = relation.related_model._default_manager.filter(**{f"{column}__isnull": False})  # noqa: SLF001
        blobs = blobs.exclude(pk__in=users.values(column))
    return blobs


def condemn() -> int:
    """Mark what nothing points at any more, and take the mark off what is used again; how many are newly marked."""
    now = timezone.now()
    loose = unreferenced()
    Blob.objects.filter(condemned_at__isnull=False).exclude(pk__in=loose.values("pk")).update(condemned_at=None)
    return loose.filter(condemned_at=None, created_at__lt=now - GRACE).update(condemned_at=now)


def free(*, grace: timedelta = GRACE) -> int:
    """Delete blobs condemned for longer than `grace` and still unused; bytes freed."""
    freed = 0
    due = Blob.objects.filter(condemned_at__lt=timezone.now() - grace)
    for sha256, size in list(due.values_list("sha256", "bytes")):
        with transaction.atomic():
            gone, _counts = unreferenced().filter(pk=sha256, condemned_at__isnull=False).delete()
            if gone:
                path_of(sha256).unlink(missing_ok=True)
                freed += size
    return freed
