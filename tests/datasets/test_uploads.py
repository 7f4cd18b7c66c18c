"""Uploads that nobody finished: expired, left by a killed server, or overtaken by a deletion."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import Http404
from django.utils import timezone

from jobs.datasets import parts, services, uploads
from jobs.datasets.models import Dataset, Upload, Version
from jobs.datasets.parts import Part
from portal.core import storage
from portal.kit.errors import UserError
from portal.members.models import Member

Begin = Callable[..., Upload]


@pytest.fixture
def begin(alice: Member, make_dataset: Callable[..., Dataset]) -> Begin:
    def make(length: int = 10, **given: Any) -> Upload:
        known = {"filename": "a.zip", "label_column": "", "metadata": "", "dataset_id": make_dataset().pk}
        return uploads.begin(member=alice, length=length, **{**known, **given})

    return make


def write(upload: Upload, content: bytes, at: int = 0) -> None:
    with uploads.open_part(upload, offset=at, checked=False) as part:
        part.write(content)


def test_an_expired_upload_is_given_up(begin: Begin, alice: Member) -> None:
    upload, other = begin(), begin()
    write(upload, b"12345")
    Upload.objects.filter(pk=upload.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(UserError) as refused:
        uploads.upload_for(alice, upload.pk)
    assert refused.value.status == 410
    services.sweep()
    assert list(Upload.objects.all()) == [other]
    assert not parts.path_of(upload.pk).exists()


def test_writing_puts_the_expiry_off(begin: Begin) -> None:
    upload = begin()
    Upload.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    write(upload, b"1")
    assert Upload.objects.get().expires_at > timezone.now() + timedelta(hours=23)


def test_an_upload_being_written_is_not_swept_away(begin: Begin) -> None:
    upload = begin()
    with uploads.open_part(upload, offset=0, checked=False) as part:
        Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        services.sweep()
        part.write(b"12345")
    assert parts.length_of(upload.pk) == 5
    assert Upload.objects.exists()


def test_the_sweep_finishes_what_a_killed_server_left_complete(begin: Begin) -> None:
    upload = begin(5)
    write(upload, b"12345")
    services.sweep()
    upload.refresh_from_db()
    assert upload.version is not None
    assert storage.path_of(upload.version.upload_id).read_bytes() == b"12345"
    assert not parts.path_of(upload.pk).exists()


def test_killed_while_finishing_it_is_finished_once(begin: Begin) -> None:
    """The bytes had their second name in the store, the transaction never committed."""
    upload = begin(5)
    write(upload, b"12345")
    with Part(upload.pk) as part:
        part.link()
    services.sweep()
    services.sweep()
    assert Version.objects.count() == 1


def test_files_without_an_upload_are_freed(begin: Begin) -> None:
    upload = begin()
    write(upload, b"1")
    stray = parts.path_of("00000000000000000000000000")
    stray.write_bytes(b"x")
    services.sweep()
    assert not stray.exists()
    assert parts.path_of(upload.pk).exists()


def test_deleting_the_dataset_ends_its_uploads(begin: Begin, alice: Member) -> None:
    upload = begin()
    with uploads.open_part(upload, offset=0, checked=False) as part:
        services.delete_dataset(dataset=upload.dataset, actor=alice)
        part.write(b"1234567890")
        with pytest.raises(UserError):
            uploads.finish(upload, part)
    with pytest.raises(Http404):
        uploads.open_part(upload, offset=0, checked=False)
    assert not parts.path_of(upload.pk).exists()
    assert not Version.objects.exists()


def test_the_running_hash_is_not_used_after_another_writer(begin: Begin) -> None:
    upload = begin(6)
    first = Upload.objects.get()
    write(first, b"123")
    write(Upload.objects.get(), b"45", 3)
    parts.path_of(upload.pk).write_bytes(
        b"abcde"
    )  # as another process, which this one's memory knows nothing of
    Upload.objects.update(writes=7)
    last = Upload.objects.get()
    with uploads.open_part(last, offset=5, checked=False) as part:
        part.write(b"f")
        uploads.finish(last, part)
    assert last.version is not None
    assert storage.hash_file(storage.path_of(last.version.upload_id))[0] == last.version.upload_id
