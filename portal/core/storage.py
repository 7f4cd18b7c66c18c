"""The content-addressed store: bytes named by their SHA-256, written once, freed when nothing points at them.

They lie in a folder, under `GRISTMILL_HOME/blobs/ab/abcd…`, where a file appears only whole: it is written beside,
hashed, synced and renamed. Or in a bucket (`portal.core.stores.bucket`), which several homes share; then each machine
keeps what it used last in a cache (`portal.core.stores.cache`), for sandboxes take files. The `Blob` row is made in the
caller's transaction: a blob exists for others only with what refers to it.
"""

import errno
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django.apps import apps
from django.conf import settings
from django.core.files.storage import storages
from django.db import transaction
from django.db.models import ForeignKey, QuerySet
from django.utils import timezone

from portal.core import freeze
from portal.core.models import Blob
from portal.core.stores.cache import Cache
from portal.core.stores.trouble import DamagedError, StoreAwayError

if TYPE_CHECKING:
    from portal.core.stores.bucket import Bucket

log = logging.getLogger(__name__)

CHUNK_BYTES = 1024 * 1024
GRACE = timedelta(hours=1)
STRAY = timedelta(days=1)
INCOMING = "incoming"
BUCKET = "blobs"
TRIES = 4


def bucket() -> "Bucket | None":
    """The bucket that the bytes are in; None where they lie in this home's folder."""
    return cast("Bucket", storages[BUCKET]) if BUCKET in settings.STORAGES else None


def blobs_root() -> Path:
    """The folder on this machine from which jobs are given files: the store, or with a bucket its cache."""
    return Path(settings.HOME) / ("blobs" if bucket() is None else "fetched")


def cache() -> Cache:
    """What this home keeps of the bucket."""
    return Cache(blobs_root(), incoming=incoming(), limit=settings.BLOB_CACHE_MB * 1024**2)


def path_of(sha256: str) -> Path:
    """Where the bytes of that hash lie in `blobs_root` (whether or not they are there). Use `local` to read them."""
    return blobs_root() / sha256[:2] / sha256


@contextmanager
def local(blob: Blob) -> Iterator[Path]:
    """A file with the blob's bytes, which stays there until the end of the block: fetched, if need be.

    StoreAwayError when it can't be fetched now, DamagedError when what came is not what was put there, OSError when it
    is lost or has no room here.
    """
    if bucket() is None:
        yield path_of(blob.sha256)
        return
    with open_blob(blob):
        yield path_of(blob.sha256)


def open_blob(blob: Blob) -> BinaryIO:
    """The blob's bytes as an open file. Raises as `local` does."""
    far = bucket()
    if far is None:
        return path_of(blob.sha256).open("rb")
    sha256, size = blob.sha256, blob.bytes
    return cache().fetch(sha256, size, lambda start: far.read(sha256, start, size))


def read_range(blob: Blob, start: int, stop: int) -> Iterator[bytes]:
    """The bytes from `start` up to but not including `stop`, one piece in memory at a time.

    Raises at once as `local` does. From a bucket they come as they are asked for, and are kept nowhere; a whole blob
    that turns out damaged lacks its last piece, so that nobody takes it for whole: DamagedError ends it.
    """
    far = bucket()
    held = path_of(blob.sha256).open("rb") if far is None else cache().hold(blob.sha256)
    if held is not None:
        return _pieces(held, start, stop)
    assert far is not None  # noqa: S101 - for mypy
    pieces = far.read(blob.sha256, start, stop)
    return _checked(pieces, blob.sha256) if stop - start == blob.bytes else pieces


def _pieces(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = stop - start
        while left > 0 and (piece := file.read(min(CHUNK_BYTES, left))):
            left -= len(piece)
            yield piece


def _checked(pieces: Iterable[bytes], sha256: str) -> Iterator[bytes]:
    digest, last = hashlib.sha256(), b""
    for piece in pieces:
        digest.update(piece)
        yield last
        last = piece
    if digest.hexdigest() != sha256:
        log.error("the blob %s is damaged in the bucket", sha256)
        raise DamagedError(sha256)
    yield last


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hexadecimal) and size in bytes of a file, read in pieces."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


def adopt(path: Path) -> Blob:
    """Take the file at `path` into the store: by renaming it, from another mount by copying; its Blob.

    Like all that stores something it raises StoreAwayError while the bucket is away; the file then stays.
    """
    sha256, size = hash_file(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    try:
        return settle(path, sha256, size)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    blob = copy_in(path)
    path.unlink()
    return blob


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
        return settle(temporary, digest.hexdigest(), size)


def put_bytes(content: bytes) -> Blob:
    """Store a small piece of content that is in memory already; its Blob."""
    with _scratch() as (file, temporary):
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return settle(temporary, hashlib.sha256(content).hexdigest(), len(content))


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


def settle(source: Path, sha256: str, size: int) -> Blob:
    """Count a finished file, whose SHA-256 is known, and put it into its place; its Blob. Identical content is stored
    once. `source` is gone then.
    """
    far = bucket()
    return _rename_in(source, sha256, size) if far is None else _send(far, source, sha256, size)


def _rename_in(source: Path, sha256: str, size: int) -> Blob:
    """The row is written first and stays locked until the file is there: `free` locks it too, so that it can't delete
    the file that we put there for a row which we found.
    """
    target = path_of(sha256)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source.chmod(0o444)
    with transaction.atomic():
        blob = _enter(sha256, size)
        source.replace(target)
    return blob


def _send(far: "Bucket", source: Path, sha256: str, size: int) -> Blob:
    """No row is locked while bytes travel. An object that is seen after its row was written stays: `free` takes none
    whose row is not condemned, and would have to condemn it first. One that `free` took before that is sent again.
    """
    for _try in range(TRIES):
        far.put(source, sha256)
        blob = _enter(sha256, size)
        if far.holds(sha256, size):
            cache().keep(source, sha256, size)
            return blob
    raise StoreAwayError


@transaction.atomic
def _enter(sha256: str, size: int) -> Blob:
    """The row of that content, new or no longer condemned. It is locked until the transaction ends."""
    Blob.objects.bulk_create(
        [Blob(sha256=sha256, bytes=size)],
        update_conflicts=True,
        unique_fields=["sha256"],
        update_fields=["condemned_at"],
    )
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
    if locked is None or freeze.is_frozen() or not unreferenced().filter(pk=sha256).exists():
        return 0
    _remove(sha256)
    locked.delete()
    return locked.bytes


def _remove(sha256: str) -> None:
    far = bucket()
    if far is None:
        path_of(sha256).unlink(missing_ok=True)
    else:
        far.remove(sha256)
        cache().drop(sha256)


def sweep_strays() -> int:
    """Find what was killed half-way: bytes in the store without a row (condemned now, freed in time), and what lies
    for a day among the incoming, or half in the bucket; how many.
    """
    before = timezone.now() - STRAY
    left = _sweep_incoming(before)
    if (far := bucket()) is None:
        return left + sum(_enter_strays(_in_folder(folder), before) for folder in blobs_root().glob("??"))
    _tidy_cache()
    return left + far.drop_halves(before) + sum(_enter_strays(part, before) for part in _in_bucket(far))


def tidy() -> int:
    """Free this home of what was killed half-way among the incoming, and of what it keeps of the bucket beyond its
    limit or beyond the blob; how many files. Each home does it for itself.
    """
    return _sweep_incoming(timezone.now() - STRAY) + (0 if bucket() is None else _tidy_cache())


def _sweep_incoming(before: datetime) -> int:
    strays = [path for path in incoming().iterdir() if _newest(path) < before.timestamp()]
    for path in strays:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return len(strays)


def _tidy_cache() -> int:
    kept = cache()
    names = kept.names()
    known = set(Blob.objects.filter(pk__in=names).values_list("pk", flat=True))
    return sum(kept.drop(name) for name in names if name not in known) + kept.shrink()


Found = list[tuple[str, int, float]]  # name, bytes, and when it was put there


def _in_folder(folder: Path) -> Found:
    return [
        (path.name, status.st_size, status.st_ctime) for path in folder.iterdir() if (status := path.stat())
    ]


def _in_bucket(far: "Bucket") -> Iterator[Found]:
    for page in far.listed():
        yield [(each.sha256, each.size, each.modified.timestamp()) for each in page]


def _enter_strays(found: Found, before: datetime) -> int:
    old = {name: size for name, size, put_at in found if put_at < before.timestamp()}
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
