"""The content-addressed store: bytes named by their SHA-256, written once, freed when nothing points at them.

On disk under `GRISTMILL_HOME/blobs/ab/abcd…`. A file appears there only whole: it is written beside, hashed, synced and
renamed. The `Blob` row is made in the caller's transaction: a blob exists for others only with what refers to it.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import ForeignKey, QuerySet
from django.utils import timezone

from portal.core.models import Blob

CHUNK_BYTES = 1024 * 1024
GRACE = timedelta(hours=1)
STRAY = timedelta(days=1)
INCOMING = "incoming"


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
    folder = incoming()
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        try:
            yield file, Path(file.name)  # type: ignore[misc]
        finally:
            Path(file.name).unlink(missing_ok=True)


def incoming() -> Path:
    """The folder for files on their way into the store; what a killed process left there is swept."""
    folder = blobs_root() / INCOMING
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _place(source: Path, sha256: str, size: int) -> Blob:
    """Count a finished file and rename it into its place. Identical content is stored once.

    The row is written first and stays locked until the file is there: `free` locks it too, so that it can't delete
    the file that we put there for a row which we found.
    """
    target = path_of(sha256)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source.chmod(0o444)
    with transaction.atomic():
        wanted = Blob(sha256=sha256, bytes=size)
        Blob.objects.bulk_create(
            [wanted], update_conflicts=True, unique_fields=["sha256"], update_fields=["condemned_at"]
        )
        source.replace(target)
        return Blob.objects.get(pk=sha256)


def unreferenced() -> QuerySet[Blob]:
    """Blobs that no foreign key of any room points at."""
    blobs = Blob.objects.all()
    for key in _references():
        users = key.model._base_manager.filter(**{f"{key.name}__isnull": False})  # noqa: SLF001 - documented
        blobs = blobs.exclude(pk__in=users.values(key.attname))
    return blobs


def _references() -> Iterator["ForeignKey[Any, Any]"]:
    """Every foreign key to Blob. Asked of the models that have them: Blob itself knows none with `related_name="+"`."""
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_fields:  # noqa: SLF001 - Django's documented introspection
            if isinstance(field, ForeignKey) and field.related_model is Blob:
                yield field


def condemn() -> int:
    """Mark what nothing points at any more, and take the mark off what is used again; how many are newly marked."""
    now = timezone.now()
    loose = unreferenced()
    Blob.objects.filter(condemned_at__isnull=False).exclude(pk__in=loose.values("pk")).update(
        condemned_at=None
    )
    return loose.filter(condemned_at=None, created_at__lt=now - GRACE).update(condemned_at=now)


def free(*, grace: timedelta = GRACE) -> int:
    """Delete blobs condemned for longer than `grace` and still unused; bytes freed."""
    due = Blob.objects.filter(condemned_at__lt=timezone.now() - grace)
    return sum(_free(sha256) for sha256 in list(due.values_list("pk", flat=True)))


@transaction.atomic
def _free(sha256: str) -> int:
    """Delete one condemned blob unless it is used again; bytes freed.

    With its row locked nobody can begin to point at it (a foreign key locks what it names), so what is unused then is
    unused until the row is gone. The file goes first: a row without file is found again, a file without row is not.
    """
    locked = Blob.objects.select_for_update().filter(pk=sha256, condemned_at__isnull=False).first()
    if locked is None or not unreferenced().filter(pk=sha256).exists():
        return 0
    path_of(sha256).unlink(missing_ok=True)
    locked.delete()
    return locked.bytes


def sweep_strays() -> int:
    """Find what was killed half-way: files in the store without a row (condemned now, freed in time), and what lies
    for a day among the incoming; how many.
    """
    before = timezone.now().timestamp() - STRAY.total_seconds()
    strays = [path for path in incoming().iterdir() if _newest(path) < before]
    for path in strays:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return len(strays) + sum(_enter_strays(folder, before) for folder in blobs_root().glob("??"))


def _enter_strays(folder: Path, before: float) -> int:
    old = {
        path.name: status.st_size for path in folder.iterdir() if (status := path.stat()).st_ctime < before
    }
    known = set(Blob.objects.filter(pk__in=old).values_list("pk", flat=True))
    rows = [
        Blob(sha256=name, bytes=size, condemned_at=timezone.now())
        for name, size in old.items()
        if name not in known
    ]
    return len(Blob.objects.bulk_create(rows, ignore_conflicts=True))


def _newest(path: Path) -> float:
    """When the file, or anything in the folder, was last written; now if it went away meanwhile."""
    try:
        return max(part.stat().st_mtime for part in (path, *path.rglob("*")))
    except FileNotFoundError:
        return timezone.now().timestamp()
