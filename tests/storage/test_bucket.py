"""The store in a bucket: shared by homes, kept in each as far as there is room, and away at times."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection
from django.utils import timezone

from portal.core import storage
from portal.core.models import Blob
from portal.core.stores import bucket as buckets
from portal.core.stores.trouble import DamagedError, StoreAwayError
from tests.storage.conftest import Store
from tests.storage.servers import Line, s3

pytestmark = pytest.mark.django_db
Read = Callable[[Blob], bytes]
MIB = 1024**2


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken stream is given up soon."""
    monkeypatch.setattr(buckets, "PAUSES_S", (0.05, 0.1))


def test_what_one_home_stored_another_reads(far: Store, fetched: Read, tmp_path: Path) -> None:
    content = os.urandom(3 * MIB)
    blob = storage.put_bytes(content)
    far.home(tmp_path / "other")
    assert not storage.path_of(blob.pk).exists()
    with storage.local(blob) as path:
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o444
    assert b"".join(storage.read_range(blob, 5, 9)) == content[5:9]
    assert list(storage.incoming().iterdir()) == []


def test_what_is_read_as_a_stream_is_kept_nowhere(far: Store, tmp_path: Path) -> None:
    content = os.urandom(3 * MIB)
    blob = storage.put_bytes(content)
    far.home(tmp_path / "other")
    assert b"".join(storage.read_range(blob, 0, blob.bytes)) == content
    assert b"".join(storage.read_range(blob, 2 * MIB - 7, blob.bytes)) == content[2 * MIB - 7 :]
    assert b"".join(storage.read_range(blob, 9, 9)) == b""
    assert storage.cache().names() == []


def test_nothing_at_all_can_be_stored_too(far: Store, fetched: Read, tmp_path: Path) -> None:
    blob = storage.put_bytes(b"")
    far.home(tmp_path / "other")
    assert fetched(blob) == b""
    assert b"".join(storage.read_range(blob, 0, 0)) == b""


def test_a_large_file_goes_in_parts(far: Store, fetched: Read, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(os.urandom(40 * MIB))
    sha256, _size = storage.hash_file(source)
    blob = storage.adopt(source)
    assert (blob.pk, blob.bytes, source.exists()) == (sha256, 40 * MIB, False)
    assert far.server is not None
    assert "-" in far.server.client.head_object(Bucket=far.bucket, Key=far.key(sha256))["ETag"]  # as of parts
    far.home(tmp_path / "other")
    with storage.local(blob) as path:
        assert storage.hash_file(path)[0] == sha256


def test_a_fetch_that_breaks_off_goes_on_where_it_was(
    line: Line, far: Store, fetched: Read, tmp_path: Path
) -> None:
    content = os.urandom(20 * MIB)
    blob = storage.put_bytes(content)
    far.home(tmp_path / "other")
    line.came_back, line.cut_after, line.seconds_down = 0, 8 * MIB, 0.5
    assert fetched(blob) == content
    assert line.came_back < 26 * MIB  # what was there was not fetched again


def test_a_fetch_that_was_given_up_is_gone_on_with_later(
    line: Line, far: Store, fetched: Read, impatient: None, tmp_path: Path
) -> None:
    content = os.urandom(20 * MIB)
    blob = storage.put_bytes(content)
    far.home(tmp_path / "other")
    line.came_back, line.cut_after, line.seconds_down = 0, 10 * MIB, 3.0
    with pytest.raises(StoreAwayError):
        fetched(blob)
    assert not storage.path_of(blob.pk).exists()
    time.sleep(3.5)
    assert fetched(blob) == content
    assert line.came_back < 26 * MIB


def test_a_stream_that_breaks_off_goes_on_too(line: Line, far: Store, tmp_path: Path) -> None:
    content = os.urandom(20 * MIB)
    blob = storage.put_bytes(content)
    far.home(tmp_path / "other")
    line.came_back, line.cut_after, line.seconds_down = 0, 8 * MIB, 0.5
    assert b"".join(storage.read_range(blob, 0, blob.bytes)) == content


def test_while_the_bucket_is_away_nothing_is_stored_and_nothing_lost(
    line: Line, far: Store, tmp_path: Path
) -> None:
    kept = storage.put_bytes(b"kept")
    source = tmp_path / "source"
    source.write_bytes(b"to come")
    line.down()
    with pytest.raises(StoreAwayError):
        storage.adopt(source)
    assert source.read_bytes() == b"to come"
    assert list(Blob.objects.all()) == [kept]
    assert storage.open_blob(kept).read() == b"kept"  # of the cache
    line.up()
    assert far.content(storage.adopt(source).pk) == b"to come"


def test_what_is_condemned_while_the_bucket_is_away_is_freed_later(line: Line, far: Store) -> None:
    blob = storage.put_bytes(b"loose")
    old = timezone.now() - timedelta(days=2)
    Blob.objects.update(created_at=old, condemned_at=old)
    line.down()
    with pytest.raises(StoreAwayError):
        storage.free()
    assert Blob.objects.exists()
    line.up()
    assert storage.free() == len(b"loose")
    assert far.content(blob.pk) is None
    assert not storage.path_of(blob.pk).exists()


@pytest.mark.parametrize("damage", [b"other" * 1000, b"short", b"longer" * 1000])
def test_a_damaged_object_is_told_and_never_given_out(
    far: Store, fetched: Read, damage: bytes, tmp_path: Path, impatient: None
) -> None:
    content = b"right" * 1000
    blob = storage.put_bytes(content)
    assert far.server is not None
    far.server.client.put_object(Bucket=far.bucket, Key=far.key(blob.pk), Body=damage)
    far.home(tmp_path / "other")
    with pytest.raises((DamagedError, StoreAwayError) if damage == b"short" else DamagedError) as told:
        fetched(blob)
    assert isinstance(told.value, StoreAwayError) or "damaged" in told.value.detail
    assert not storage.path_of(blob.pk).exists()
    sent: list[bytes] = []
    with pytest.raises((DamagedError, StoreAwayError)):
        sent.extend(storage.read_range(blob, 0, blob.bytes))
    assert len(b"".join(sent)) < blob.bytes
    storage.put_bytes(content)  # the same again mends it
    far.home(tmp_path / "third")
    assert fetched(blob) == content


def test_a_lost_object_is_a_lost_file(far: Store, fetched: Read, tmp_path: Path) -> None:
    blob = storage.put_bytes(b"lost")
    assert far.server is not None
    far.server.client.delete_object(Bucket=far.bucket, Key=far.key(blob.pk))
    far.home(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        fetched(blob)


def test_the_cache_lets_go_of_what_was_unused_for_longest_but_of_nothing_in_use(
    far: Store, fetched: Read, settings: Any, tmp_path: Path
) -> None:
    blobs = [storage.put_bytes(bytes([number]) * MIB) for number in range(4)]
    far.home(tmp_path / "other")
    settings.BLOB_CACHE_MB = 2
    with storage.local(blobs[0]) as held:
        for blob in blobs[1:]:
            fetched(blob)
            time.sleep(0.02)
        assert held.read_bytes() == b"\0" * MIB
        assert set(storage.cache().names()) == {blobs[0].pk, blobs[3].pk}
    fetched(blobs[2])
    assert set(storage.cache().names()) == {blobs[3].pk, blobs[2].pk}


def test_a_machine_keeps_nothing_of_what_was_deleted(far: Store, fetched: Read, tmp_path: Path) -> None:
    gone, stays = storage.put_bytes(b"gone"), storage.put_bytes(b"stays")
    home = tmp_path / "other"
    far.home(home)
    fetched(gone), fetched(stays)
    far.home(tmp_path)
    old = timezone.now() - timedelta(days=2)
    Blob.objects.filter(pk=gone.pk).update(created_at=old, condemned_at=old)
    storage.free()
    far.home(home)
    storage.tidy()
    assert storage.cache().names() == [stays.pk]


def test_several_who_want_the_same_at_once_fetch_it_once(line: Line, far: Store, tmp_path: Path) -> None:
    content = os.urandom(10 * MIB)
    blob = storage.put_bytes(content)
    far.home(tmp_path / "other")
    line.came_back = 0

    def use(_number: int) -> bool:
        with storage.local(blob) as path:
            return path.read_bytes() == content

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(use, range(6)))
    assert line.came_back < 12 * MIB


@pytest.mark.django_db(transaction=True)
def test_two_writers_of_the_same_content_and_two_homes(far: Store, tmp_path: Path) -> None:
    content, barrier = os.urandom(2 * MIB), threading.Barrier(4)

    def write(_number: int) -> str:
        try:
            barrier.wait()
            for _try in range(4):  # this server stumbles over two at once, and says 500
                with contextlib.suppress(StoreAwayError):
                    return storage.put_bytes(content).pk
            raise AssertionError("never stored")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        (sha256,) = set(pool.map(write, range(4)))
    assert far.content(sha256) == content
    assert Blob.objects.get().bytes == len(content)


def test_half_an_upload_that_nobody_ends_is_given_up(far: Store) -> None:
    assert far.server is not None
    client, key = far.server.client, far.key("ab" * 32)
    half = client.create_multipart_upload(Bucket=far.bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=far.bucket, Key=key, UploadId=half, PartNumber=1, Body=b"x" * 5 * MIB)
    assert storage.sweep_strays() == 1  # the server dates them all 2010
    assert "Uploads" not in client.list_multipart_uploads(Bucket=far.bucket)


def test_what_else_lies_in_the_bucket_is_left_alone(far: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert far.server is not None
    others = ["elsewhere/ab/" + "ab" * 32, "mill/blobs/readme", "mill/blobs/cd/" + "ab" * 32]
    for name in others:
        far.server.client.put_object(Bucket=far.bucket, Key=name, Body=b"x")
    monkeypatch.setattr(storage, "STRAY", timedelta(seconds=-5))
    assert storage.sweep_strays() == 0


def test_a_right_bucket_is_taken_without_a_word(far: Store) -> None:
    assert [found for found in run_checks() if found.id and found.id.startswith("gristmill")] == []
    assert far.server is not None
    assert "Contents" not in far.server.client.list_objects_v2(Bucket=far.bucket)


def test_a_wrong_bucket_is_an_error_in_words_at_start(far: Store) -> None:
    assert far.server is not None
    far.bucket = "no-such-bucket"
    far.use(far.server.address)
    (found,) = [found for found in run_checks() if found.id == "gristmill.E001"]
    assert "'no-such-bucket'" in found.msg
    assert "GRISTMILL_S3_BUCKET" in found.msg


def test_a_server_that_does_not_answer_is_only_a_warning(line: Line) -> None:
    line.down()
    assert [found.id for found in run_checks() if found.id and found.id.startswith("gristmill")] == [
        "gristmill.W001"
    ]


def test_wrong_keys_are_an_error_in_words_at_start(far: Store) -> None:
    with s3(INITIAL_NO_AUTH_ACTION_COUNT="1") as strict:
        strict.bucket(far.bucket)
        far.use(strict.address)
        (found,) = [found for found in run_checks() if found.id == "gristmill.E001"]
    assert "InvalidAccessKeyId" in found.msg
