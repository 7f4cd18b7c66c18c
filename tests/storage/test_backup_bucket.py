"""Backups of a portal whose bytes are in a bucket: put back into an empty bucket or folder, never into one in use."""

import hashlib
import shutil
from pathlib import Path

import pytest

from portal.kit.ids import new_id
from tests.operations.homes import Home
from tests.operations.test_backup import settled, tables
from tests.storage.servers import KEYS, Line, Server

pytestmark = pytest.mark.long

PREFIX = "mill/blobs"


def on(address: str, bucket: str, prefix: str = PREFIX) -> dict[str, str]:
    """The environment of a portal that keeps its bytes there."""
    where = {"BUCKET": bucket, "PREFIX": prefix, "ENDPOINT": address}
    return KEYS | {f"GRISTMILL_S3_{name}": value for name, value in where.items()}


def new_bucket(server: Server) -> str:
    return server.bucket(f"b{new_id().lower()}")


def held(server: Server, bucket: str, prefix: str = PREFIX) -> dict[str, bytes]:
    """What lies in the bucket, by the names of blobs."""
    listed = server.client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
    got = {found["Key"]: server.client.get_object(Bucket=bucket, Key=found["Key"]) for found in listed}
    return {key.rpartition("/")[2]: found["Body"].read() for key, found in got.items()}


@pytest.fixture(scope="module")
def bucket(server: Server) -> str:
    return new_bucket(server)


@pytest.fixture(scope="module")
def made(server: Server, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backup of a home that keeps nothing of its bucket."""
    home = Home(tmp_path_factory.mktemp("home") / "var", on(server.address, bucket)).fill()
    shutil.rmtree(home.folder / "fetched")
    file = tmp_path_factory.mktemp("backups") / "mill.tar"
    assert "4 blobs" in home.manage("backup", str(file))
    return file


def used(server: Server, bucket: str) -> dict[str, bytes]:
    return {
        name: content for name, content in held(server, bucket).items() if b"nothing refers" not in content
    }


@pytest.mark.parametrize("into_a_bucket", [True, False], ids=["into a bucket", "into a folder"])
def test_what_is_restored_is_what_was_in_the_bucket(
    server: Server, bucket: str, made: Path, tmp_path: Path, into_a_bucket: bool
) -> None:
    other = new_bucket(server)
    fresh = Home(tmp_path / "fresh", on(server.address, other) if into_a_bucket else {})
    assert "Restored" in fresh.manage("restore", str(made))
    found = held(server, other) if into_a_bucket else fresh.blobs()
    assert len(found) == 4
    assert found == used(server, bucket)
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in found.items())
    fresh.manage("backup", str(tmp_path / "again.tar"))
    assert settled(tables(tmp_path / "again.tar")) == settled(tables(made))


def test_a_bucket_in_use_is_refused_in_words_and_another_prefix_is_not(
    server: Server, bucket: str, made: Path, tmp_path: Path
) -> None:
    before = held(server, bucket)
    fresh = Home(tmp_path / "fresh", on(server.address, bucket))
    said = fresh.refused("restore", str(made))
    assert f"The bucket '{bucket}' below '{PREFIX}' holds blobs already" in said
    assert "GRISTMILL_S3_PREFIX" in said
    assert held(server, bucket) == before
    fresh.extra |= {"GRISTMILL_S3_PREFIX": "second"}
    assert "Restored" in fresh.manage("restore", str(made))  # nothing was changed by what was refused
    assert held(server, bucket) == before
    assert held(server, bucket, "second") == used(server, bucket)


def test_a_bucket_that_is_none_or_away_is_refused_before_anything_is_changed(
    server: Server, made: Path, tmp_path: Path
) -> None:
    fresh = Home(tmp_path / "fresh", on(server.address, "no-such-bucket"))
    assert "The bucket 'no-such-bucket' does not take files" in fresh.refused("restore", str(made))
    line, other = Line(server.port), new_bucket(server)
    fresh.extra |= on(line.address, other)
    assert "can't reach its file store" in fresh.refused("restore", str(made))
    line.up()
    assert "Restored" in fresh.manage("restore", str(made))
    line.down()
    assert len(held(server, other)) == 4


def test_a_bucket_that_goes_away_in_the_middle_is_waited_for(
    server: Server, bucket: str, made: Path, tmp_path: Path
) -> None:
    line, other = Line(server.port, cut_after=3000, seconds_down=6.0), new_bucket(server)
    line.up()
    fresh = Home(tmp_path / "fresh", on(line.address, other))
    said = fresh.manage("restore", str(made))
    line.down()
    assert said.count("Waiting for it") >= 1
    assert held(server, other) == used(server, bucket)
