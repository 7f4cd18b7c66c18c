"""The store, in a folder or a bucket: what is used is kept, what is not goes after its grace time, and what a killed
process left goes too.
"""

import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs.datasets.models import Dataset, Version
from jobs.queue.models import Job
from portal.core import storage
from portal.core.models import Blob
from portal.members.models import Member
from tests.storage.conftest import Store

NO_GRACE = timedelta(0)


pytestmark = pytest.mark.usefixtures("store")


def stored(content: bytes, *, condemned: bool = False) -> Blob:
    """A blob that has been there for two days."""
    blob = storage.put_bytes(content)
    old = timezone.now() - timedelta(days=2)
    Blob.objects.filter(pk=blob.pk).update(created_at=old, condemned_at=old if condemned else None)
    return Blob.objects.get(pk=blob.pk)


def used_by_version(blob: Blob, owner: Member) -> Version:
    dataset = Dataset.objects.create(owner=owner, name="Leaves", task="image-classification")
    return Version.objects.create(dataset=dataset, number=1, filename="x", upload=blob)


def test_what_something_points_at_is_never_condemned_and_the_rest_is_freed(
    alice: Member, store: Store
) -> None:
    upload, checkpoint, loose = stored(b"upload"), stored(b"checkpoint"), stored(b"loose")
    used_by_version(upload, alice)
    Job.objects.create(owner=alice, kind="train", name="x", checkpoint=checkpoint)
    assert storage.condemn() == 1
    assert list(Blob.objects.filter(condemned_at__isnull=False)) == [loose]
    assert storage.free(grace=NO_GRACE) == len(b"loose")
    assert store.content(loose.pk) is None
    assert store.content(upload.pk) == b"upload"
    assert store.content(checkpoint.pk) is not None


def test_an_old_checkpoint_goes_when_a_newer_one_takes_its_place(alice: Member, store: Store) -> None:
    first, second = stored(b"step 1"), stored(b"step 2")
    job = Job.objects.create(owner=alice, kind="train", name="x", checkpoint=first)
    assert storage.condemn() == 0 or not Blob.objects.get(pk=first.pk).condemned_at
    Job.objects.filter(pk=job.pk).update(checkpoint=second)
    storage.condemn()
    storage.free(grace=NO_GRACE)
    assert store.content(first.pk) is None
    assert store.content(second.pk) is not None


def test_what_was_condemned_and_is_used_again_stays(alice: Member, store: Store) -> None:
    blob = stored(b"again", condemned=True)
    used_by_version(blob, alice)
    assert storage.free() == 0
    storage.condemn()
    assert Blob.objects.get(pk=blob.pk).condemned_at is None
    assert store.content(blob.pk) is not None


def test_the_same_content_again_takes_the_mark_off(db: None) -> None:
    stored(b"again", condemned=True)
    blob = storage.put_bytes(b"again")
    assert blob.condemned_at is None
    assert storage.free() == 0


@pytest.mark.django_db(transaction=True)
def test_freeing_and_storing_the_same_content_at_once_never_loses_its_bytes(store: Store) -> None:
    for _round in range(15):
        stored(b"contended", condemned=True)
        barrier = threading.Barrier(4)

        def act(number: int, barrier: threading.Barrier = barrier) -> None:
            try:
                barrier.wait()
                storage.put_bytes(b"contended") if number else storage.free()
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(act, range(4)))
        blob = Blob.objects.get()
        assert store.content(blob.pk) == b"contended"


@pytest.mark.django_db(transaction=True)
def test_bytes_whose_row_was_rolled_back_are_found_and_freed(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    with transaction.atomic():
        blob = storage.put_bytes(b"never came to be")
        transaction.set_rollback(True)
    assert store.content(blob.pk) is not None
    assert storage.sweep_strays() == 0  # it may be on its way
    monkeypatch.setattr(storage, "STRAY", timedelta(seconds=-5))
    assert storage.sweep_strays() == 1
    assert storage.free(grace=timedelta(seconds=-5)) == len(b"never came to be")
    assert store.content(blob.pk) is None
    assert not Blob.objects.exists()


def test_what_a_killed_process_left_among_the_incoming_goes_after_a_day(db: None) -> None:
    old, young, folder = (storage.incoming() / name for name in ("old", "young", "folder"))
    folder.mkdir()
    for path in (old, young, folder / "part"):
        path.write_bytes(b"x")
    past = time.time() - 2 * 86_400
    for path in (old, folder / "part", folder):
        os.utime(path, (past, past))
    storage.sweep_strays()
    assert [path.exists() for path in (old, young, folder)] == [False, True, False]
    young.unlink()


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no second file system here")
def test_a_file_from_another_mount_is_adopted_too(db: None) -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm", delete=False) as file:
        file.write(b"from afar")
    source = Path(file.name)
    blob = storage.adopt(source)
    with storage.open_blob(blob) as stored:
        assert stored.read() == b"from afar"
    assert not source.exists()


def test_bytes_are_kept_under_their_hash_and_can_not_be_written_to(db: None, tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"content")
    copied = storage.copy_in(source)
    assert source.exists()
    assert storage.put_bytes(b"content").pk == copied.pk == storage.adopt(source).pk
    assert not source.exists()
    assert storage.path_of(copied.pk).stat().st_mode & 0o777 == 0o444
    assert Blob.objects.get().bytes == len(b"content")
