"""While the bucket is away: uploads and downloads are refused in words, and what came whole is settled later."""

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.datasets.server import Server
from tests.storage.conftest import Store
from tests.storage.servers import Line

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = "Nothing was lost"


@pytest.fixture
def web(line: Line, far: Store, tmp_path: Path) -> Iterator[Server]:
    """The web server as it really runs, on the bucket at the other end of the line."""
    made = Server(tmp_path / "web")
    made.env |= {
        "GRISTMILL_S3_BUCKET": far.bucket, "GRISTMILL_S3_PREFIX": far.prefix,
        "GRISTMILL_S3_ENDPOINT": line.address,
        "GRISTMILL_S3_ACCESS_KEY": "key", "GRISTMILL_S3_SECRET_KEY": "secret",
    }  # fmt: skip
    with made:
        yield made


def refused(answer: requests.Response) -> None:
    """It says that the file store is away, and when to ask again."""
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert (answer.json()["code"], WORDS in answer.json()["detail"]) == ("no_file_store", True)


SETTLE = """
import django
django.setup()
from jobs.datasets import uploads
print(uploads.sweep())
"""


class Tus:
    """An upload by tus, whole but for its last PATCH."""

    def __init__(self, web: Server, content: bytes) -> None:
        self.web, self.content = web, content
        dataset = base64.b64encode(web.cast["alice"]["dataset"].encode()).decode()
        headers = web.headers(
            **{"Upload-Length": str(len(content)), "Upload-Metadata": f"dataset {dataset},filename eA=="}
        )
        made = requests.post(f"{web.url}/api/v1/uploads", headers=headers, timeout=20)
        self.url = made.headers["Location"]
        assert self.patch(0, content[:-9]).status_code == 204

    def patch(self, offset: int, body: bytes) -> requests.Response:
        kind = "application/offset+octet-stream"
        headers = self.web.headers(**{"Upload-Offset": str(offset), "Content-Type": kind})
        return requests.patch(self.url, data=body, headers=headers, timeout=30)

    def last_patch(self) -> requests.Response:
        return self.patch(len(self.content) - 9, self.content[-9:])

    def get(self) -> requests.Response:
        return requests.get(self.url, headers=self.web.headers(), timeout=30)

    def whole(self) -> bool:
        """Whether it became a version of just those bytes."""
        version = self.web.get(self.web.get(self.url)["version"])
        return bool(version["sha256"] == hashlib.sha256(self.content).hexdigest())


def test_the_last_patch_of_tus_is_refused_in_words_and_settled_later(
    web: Server, line: Line, far: Store
) -> None:
    first, second = (Tus(web, os.urandom(100_000)) for _number in range(2))
    line.down()
    for upload in (first, second):
        refused(upload.last_patch())
        refused(upload.get())
        assert requests.head(upload.url, headers=web.headers(), timeout=30).status_code == 503
    assert web.python(SETTLE).split() == [b"0"]
    line.up()
    answer = requests.head(first.url, headers=web.headers(), timeout=30)  # as its client goes on
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (200, "100000")
    assert web.python(SETTLE).split() == [b"1"]  # the other's client went away
    assert first.whole()
    assert second.whole()
    assert far.content(hashlib.sha256(second.content).hexdigest()) == second.content
    assert list((web.home / "uploads").glob("*.part")) == []


def test_an_upload_in_one_request_and_a_download_are_refused_in_words(
    web: Server, line: Line, tmp_path: Path
) -> None:
    content = os.urandom(3_000_000)
    url = f"{web.url}/api/v1/datasets/{web.cast['alice']['dataset']}/versions"

    def send() -> requests.Response:
        files = {"file": ("leaves.zip", content)}
        return requests.post(url, files=files, headers=web.headers(), timeout=30)

    line.down()
    refused(send())
    assert web.get(f"/api/v1/datasets/{web.cast['alice']['dataset']}")["versions"] == []
    line.up()
    assert send().status_code == 202
    model = json.loads(web.python(MODEL))
    line.down()
    for more in ({}, {"Range": "bytes=5-9"}):
        refused(requests.get(f"{web.url}{model['path']}", headers=web.headers(**more), timeout=30))
    line.up()
    answer = requests.get(f"{web.url}{model['path']}", headers=web.headers(), timeout=30)
    assert answer.content == b"a model"


MODEL = """
import django, json
django.setup()
from jobs.bundles.models import TrainedModel
from jobs.queue.models import Job
from jobs.datasets.models import Dataset
from portal.core import storage
data = Dataset.objects.get(owner__username="alice")
job = Job.objects.create(owner=data.owner, kind="train", name="x", status="succeeded", dataset=data)
keras = storage.put_bytes(b"a model")
model = TrainedModel.objects.create(owner=data.owner, job=job, dataset=data, name="x", keras=keras)
storage.cache().drop(keras.pk)
print(json.dumps({"path": f"/api/v1/models/{model.pk}/keras"}))
"""
