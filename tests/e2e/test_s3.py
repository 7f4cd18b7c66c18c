"""A portal with its files in a bucket, and a node with a home of its own that works for it."""

import contextlib
import hashlib
import io
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.bundles import signing
from tests.e2e.portal import ROOT, Portal, Scripter, digits_zip
from tests.postgres import cluster
from tests.storage.servers import KEYS, Server, s3

pytestmark = [pytest.mark.long, pytest.mark.train, pytest.mark.timeout(600)]
BUCKET = "mill"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with s3() as running:
        running.bucket(BUCKET)
        yield running


@pytest.fixture(scope="module")
def mill(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    place = {"GRISTMILL_S3_BUCKET": BUCKET, "GRISTMILL_S3_ENDPOINT": server.address}
    key = signing.private_pem(signing.new_key()).decode()
    with cluster() as database:
        home = tmp_path_factory.mktemp("web")
        more = {
            "DATABASE_URL": database.replace("/gristmill?", "/postgres?"),
            "GRISTMILL_SIGNING_KEY": key,
            "GRISTMILL_NODE": "web",
        }
        made = Portal(home, extra=KEYS | place | more)
        made.start()
        yield made
        assert made.stop() == 0


@pytest.fixture(scope="module")
def dee(mill: Portal) -> Scripter:
    return mill.member("dee", steward=True)


@pytest.fixture(scope="module")
def digits(dee: Scripter) -> str:
    return dee.dataset("Digits", "image-classification", "digits.zip", digits_zip())


@pytest.fixture(scope="module")
def trained(dee: Scripter, digits: str) -> dict[str, Any]:
    spec = {"recipe": "image-classifier", "dataset": digits, "params": {"epochs": 6}, "name": "Digits"}
    job: dict[str, Any] = dee.ended(dee.post("/jobs", spec), timeout_s=300)
    assert job["status"] == "succeeded", dee.trail(f"/jobs/{job['id']}")
    return job


def stored(server: Server) -> dict[str, int]:
    """SHA-256 and size of what is in the bucket."""
    found = server.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {each["Key"].rpartition("/")[2]: each["Size"] for each in found}


def downloaded(dee: Scripter, model: str, target: str) -> tuple[dict[str, Any], bytes]:
    asked = dee.http.post("/bundles", json={"model": model, "target": target})
    assert asked.is_success, asked.text
    bundle = dee.wait(f"/bundles/{asked.json()['id']}", lambda b: b["state"] != "building", timeout_s=300)
    assert bundle["state"] == "ready", bundle
    answer = dee.http.get(bundle["download"])
    assert answer.is_success, answer.text
    return bundle, answer.content


def test_all_files_are_in_the_bucket(
    mill: Portal, dee: Scripter, digits: str, trained: dict[str, Any], server: Server
) -> None:
    _bundle, content = downloaded(dee, trained["model"], "linux-pc")
    digest = hashlib.sha256(content).hexdigest()
    there = stored(server)
    assert there[digest] == len(content)
    assert dee.get(f"/datasets/{digits}/versions/1")["sha256"] in there
    assert not list((mill.home / "blobs").glob("??/*"))
    kept = {path.name for path in (mill.home / "fetched").glob("??/*")}
    assert kept <= there.keys()
    bundled = mill.manage(
        "shell", "-c", "from portal.core.models import Blob\nprint(*Blob.objects.values_list('pk'))"
    )
    assert all(sha256 in bundled for sha256 in there)


@contextlib.contextmanager
def node(mill: Portal, home: Path) -> Iterator[None]:
    """A node that shares nothing with the portal but the database, Redis and the bucket."""
    env = mill.env | {
        "GRISTMILL_HOME": str(home), "GRISTMILL_NODE": "mill-2", "OMP_NUM_THREADS": "1",
        "REDIS_URL": f"unix://{mill.home}/run/redis.sock",
    }  # fmt: skip
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "node"], cwd=ROOT, env=env, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def _set(dee: Scripter, name: str, state: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        for found in dee.get("/nodes"):
            if found["name"] == name:
                assert dee.http.patch(f"/nodes/{found['id']}", json={"state": state}).is_success
                return
        time.sleep(0.2)
    raise AssertionError(f"no node {name}")


def test_a_node_with_a_home_of_its_own_builds_what_the_web_sends(
    mill: Portal, dee: Scripter, trained: dict[str, Any], server: Server, tmp_path: Path
) -> None:
    with node(mill, tmp_path):
        _set(dee, "mill-2", "active")
        _set(dee, "web", "maintenance")
        try:
            bundle, content = downloaded(dee, trained["model"], "raspberry-pi-4")
        finally:
            _set(dee, "web", "active")
    digest = hashlib.sha256(content).hexdigest()
    assert stored(server)[digest] == len(content)
    assert (tmp_path / "fetched" / digest[:2] / digest).exists()  # it was built there
    assert not (mill.home / "fetched" / digest[:2] / digest).exists()
    key = mill.manage("shell", "-c", "from jobs.bundles import keys\nprint(keys.public_pem())")
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        parts = {name.rpartition("/")[2]: packed.read(name) for name in packed.namelist()}
    public = signing.load_public(key[key.index("-----BEGIN") :])
    assert signing.is_signed(public, parts["manifest.sig"], parts["manifest.json"])
    assert bundle["target"] == "raspberry-pi-4"
