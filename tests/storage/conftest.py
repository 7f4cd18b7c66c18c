"""Stores to try: the home's folder, and a bucket of a real server. Each test has a home and a bucket of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from portal.core import storage
from portal.core.models import Blob
from portal.kit.ids import new_id
from tests.queue.conftest import node, submit, version  # noqa: F401 - fixtures
from tests.queue.test_attempts import begin  # noqa: F401 - a fixture
from tests.storage.servers import Line, Server, s3


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with s3() as running:
        yield running


@dataclass
class Store:
    """A store as its tests look at it from outside. `home` moves to another home that shares the bucket."""

    settings: Any
    server: Server | None = None
    bucket: str = ""
    prefix: str = "mill/blobs"

    def home(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.settings.HOME = path

    def use(self, address: str) -> None:
        options = {
            "bucket_name": self.bucket, "endpoint_url": address, "region_name": "us-east-1",
            "location": self.prefix, "access_key": "key", "secret_key": "secret", "addressing_style": "path",
        }  # fmt: skip
        self.settings.STORAGES = self.settings.STORAGES | {
            "blobs": {"BACKEND": "portal.core.stores.bucket.Bucket", "OPTIONS": options}
        }

    def key(self, sha256: str) -> str:
        return f"{self.prefix}/{sha256[:2]}/{sha256}"

    def content(self, sha256: str) -> bytes | None:
        """What lies under that hash, asked of the disk or the server itself."""
        if self.server is None:
            path = storage.path_of(sha256)
            return path.read_bytes() if path.exists() else None
        try:
            found = self.server.client.get_object(Bucket=self.bucket, Key=self.key(sha256))
        except self.server.client.exceptions.ClientError:
            return None
        return bytes(found["Body"].read())


def in_a_bucket(server: Server, settings: Any, tmp_path: Path) -> Store:
    made = Store(settings, server, server.bucket(f"b{new_id().lower()}"))
    made.home(tmp_path)
    made.use(server.address)
    return made


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Store:
    if request.param == "bucket":
        return in_a_bucket(request.getfixturevalue("server"), settings, tmp_path)
    settings.HOME = tmp_path
    return Store(settings)


@pytest.fixture
def far(server: Server, settings: Any, tmp_path: Path) -> Store:
    """A store in a bucket."""
    return in_a_bucket(server, settings, tmp_path)


@pytest.fixture
def line(far: Store) -> Iterator[Line]:
    """The line by which the portal, and nobody else, reaches the bucket."""
    assert far.server is not None
    made = Line(far.server.port)
    made.up()
    far.use(made.address)
    yield made
    made.down()


@pytest.fixture
def fetched(far: Store) -> Callable[[Blob], bytes]:
    """What a blob holds, read by this home."""

    def read(blob: Blob) -> bytes:
        with storage.open_blob(blob) as file:
            return file.read()

    return read
