"""Datasets of the cast, versions whose upload is in the store, and a real web server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import transaction

from jobs.datasets import services, validation
from jobs.datasets.models import Dataset, Version
from jobs.datasets.versions import add_version
from portal.core import storage
from portal.members.models import Member
from tests.datasets.server import Server


@pytest.fixture(scope="session", autouse=True)
def celery_app() -> None:
    """Wake-ups go to the suite's Redis."""
    from portal.celery import app

    app.set_default()


@pytest.fixture
def make_dataset(alice: Member) -> Callable[..., Dataset]:
    def make(owner: Member = alice, **given: str) -> Dataset:
        return services.create_dataset(
            owner=owner, **{"name": "Leaves", "task": "image-classification", **given}
        )

    return make


@pytest.fixture
def make_version(make_dataset: Callable[..., Dataset]) -> Callable[..., Version]:
    """A version of those bytes, not checked yet."""

    def make(
        content: bytes, *, task: str = "image-classification", filename: str = "upload", column: str = ""
    ) -> Version:
        blob = storage.put_bytes(content)
        with transaction.atomic():
            return add_version(
                dataset=make_dataset(task=task), blob=blob, filename=filename, label_column=column
            )

    return make


@pytest.fixture
def checked(make_version: Callable[..., Version]) -> Callable[..., Version]:
    """A version of those bytes, checked in the real sandbox."""

    def make(content: bytes, **given: str) -> Version:
        version = make_version(content, **given)
        validation.validate(version.pk)
        version.refresh_from_db()
        return version

    return make


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(Path(tmp_path_factory.mktemp("home"))) as running:
        yield running
