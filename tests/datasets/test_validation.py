"""Checking uploads in the real sandbox, and what becomes of a version when the platform fails."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.datasets import services, validation
from jobs.datasets.models import Dataset, Version, VersionState
from portal.core import leases, storage
from portal.members.models import Member
from tests.datasets.samples import csv_table, image_zip

Checked = Callable[..., Version]

pytestmark = pytest.mark.django_db(transaction=True)


def names(version: Version) -> set[str]:
    return set(version.files.values_list("name", flat=True))


def test_pictures_become_ready_with_report_index_and_strips(checked: Checked) -> None:
    version = checked(image_zip(extra=b"no picture"), filename="leaves.zip")
    assert (version.state, version.reason, version.progress) == (VersionState.READY, "", 1.0)
    assert version.report["samples"] == 12
    assert version.report["classes"] == {"cat": 6, "dog": 6}
    assert sum(version.report["splits"].values()) == 12
    assert [skipped["file"] for skipped in version.report["skipped"]] == ["cat/broken.png"]
    assert names(version) == {"index.json.gz", "preview.json", "strip-0.webp", "strip-1.webp"}
    assert all(storage.path_of(file.blob_id).is_file() for file in version.files.all())


@pytest.mark.parametrize(
    ("task", "column", "classes"),
    [("table-classification", "kind", {"x": 20, "y": 20}), ("table-regression", "", {})],
)
def test_tables_become_ready(checked: Checked, task: str, column: str, classes: dict[str, int]) -> None:
    version = checked(csv_table(), task=task, filename="prices.csv", column=column)
    assert (version.state, version.reason) == (VersionState.READY, "")
    assert version.report["classes"] == classes
    assert {"name": column or "price", "role": "label"}.items() <= next(
        found for found in version.report["columns"] if found["role"] == "label"
    ).items()
    assert names(version) == {"index.json.gz", "preview.json", "table.npz"}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", image_zip(labels=("one",))])
def test_what_cannot_be_used_is_rejected_in_words(checked: Checked, content: bytes) -> None:
    version = checked(content, filename="--out=x\n.zip")
    assert version.state == VersionState.REJECTED
    assert version.code
    assert version.reason.endswith(".")
    assert version.report == {}
    assert names(version) == set()


def test_too_little_memory_is_said(checked: Checked, settings: object) -> None:
    settings.VALIDATION_MEMORY_MB = 8  # type: ignore[attr-defined]
    version = checked(image_zip())
    assert (version.state, version.code) == (VersionState.REJECTED, "too_much_memory")


def test_a_doubled_message_changes_nothing(checked: Checked) -> None:
    version = checked(image_zip())
    before = Version.objects.values().get(pk=version.pk)
    validation.validate(version.pk)
    assert Version.objects.values().get(pk=version.pk) == before
    validation.validate("no such version")


def test_nobody_checks_what_another_is_checking(make_version: Checked) -> None:
    version = make_version(image_zip())
    rows = Version.objects.filter(pk=version.pk)
    epoch = leases.take(rows, holder="another", ttl_s=60)
    assert epoch is not None
    assert version.pk not in validation.due()
    validation.validate(version.pk)
    assert rows.get().state == VersionState.VALIDATING
    leases.give_back(rows, epoch=epoch)
    assert version.pk in validation.due()


def test_a_lost_lease_writes_nothing(make_version: Checked) -> None:
    """Another takes over in the middle: the first one's result does not count."""
    version = make_version(image_zip(per_class=60))
    rows = Version.objects.filter(pk=version.pk)
    first = threading.Thread(target=validation.validate, args=(version.pk,))
    first.start()
    while not rows.get().holder:
        time.sleep(0.01)
    rows.update(epoch=99, holder="another", lease_expires_at=leases.in_future(60))
    first.join()
    assert (rows.get().state, rows.get().epoch, names(version)) == (VersionState.VALIDATING, 99, set())


def test_a_dataset_deleted_in_the_middle_ends_the_check(make_version: Checked, alice: Member) -> None:
    version = make_version(image_zip(per_class=60))
    thread = threading.Thread(target=validation.validate, args=(version.pk,))
    thread.start()
    while not Version.objects.get(pk=version.pk).holder:
        time.sleep(0.01)
    services.delete_dataset(dataset=version.dataset, actor=alice)
    thread.join()
    assert not Version.objects.exists()
    assert Dataset.objects.get().deleted_at


def test_platform_trouble_is_tried_three_times_and_then_owned_up_to(make_version: Checked) -> None:
    version = make_version(image_zip())
    storage.path_of(version.upload.sha256).unlink()  # a disk that lost a file
    for tries in (1, 2):
        validation.validate(version.pk)
        version.refresh_from_db()
        assert (version.state, version.tries) == (VersionState.VALIDATING, tries)
        assert validation.due() == [version.pk]
    validation.validate(version.pk)
    version.refresh_from_db()
    assert (version.state, version.code) == (VersionState.REJECTED, "platform_error")
    assert "not your fault" in version.reason


def test_a_check_that_keeps_killing_its_worker_is_given_up(make_version: Checked) -> None:
    version = make_version(image_zip())
    Version.objects.update(tries=3, holder="killed", lease_expires_at=timezone.now() - timedelta(seconds=1))
    validation.validate(version.pk)
    version.refresh_from_db()
    assert (version.state, version.code) == (VersionState.REJECTED, "platform_error")


def test_a_lost_message_is_made_up_for_by_the_sweep(make_version: Checked) -> None:
    version = make_version(image_zip())
    assert services.sweep() >= 1
    Version.objects.filter(pk=version.pk).update(state=VersionState.READY)
    assert services.sweep() == 0


def test_no_scratch_is_left(checked: Checked, settings: object) -> None:
    checked(image_zip())
    assert list((settings.HOME / "work" / "checks").iterdir()) == []  # type: ignore[attr-defined]
