"""A long run does not fill the disk, and a steward sees what the sweeps found."""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from jobs.datasets.models import Dataset, Version
from jobs.queue import lifecycle
from jobs.queue.management.commands.scheduler import chores
from jobs.queue.models import Job
from jobs.queue.record import Recorder
from portal.core import live, storage, superseded
from portal.core.models import Blob
from portal.core.telemetry import swept
from portal.members.models import Member

SIZE = 200_000
EVERY_S = 20  # how often a training saves a checkpoint


@pytest.fixture(autouse=True)
def own_home(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path


@pytest.fixture
def recorder(alice: Member, tmp_path: Path) -> Recorder:
    """Of a job that runs."""
    dataset = Dataset.objects.create(owner=alice, name="Leaves", task="image-classification")
    job = Job.objects.create(owner=alice, kind="train", name="long", dataset=dataset)
    node = Node.objects.create(name="mill-1", key_sha256="0" * 64)
    cpu = Accelerator.objects.create(node=node, kind="cpu")
    held = lifecycle.claim(lifecycle.begin(job, node=node, accelerators=[cpu]).pk, holder="x")
    assert held is not None
    lifecycle.started(held)
    return Recorder(held, lambda name: tmp_path / name)


def save(recorder: Recorder, tmp_path: Path, step: int) -> Blob:
    """The engine saves a checkpoint and says so."""
    (tmp_path / "checkpoint").write_bytes(step.to_bytes(4, "big") * (SIZE // 4))
    recorder.take({"type": "checkpoint", "step": step, "path": "checkpoint"})
    blob = Job.objects.get().checkpoint
    assert blob is not None
    return blob


@pytest.fixture
def clock() -> Iterator[Callable[[float], None]]:
    """Moves the time that the store goes by."""
    now = timezone.now()
    with patch("django.utils.timezone.now", side_effect=lambda: now):

        def forward(seconds: float) -> None:
            nonlocal now
            now += timedelta(seconds=seconds)

        yield forward


def on_disk() -> int:
    return sum(path.stat().st_size for path in storage.blobs_root().glob("??/*"))


def test_three_hours_of_checkpoints_never_take_more_room_than_minutes_of_them(
    recorder: Recorder, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    most, step = 0, 0
    for minute in range(180):
        for _save in range(60 // EVERY_S):
            step += 1
            save(recorder, tmp_path, step)
            clock(EVERY_S)
        storage.free()  # as the scheduler does every minute
        if minute % 5 == 0:
            storage.condemn()
        most = max(most, on_disk())
    assert step == 540
    assert most <= 12 * SIZE
    latest = Job.objects.get().checkpoint
    assert latest is not None
    assert storage.path_of(latest.pk).exists()
    clock(3600)
    storage.free()
    assert on_disk() == SIZE


def test_a_checkpoint_saved_twice_alike_is_kept(recorder: Recorder, tmp_path: Path, clock: Any) -> None:
    same = save(recorder, tmp_path, 1)
    assert save(recorder, tmp_path, 1) == same
    clock(7200)
    storage.free()
    assert storage.path_of(same.pk).exists()


def test_what_something_else_uses_is_not_let_go(
    recorder: Recorder, tmp_path: Path, clock: Callable[[float], None], bob: Member
) -> None:
    first = save(recorder, tmp_path, 1)
    Dataset.objects.create(owner=bob, name="Other", task="image-classification")
    version = Version.objects.create(
        dataset=Dataset.objects.get(owner=bob), number=1, filename="x", upload=first
    )
    save(recorder, tmp_path, 2)
    clock(7200)
    storage.free()
    assert storage.path_of(version.upload_id).exists()


def test_what_was_let_go_and_is_stored_again_stays(db: None, clock: Callable[[float], None]) -> None:
    blob = storage.put_bytes(b"again")
    assert superseded.let_go(blob.pk)
    storage.put_bytes(b"again")
    clock(600)
    storage.free()
    assert storage.path_of(blob.pk).exists()
    assert not superseded.let_go(None)


def test_a_lost_lease_lets_nothing_go(recorder: Recorder, tmp_path: Path) -> None:
    first = save(recorder, tmp_path, 1)
    Job.objects.get().attempts.update(epoch=99)
    with pytest.raises(lifecycle.StaleLease):
        save(recorder, tmp_path, 2)
    assert Blob.objects.get(pk=first.pk).condemned_at is None


def test_what_was_swept_is_logged_and_counted(
    db: None, clock: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    live.connection().delete(swept.KEY)
    blob = storage.put_bytes(b"loose")
    with caplog.at_level(logging.INFO, logger="gristmill.sweep"):
        for _turn in range(3):
            clock(3601)
            for chore in chores():
                chore.do()
    said = [line.getMessage() for line in caplog.records if line.name == "gristmill.sweep"]
    assert "swept: 1 condemned_blobs" in said
    assert f"swept: {blob.bytes} freed_bytes" in said
    assert swept.counts()["freed_bytes"] == blob.bytes
