"""Quotas, keys, versions, invitations and tokens when several ask at the same moment, on connections of their own."""

import os
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import Http404
from django.utils import timezone

from hardware.nodes import services as nodes
from hardware.nodes.models import Accelerator, Node
from jobs.datasets import services as datasets
from jobs.datasets import uploads
from jobs.datasets.models import Dataset, Upload, Version
from jobs.queue import dispatch, lifecycle, services, sweeps
from jobs.queue.admission import parse_spec
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job, Submission
from jobs.queue.reasons import Status
from portal.core import leases, storage
from portal.core.leases import StaleLease
from portal.core.models import Blob
from portal.kit.errors import UserError
from portal.ledger.models import Quota
from portal.members import services as members
from portal.members import tokens
from portal.members.models import ApiToken, Invitation, Member
from tests.queue.test_races import ROUNDS, Start, Submit, at_once

pytestmark = pytest.mark.django_db(transaction=True)
REFUSED = (UserError, StaleLease, Http404)


def tried(work: Callable[[], Any]) -> Callable[[], Any]:
    """The work, whose refusal is given as its code instead of raised."""

    def run() -> Any:
        try:
            return work()
        except REFUSED as error:
            return getattr(error, "code", type(error).__name__)

    return run


@pytest.fixture
def dataset(alice: Member) -> Dataset:
    return datasets.create_dataset(owner=alice, name="Leaves", task="image-classification")


def received(dataset: Dataset, content: bytes) -> Version:
    """One request's upload of that content."""
    file = Path(settings.FILE_UPLOAD_TEMP_DIR) / secrets.token_hex(8)
    file.write_bytes(content)
    return datasets.receive_file(dataset=dataset, file=file, size=len(content), filename="x.zip")


def begun(dataset: Dataset, length: int) -> Upload:
    return uploads.begin(
        member=dataset.owner,
        dataset_id=dataset.pk,
        filename="x.zip",
        label_column="",
        length=length,
        metadata="",
    )


def sent(upload: Upload, content: bytes) -> None:
    """All of an upload's bytes by tus, and the version that they become."""
    part = uploads.open_part(upload, offset=0, checked=False)
    try:
        part.write(bytearray(content))
        uploads.finish(upload, part)
    finally:
        part.close()


def test_the_last_room_is_given_once(dataset: Dataset) -> None:
    Quota.objects.create(member=dataset.owner, storage_bytes=250_000)
    made = at_once(
        *[tried(lambda: begun(dataset, 100_000)) for _one in range(3)],
        *[tried(lambda n=n: received(dataset, bytes([n]) * 100_000)) for n in range(3)],  # type: ignore[misc]
    )
    assert sum(isinstance(each, Upload | Version) for each in made) == 2
    assert [each for each in made if isinstance(each, str)] == ["quota_storage"] * 4


def test_versions_that_come_at_once_have_numbers_of_their_own(dataset: Dataset) -> None:
    open_ones = [begun(dataset, 1000) for _one in range(4)]
    at_once(
        *[lambda n=n: received(dataset, bytes([n]) * 500) for n in range(4)],  # type: ignore[misc]
        *[lambda u=u: sent(u, os.urandom(1000)) for u in open_ones],  # type: ignore[misc]
    )
    assert sorted(dataset.versions.values_list("number", flat=True)) == list(range(1, 9))
    assert Upload.objects.filter(version=None).count() == 0


def test_an_upload_is_finished_once_however_many_ask_for_it(dataset: Dataset) -> None:
    for _round in range(ROUNDS):
        upload = begun(dataset, 1000)
        part = uploads.open_part(upload, offset=0, checked=False)
        part.write(bytearray(os.urandom(1000)))
        part.close()
        before = dataset.versions.count()
        at_once(*[lambda u=upload.pk: uploads.settled(Upload.objects.get(pk=u))] * 4)  # type: ignore[misc]
        assert dataset.versions.count() == before + 1


def test_two_dispatchers_keep_to_a_members_concurrency(submit: Submit, node: Node, alice: Member) -> None:
    Quota.objects.create(member=alice, concurrent_jobs=2)
    for index in range(1, 6):
        Accelerator.objects.create(node=node, kind="cpu", index=index, memory_bytes=8 * 1024**3)
    epoch = leases.take(leases.named(dispatch.LEADER), holder="n", ttl_s=60)
    assert epoch is not None
    for _job in range(6):
        submit()
    at_once(*[lambda: dispatch.dispatch(now=0, epoch=epoch)] * 4)
    dispatch.dispatch(now=0, epoch=epoch)
    assert Job.objects.filter(status=Status.STARTING).count() == 2


def test_a_leader_that_was_deposed_starts_nothing(submit: Submit, node: Node) -> None:
    rows = leases.named(dispatch.LEADER)
    old = leases.take(rows, holder="old", ttl_s=60)
    assert old is not None
    submit()
    rows.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    new = leases.take(rows, holder="new", ttl_s=60)
    assert new is not None
    at_once(
        *[tried(lambda: dispatch.dispatch(now=0, epoch=old))] * 3,
        *[tried(lambda: dispatch.dispatch(now=0, epoch=new))] * 2,
    )
    tried(lambda: dispatch.dispatch(now=0, epoch=new))()
    assert Attempt.objects.count() == 1


def test_a_key_with_different_bodies_at_once_is_one_job_and_refusals(submit: Submit) -> None:
    for number in range(ROUNDS):
        made = at_once(
            *[tried(lambda n=n, k=f"k{number}": submit(k, name=f"job {n}").pk) for n in range(6)]  # type: ignore[misc]
        )
        assert sorted(made, key=len)[:5] != made
        assert made.count("idempotency_mismatch") == 5
        assert Submission.objects.filter(key=f"k{number}").count() == 1
    assert Job.objects.count() == ROUNDS


def test_a_lease_that_ends_while_it_is_renewed_is_renewed_or_reaped(submit: Submit, start: Start) -> None:
    for _round in range(ROUNDS):
        job = submit()
        held = start(job)
        Attempt.objects.filter(pk=held.attempt_id).update(
            lease_expires_at=timezone.now() - timedelta(minutes=1)
        )
        renewed, *_reaped = at_once(tried(lambda h=held: renewal(h)), tried(sweeps.reap), tried(sweeps.reap))  # type: ignore[misc]
        job.refresh_from_db()
        attempt = Attempt.objects.get(pk=held.attempt_id)
        if renewed == "StaleLease":
            assert (attempt.end_reason, job.status) == ("node_lost", Status.QUEUED)
        else:
            assert (attempt.ended_at, job.status) == (None, Status.RUNNING)
            assert attempt.lease_expires_at is not None
            assert attempt.lease_expires_at > timezone.now()
        services.cancel_job(job=job, actor=job.owner)


def renewal(held: Held) -> str:
    lifecycle.renew(held)
    return "renewed"


def test_an_invitation_lets_one_of_eight_in(db: None) -> None:
    for number in range(ROUNDS):
        _row, path = members.invite(actor=None)
        digest = members.sha256_of(path.rsplit("/", 1)[1])
        joined = at_once(
            *[
                lambda n=n, r=number, d=digest: members.sign_up(  # type: ignore[misc]
                    member=Member(username=f"guest {r} {n}"), invitation_sha256=d
                )
                for n in range(8)
            ]
        )
        assert sum(member.is_active for member in joined) == 1
        assert Invitation.objects.get(secret_sha256=digest).used_by in joined


def test_a_name_is_taken_once(db: None) -> None:
    made = at_once(
        *[
            tried(lambda n=n: members.create_member(name="Dora" if n % 2 else "dora").pk)  # type: ignore[misc]
            for n in range(6)
        ]
    )
    assert made.count("name_taken") == 5


def test_the_last_two_stewards_can_not_remove_each_other(make_member: Callable[..., Member]) -> None:
    for number in range(ROUNDS):
        Member.objects.update(is_staff=False)
        first, second = (make_member(f"steward {number} {n}", steward=True) for n in range(2))
        done = at_once(
            tried(lambda a=first, b=second: members.set_steward(actor=a, member=b, steward=False)),  # type: ignore[misc]
            tried(lambda a=first, b=second: members.set_steward(actor=b, member=a, steward=False)),  # type: ignore[misc]
        )
        assert sorted(map(str, done)) == ["True", "last_steward"]


def test_nobody_gets_more_tokens_than_the_most(alice: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_PER_MEMBER", 3)
    made = at_once(*[tried(lambda n=n: tokens.create(member=alice, name=f"t{n}")) for n in range(8)])  # type: ignore[misc]
    assert ApiToken.objects.filter(user=alice).count() == 3
    assert made.count("too_many_tokens") == 5


def test_a_dataset_is_deleted_or_trained_on_and_never_both(alice: Member, node: Node) -> None:
    for _round in range(ROUNDS):
        data = datasets.create_dataset(owner=alice, name="Leaves", task="image-classification")
        Version.objects.create(
            dataset=data,
            number=1,
            state="ready",
            filename="x",
            upload=storage.put_bytes(b"x"),
            report={"samples": 9},
        )
        spec = parse_spec({"recipe": "image-classifier", "dataset": data.pk})
        at_once(
            tried(lambda d=data: datasets.delete_dataset(dataset=d, actor=alice)),  # type: ignore[misc]
            tried(lambda s=spec: services.submit_job(owner=alice, spec=s)),  # type: ignore[misc]
        )
        data.refresh_from_db()
        queued = Job.objects.filter(dataset=data, status=Status.QUEUED)
        assert queued.exists() == (data.deleted_at is None)
        assert not queued.filter(version=None).exists()


def test_a_node_that_registers_twice_at_once_is_one(db: None) -> None:
    probe = {"cpu": {"model": "test", "cores": 2}, "memory_bytes": 8 * 1024**3}
    made = at_once(
        *[tried(lambda: nodes.register(name="mill-9", key="same", probe=probe, sandbox={}).pk)] * 4,
    )
    assert len(set(made)) == 1
    assert Node.objects.filter(name="mill-9").count() == 1
    kinds = list(Accelerator.objects.filter(node__name="mill-9").values_list("kind", "index"))
    assert len(kinds) == len(set(kinds))


def test_of_two_computers_of_one_name_one_is_let_in(db: None) -> None:
    made = at_once(
        *[
            tried(lambda k=k: nodes.register(name="mill-8", key=k, probe={}, sandbox={}).pk)  # type: ignore[misc]
            for k in ("a", "b")
        ]
    )
    assert made.count("node_name_taken") == 1


def test_content_that_comes_back_while_it_is_freed_is_there(dataset: Dataset) -> None:
    for number in range(ROUNDS):
        content = f"round {number}".encode() * 1000
        blob = storage.put_bytes(content)
        Blob.objects.filter(pk=blob.pk).update(
            created_at=timezone.now() - timedelta(days=1), condemned_at=timezone.now() - timedelta(days=1)
        )
        version, *_freed = at_once(
            lambda c=content: received(dataset, c),  # type: ignore[misc]
            *[lambda: storage.free(grace=timedelta(0))] * 2,
        )
        assert storage.path_of(blob.pk).read_bytes() == content
        assert Version.objects.get(pk=version.pk).upload_id == blob.pk
