"""A member brings a model, and its check ends."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from jobs.bundles.models import TrainedModel
from jobs.queue.kinds import KINDS, Result
from portal.members.models import Member
from tests.bundles.folders import REPORT, as_bytes
from tests.queue.conftest import node, start  # noqa: F401 - fixtures

Api = Callable[[Member], APIClient]
LABELS = ["cat", "<b>dog</b>"]
FILE = b"a .keras file, as far as anybody has looked"
Finish = Callable[..., TrainedModel]


def bring(client: Any, content: bytes = FILE, *, key: str = "", **more: Any) -> Any:
    file = SimpleUploadedFile("Cats & dogs.keras", content)
    headers = {"Idempotency-Key": key} if key else {}
    body = {"file": file, "labels": json.dumps(LABELS), **more}
    body = {name: value for name, value in body.items() if value is not None}
    return client.post("/api/v1/models", body, format="multipart", headers=headers)


@pytest.fixture
def api(alice: Member, api_for: Api) -> APIClient:
    return api_for(alice)


@pytest.fixture
def checked(api: APIClient, tmp_path: Path) -> Finish:
    """Bring a model, and have its job leave these."""

    def finish(
        report: dict[str, Any] = REPORT, keras: bytes = b"weights, normalised", **more: Any
    ) -> TrainedModel:
        model = TrainedModel.objects.get(pk=bring(api, **more).json()["id"])
        (tmp_path / "model.keras").write_bytes(keras)
        (tmp_path / "report.json").write_bytes(as_bytes({**report, "origin": "brought"}))
        artefacts = {name: tmp_path / name for name in ("model.keras", "report.json")}
        assert model.job is not None
        blobs = KINDS["import"].collect(model.job, Result(tmp_path, artefacts, {}))
        KINDS["import"].finish(model.job, blobs, {})
        return TrainedModel.objects.get(pk=model.pk)

    return finish
