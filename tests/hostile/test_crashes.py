"""A file that breaks the checker itself, as native decoders can be broken: its member reads how to save it anew."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.datasets import validation
from jobs.datasets.formats.rejected import Rejected
from jobs.datasets.formats.table_parquet import read_parquet
from jobs.datasets.models import Version, VersionState
from tests.datasets.samples import csv_table, image_zip
from tests.hostile import parquets

ABORT, SEGFAULT = "import os; os.abort()", "import ctypes; ctypes.string_at(0)"
FAILURE = "raise RuntimeError('no signal')"
Make = Callable[..., Version]


def checker(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """The sandbox runs this program instead of the checker."""
    monkeypatch.setattr(validation, "_command", lambda _version: [sys.executable, "-c", program])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("program", [ABORT, SEGFAULT])
@pytest.mark.parametrize(
    ("content", "task", "advice"),
    [(image_zip(), "image-classification", "JPEG or PNG"), (csv_table(), "table-regression", "CSV (UTF-8)")],
)
def test_two_crashes_are_the_files_doing(
    program: str,
    content: bytes,
    task: str,
    advice: str,
    monkeypatch: pytest.MonkeyPatch,
    make_version: Make,
) -> None:
    checker(monkeypatch, program)
    version = make_version(content, task=task)
    validation.validate(version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.VALIDATING  # once may be an accident of the machine's
    validation.validate(version.pk)
    version.refresh_from_db()
    assert (version.state, version.code) == (VersionState.REJECTED, "unreadable_file")
    assert advice in version.reason
    assert version.pk not in validation.due()


@pytest.mark.django_db(transaction=True)
def test_a_crash_that_does_not_come_again_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, make_version: Make
) -> None:
    version = make_version(image_zip())
    with monkeypatch.context() as once:
        checker(once, ABORT)
        validation.validate(version.pk)
    validation.validate(version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.READY


@pytest.mark.django_db(transaction=True)
def test_an_error_of_ours_is_not_blamed_on_the_file(
    monkeypatch: pytest.MonkeyPatch, make_version: Make
) -> None:
    checker(monkeypatch, FAILURE)
    version = make_version(image_zip())
    for _ in range(validation.MAX_TRIES):
        validation.validate(version.pk)
    version.refresh_from_db()
    assert version.code == "platform_error"
    assert "not your fault" in version.reason


@pytest.mark.parametrize("name", ["a footer without columns", "encrypted behind a plain footer"])
def test_what_aborts_arrow_is_rejected_at_once(name: str, tmp_path: Path) -> None:
    file = tmp_path / "table.parquet"
    file.write_bytes(parquets.CASES[name].make())
    with pytest.raises(Rejected) as caught:
        read_parquet(file, lambda _part: None)
    assert caught.value.code == "damaged_table"
