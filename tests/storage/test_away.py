"""While the bucket is away: attempts and checks wait for it, what is unused is freed later, nothing is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from django.conf import settings as current
from django.db import connection, transaction
from django.utils import timezone

from jobs.bundles.models import TrainedModel
from jobs.datasets import services as datasets
from jobs.datasets import validation
from jobs.datasets.models import Version, VersionState
from jobs.datasets.versions import add_version
from jobs.queue import lifecycle, nodefiles, pulse, record, services, sweeps
from jobs.queue import supervise as supervising
from jobs.queue.models import Attempt, Job, LogChunk, Request
from jobs.queue.reasons import EndReason, Status
from jobs.queue.supervise import Supervisor
from jobs.runner.warm import WarmParent
from portal.core import storage
from portal.core.models import Blob
from portal.core.stores import bucket as buckets
from portal.core.stores.trouble import StoreAwayError
from portal.ledger.models import LedgerEntry
from portal.members.models import Member
from tests.datasets.samples import image_zip
from tests.queue.test_attempts import ENGINE
from tests.storage.conftest import Store
from tests.storage.servers import Line

pytestmark = pytest.mark.django_db(transaction=True)
Begin = Callable[..., Attempt]
Run = Callable[[Attempt], Supervisor]


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def forget(blob: Blob) -> None:
    """This home keeps the blob no longer."""
    assert storage.cache().drop(blob.pk)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are short, and what is to be tried again is tried again soon."""
    monkeypatch.setattr(lifecycle, "LEASE_S", 1.5)
    monkeypatch.setattr(pulse, "RENEW_S", 0.2)
    monkeypatch.setattr(pulse, "LOOK_S", 0.2)
    monkeypatch.setattr(supervising, "STORE_S", 0.2)
    monkeypatch.setattr(record, "PAY_EVERY_S", 0.2)


@pytest.fixture
def supervised(line: Line, often: None) -> Iterator[Run]:
    """Have an attempt run, in a thread of its own, on a node that is ready."""
    storage.incoming()
    home = Path(current.HOME) / "node"
    shared = [storage.blobs_root()]
    warm = WarmParent(home, target="short_tasks:run", preload=["json"], code=[ENGINE], shared=shared)
    warm.start()
    assert warm.wait_ready(20)
    threads: list[threading.Thread] = []

    def run(attempt: Attempt) -> Supervisor:
        held = lifecycle.claim(attempt.pk, holder="test")
        assert held is not None
        made = Supervisor(held, warm, lambda: False)

        def work() -> None:
            try:
                made.run()
            finally:
                connection.close()

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return made

    yield run
    line.up()
    for thread in threads:
        thread.join(timeout=20)
    warm.close()


def now(attempt: Attempt) -> Job:
    return Job.objects.get(pk=attempt.job_id)


def ended(attempt: Attempt, within: float = 20.0) -> Job:
    """The job, once the attempt is over. What the attempt left on the node is gone then."""
    until(lambda: Attempt.objects.get(pk=attempt.pk).ended_at is not None, within)
    until(lambda: not (nodefiles.attempts_root() / attempt.pk).exists())
    return now(attempt)


def waits(attempt: Attempt, status: str, seconds: float = 3.0) -> None:
    """The attempt stays where it is, for longer than its lease would last unrenewed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert sweeps.reap() == 0
        assert (now(attempt).status, now(attempt).attempts.count()) == (status, 1)
        time.sleep(0.2)


def log_of(attempt: Attempt) -> str:
    return "".join(LogChunk.objects.filter(job_id=attempt.job_id).values_list("text", flat=True))


def told(job: Job) -> str:
    """What the member reads of the job's last move."""
    return job.events.latest("pk").sentence


def said(attempt: Attempt, text: str) -> None:
    """Wait until the job's log has it."""
    until(lambda: text in log_of(attempt))


def test_an_attempt_waits_for_its_inputs_under_its_lease(line: Line, supervised: Run, begin: Begin) -> None:
    attempt = begin("count")
    forget(attempt.job.version.upload)
    line.down()
    supervised(attempt)
    waits(attempt, Status.STARTING)
    line.up()
    job = ended(attempt)
    assert (job.end_reason, job.message) == (EndReason.NAN_LOSS, "counted")


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        (Request.CANCEL, Status.CANCELLED, EndReason.CANCELLED),
        (Request.PREEMPT, Status.QUEUED, EndReason.PREEMPTED),
        (Request.DRAIN, Status.QUEUED, EndReason.DRAINED),
    ],
)
def test_what_waits_for_its_inputs_ends_when_it_is_asked_to(
    line: Line, supervised: Run, begin: Begin, asked: str, status: str, reason: str
) -> None:
    attempt = begin("count")
    forget(attempt.job.version.upload)
    line.down()
    supervised(attempt)
    waits(attempt, Status.STARTING, 0.5)
    Job.objects.filter(pk=attempt.job_id).update(request=asked)
    job = ended(attempt, within=8)
    assert (job.status, job.started_at) == (status, None)
    assert job.attempts.get().end_reason == reason
    assert told(job) == EndReason(reason).label


def test_a_checkpoint_is_owed_while_the_job_goes_on(
    line: Line, far: Store, supervised: Run, begin: Begin, alice: Member
) -> None:
    attempt = begin("save_and_go_on")
    line.down()
    supervised(attempt)
    until(lambda: now(attempt).metrics.get("step", 0) >= 10)
    assert now(attempt).checkpoint is None
    line.up()
    until(lambda: now(attempt).checkpoint is not None)
    job = now(attempt)
    assert (job.status, job.checkpoint_step) == (Status.RUNNING, 1)
    assert far.content(str(job.checkpoint_id)) == b"weights of step 1"
    services.cancel_job(job=job, actor=alice)
    assert ended(attempt).status == Status.CANCELLED


def test_a_job_that_ends_meanwhile_waits_until_its_checkpoint_is_stored(
    line: Line, far: Store, supervised: Run, begin: Begin
) -> None:
    attempt = begin("save")
    line.down()
    supervised(attempt)
    said(attempt, "saved")
    waits(attempt, Status.RUNNING)
    line.up()
    job = ended(attempt)
    assert (job.end_reason, job.message) == (EndReason.NAN_LOSS, "saved")
    assert far.content(str(job.checkpoint_id)) == b"weights of step 1"


def test_a_job_that_hangs_is_found_out_although_its_checkpoint_is_owed(
    line: Line, supervised: Run, begin: Begin, settings: Any
) -> None:
    settings.HUNG_AFTER_S = 2
    attempt = begin("save_and_hang")
    line.down()
    run = supervised(attempt)
    until(lambda: run.pulse.killed_for == EndReason.HUNG)
    line.up()
    job = ended(attempt)
    assert (job.end_reason, job.checkpoint_step) == (EndReason.HUNG, 1)


def test_results_wait_until_they_can_be_stored(line: Line, far: Store, supervised: Run, begin: Begin) -> None:
    attempt = begin("make")
    line.down()
    supervised(attempt)
    said(attempt, "made")
    waits(attempt, Status.RUNNING)
    line.up()
    assert ended(attempt).status == Status.SUCCEEDED
    model = TrainedModel.objects.get(job_id=attempt.job_id)
    assert far.content(model.keras_id) == b"a model"


@pytest.mark.parametrize("do", ["make", "save"])
def test_what_waits_to_be_stored_can_be_cancelled(
    line: Line, supervised: Run, begin: Begin, alice: Member, do: str
) -> None:
    attempt = begin(do)
    line.down()
    supervised(attempt)
    until(lambda: now(attempt).status == Status.RUNNING)
    waits(attempt, Status.RUNNING)
    services.cancel_job(job=now(attempt), actor=alice)
    job = ended(attempt, within=8)
    assert (job.status, job.end_reason) == (Status.CANCELLED, EndReason.CANCELLED)
    assert told(job) == EndReason.CANCELLED.label
    assert LedgerEntry.objects.get(attempt=attempt.pk).device_seconds < 2  # nobody pays for waiting
    assert log_of(attempt) == {"make": "made\n", "save": "saved\nthat is all\n"}[do]
    assert not TrainedModel.objects.exists()


@pytest.fixture
def unchecked(line: Line, alice: Member) -> Version:
    """A version whose check is to come. Its upload is in the bucket and in this home."""
    dataset = datasets.create_dataset(owner=alice, name="Leaves", task="image-classification")
    blob = storage.put_bytes(image_zip())
    with transaction.atomic():
        return add_version(dataset=dataset, blob=blob, filename="leaves.zip", label_column="")


@pytest.mark.parametrize("kept", [False, True], ids=["its upload", "what it found"])
def test_a_check_for_which_the_bucket_was_away_is_no_try(line: Line, unchecked: Version, kept: bool) -> None:
    if not kept:
        forget(unchecked.upload)
    line.down()
    for _again in range(validation.MAX_TRIES + 1):
        validation.validate(unchecked.pk)
        unchecked.refresh_from_db()
        assert (unchecked.state, unchecked.tries) == (VersionState.VALIDATING, 0)
        assert not unchecked.files.exists()
        assert validation.due() == [unchecked.pk]
    line.up()
    validation.validate(unchecked.pk)
    unchecked.refresh_from_db()
    assert (unchecked.state, unchecked.tries) == (VersionState.READY, 1)


@pytest.mark.parametrize("kept", [False, True], ids=["its upload", "what it found"])
def test_a_bucket_that_does_not_answer_for_longer_than_a_lease_costs_no_try_either(
    line: Line, far: Store, unchecked: Version, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    monkeypatch.setattr(buckets, "PATIENT", Config(read_timeout=4, retries={"total_max_attempts": 1}))
    monkeypatch.setattr(validation, "LEASE_S", 1.5)
    monkeypatch.setattr(validation, "RENEW_S", 0.5)
    monkeypatch.setattr(validation, "BEAT_S", 0.2)
    far.use(line.address)
    if not kept:
        forget(unchecked.upload)
    line.dead = True
    check = threading.Thread(target=checked, args=(unchecked,))
    check.start()
    until(lambda: Version.objects.get(pk=unchecked.pk).holder)
    while check.is_alive():
        due = validation.due()
        if not Version.objects.get(
            pk=unchecked.pk
        ).holder:  # given back, perhaps before it was asked who is due
            break
        assert due == []  # nobody else begins to check it
        time.sleep(0.1)
    check.join()
    unchecked.refresh_from_db()
    assert (unchecked.state, unchecked.tries, unchecked.holder) == (VersionState.VALIDATING, 0, "")


def checked(version: Version) -> None:
    try:
        validation.validate(version.pk)
    finally:
        connection.close()


def loose(content: bytes) -> Blob:
    """A blob that nothing has used for two days."""
    blob = storage.put_bytes(content)
    Blob.objects.filter(pk=blob.pk).update(created_at=timezone.now() - timedelta(days=2))
    return blob


def test_the_unused_is_condemned_meanwhile_and_freed_later(line: Line, far: Store) -> None:
    blobs = [loose(b"one"), loose(b"two")]
    line.down()
    assert storage.condemn() == 2
    with pytest.raises(StoreAwayError):
        storage.free(grace=timedelta(0))
    assert Blob.objects.count() == 2
    line.up()
    assert storage.free(grace=timedelta(0)) == 6
    assert [far.content(blob.pk) for blob in blobs] == [None, None]


def test_who_could_not_be_given_the_condemned_again_is_given_it_later(line: Line, far: Store) -> None:
    blob = loose(b"again")
    storage.condemn()
    line.down()
    with pytest.raises(StoreAwayError):
        storage.put_bytes(b"again")
    line.up()
    assert storage.put_bytes(b"again") == blob
    assert storage.free(grace=timedelta(0)) == 0
    assert far.content(blob.pk) == b"again"


def test_a_bucket_that_does_not_answer_holds_a_row_locked_for_seconds_only(line: Line, far: Store) -> None:
    loose(b"one")
    storage.condemn()
    line.dead = True
    began = time.monotonic()
    with pytest.raises(StoreAwayError):
        storage.free(grace=timedelta(0))
    assert time.monotonic() - began < 10
    assert Blob.objects.exists()
