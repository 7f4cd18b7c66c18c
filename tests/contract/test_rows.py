"""Every row of the contract: its fields, its types, its status, one object or a bare array or a page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from portal.members.models import Member
from tests.contract.conftest import World
from tests.contract.schema import Schema

PI = "raspberry-pi-4"
HOURS = {"cpu", "gpu", "tpu", "fpga"}
DATASET = {"id", "name", "task", "label_column", "owner", "visibility", "team", "created_at", "versions"}
JOB = {
    "id", "kind", "name", "status", "end_reason", "message", "owner", "recipe", "dataset", "version", "params",
    "resources", "targets", "created_at", "started_at", "ended_at", "progress", "metrics", "attempts", "model",
    "fit", "bundles",
}  # fmt: skip
MODEL = {"id", "job", "dataset", "version", "state", "reason", "labels", "metrics", "explanations", "keras"}
BUNDLE = {
    "id", "model", "target", "state", "reason", "bytes", "sha256", "signature", "metrics", "job", "download",
}  # fmt: skip
PAGE = {"next", "previous", "results"}
BARE = {
    "/recipes": {"name", "task", "title", "description", "params_schema", "targets"},
    "/targets": {"name", "title", "kind", "ram_bytes", "flash_bytes", "status", "note"},
    "/jobs/{job}/metrics": {"step", "epoch", "at", "values"},
    "/jobs/{job}/events": {"at", "old", "new", "reason", "sentence"},
    "/nodes": {"id", "name", "state", "accelerators"},
}
PAGES = {"/datasets": DATASET, "/jobs": JOB, "/models": MODEL, "/bundles": BUNDLE}
Get = Callable[..., Any]


@pytest.fixture
def get(api: APIClient, schema: Schema, world: World) -> Get:
    """What stands at a path, after its answer was found to be as the schema says."""

    def read(path: str, *, status: int = 200) -> Any:
        answer = api.get(f"/api/v1{path.replace('{job}', world.job.pk)}")
        assert answer.status_code == status, answer.content
        schema.check(answer)
        return answer.json()

    return read


@pytest.mark.parametrize("path", BARE)
def test_bare_arrays(path: str, get: Get) -> None:
    rows = get(path)
    assert isinstance(rows, list)
    assert rows
    assert set(rows[0]) >= BARE[path]


@pytest.mark.parametrize("path", PAGES)
def test_pages(path: str, get: Get) -> None:
    page = get(path)
    assert set(page) == PAGE
    assert (page["next"], page["previous"]) == (None, None)
    assert set(page["results"][0]) >= PAGES[path]
    assert get(f"{path}/{page['results'][0]['id']}") == page["results"][0]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_was_never_named_is_said_to_be_none(path: str, get: Get) -> None:
    for cursor in ("x", "%FF", "cD0lMDA="):
        assert get(f"{path}?cursor={cursor}", status=400)["errors"][0]["field"] == "cursor"


def test_me(get: Get) -> None:
    me = get("/me")
    assert set(me) >= {"username", "role", "teams", "quota", "usage", "share"}
    assert (me["username"], me["role"]) == ("alice", "member")
    assert set(me["quota"]) == set(me["usage"]) == {"storage_bytes", "concurrent_jobs", "device_hours"}
    assert set(me["quota"]["device_hours"]) == set(me["usage"]["device_hours"]) == HOURS
    assert set(me["share"]) >= {"share", "used_fraction", "fair_factor"}


def test_a_job_that_ended(get: Get, world: World) -> None:
    job = get("/jobs/{job}")
    assert (job["status"], job["end_reason"], job["kind"], job["owner"]) == (
        "succeeded",
        "done",
        "train",
        "alice",
    )
    assert (job["dataset"], job["version"], job["model"]) == (world.dataset.pk, 1, world.model.pk)
    assert (job["bundles"], job["metrics"], job["progress"]) == ([world.bundle.pk], {"loss": 0.25}, 1.0)
    attempt = job["attempts"][0]
    assert set(attempt) >= {"number", "node", "accelerators", "started_at", "ended_at", "end_reason"}
    assert (attempt["number"], attempt["node"], attempt["end_reason"]) == (1, "mill-1", "done")
    for time in (job["created_at"], job["started_at"], job["ended_at"], attempt["ended_at"]):
        assert time.endswith("Z")


def test_metrics_go_on_after_a_step(get: Get) -> None:
    assert [row["step"] for row in get("/jobs/{job}/metrics?after=-1")] == [10]
    assert [row["step"] for row in get("/jobs/{job}/metrics?after=9&limit=5")] == [10]
    assert get("/jobs/{job}/metrics?after=10") == []


def test_the_log_is_text(api: APIClient, world: World, schema: Schema) -> None:
    answer = api.get(f"/api/v1/jobs/{world.job.pk}/logs?offset=0")
    schema.check(answer)
    assert answer.content.decode() == "größer\n"
    assert answer.headers["X-Next-Offset"] == "9"


def test_filters_may_be_empty_and_must_be_known(get: Get, world: World) -> None:
    assert len(get("/jobs?status=&kind=")["results"]) == 2
    assert [job["id"] for job in get("/jobs?status=succeeded&kind=train")["results"]] == [world.job.pk]
    for asked in ("status=lost", "kind=lost", "status=%00", "kind=%00"):
        assert get(f"/jobs?{asked}", status=400)["code"] == "invalid"


def test_what_ended_can_not_end_again(api: APIClient, world: World, schema: Schema) -> None:
    for verb in ("cancel", "stop"):
        answer = api.post(f"/api/v1/jobs/{world.job.pk}/{verb}")
        schema.check(answer)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_ended")


def test_a_job_from_its_submission_to_its_cancellation(api: APIClient, world: World, schema: Schema) -> None:
    body = {"kind": "train", "recipe": "image-classifier", "dataset": world.dataset.pk, "targets": [PI]}
    made = api.post("/api/v1/jobs", {**body, "resources": {"accelerator": "cpu"}, "name": "x"})
    schema.check(made)
    assert made.status_code == 201
    assert set(made.json()) >= JOB
    assert set(made.json()["resources"]) == {"accelerator", "count", "memory_mb", "max_minutes"}
    over = api.post(f"/api/v1/jobs/{made.json()['id']}/cancel")
    schema.check(over)
    assert (over.status_code, over.json()["status"], over.json()["end_reason"]) == (
        202,
        "cancelled",
        "cancelled",
    )


@pytest.mark.parametrize(("given", "status"), [("x" * 120, 201), ("x" * 121, 400)])
def test_a_jobs_name_is_kept_whole_or_refused(given: str, status: int, api: APIClient, world: World) -> None:
    answer = api.post(
        "/api/v1/jobs", {"recipe": "image-classifier", "dataset": world.dataset.pk, "name": given}
    )
    assert answer.status_code == status
    if status == 201:
        assert answer.json()["name"] == given


@pytest.mark.parametrize(("given", "code"), [("dataset", "unknown_dataset"), ("warm_start", "unknown_model")])
def test_what_one_may_not_see_is_404_in_a_job_too(
    given: str, code: str, world: World, bob: Member, api_for: Callable[[Member], APIClient], schema: Schema
) -> None:
    mine = {"recipe": "image-classifier", "dataset": world.dataset.pk, "warm_start": world.model.pk}
    world.dataset.visibility = "private" if given == "dataset" else "community"
    world.dataset.save()
    answer = api_for(bob).post("/api/v1/jobs", mine)
    schema.check(answer)
    assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert [error["field"] for error in answer.json()["errors"]] == [given]


def test_models_and_bundles(get: Get, world: World) -> None:
    model = get(f"/models/{world.model.pk}")
    assert set(model["metrics"]["test"]) >= {"accuracy", "macro_f1", "confusion_matrix"}
    assert model["keras"].startswith("http://testserver/api/v1/models/")
    bundle = get(f"/bundles/{world.bundle.pk}")
    assert (bundle["state"], bundle["bytes"], bundle["signature"]) == ("ready", 15, "c2ln")
    assert set(bundle["metrics"]) >= {"accuracy", "float_accuracy", "model_bytes"}


def test_a_model_of_ones_own_from_its_arrival_to_its_end(
    api: APIClient, world: World, schema: Schema
) -> None:
    form = {
        "file": SimpleUploadedFile("my.keras", b"PK"),
        "labels": '["oak", "<b>ash</b>"]',
        "pixels": "0..1",
    }
    sent = api.post("/api/v1/models", {**form, "dataset": world.dataset.pk, "version": 1}, format="multipart")
    schema.check(sent)
    assert (sent.status_code, sent.json()["state"], sent.json()["version"]) == (202, "checking", 1)
    assert set(sent.json()) >= MODEL
    path = f"/api/v1/models/{sent.json()['id']}"
    for answer, status in ((api.get(path), 200), (api.get(f"{path}/keras"), 409), (api.delete(path), 409)):
        schema.check(answer)
        assert answer.status_code == status
    schema.check(api.post(f"/api/v1/jobs/{sent.json()['job']}/cancel"))
    assert (api.get(path).json()["state"], api.delete(path).status_code) == ("refused", 204)


def test_a_bundle_is_made_once(api: APIClient, world: World, schema: Schema) -> None:
    there = api.post("/api/v1/bundles", {"model": world.model.pk, "target": PI})
    made = api.post("/api/v1/bundles", {"model": world.model.pk, "target": "raspberry-pi-5", "options": {}})
    for answer, status in ((there, 200), (made, 201)):
        schema.check(answer)
        assert answer.status_code == status
    assert there.json()["id"] == world.bundle.pk


def test_datasets_and_versions(api: APIClient, world: World, schema: Schema) -> None:
    body = {"name": "Prices", "task": "table-regression", "label_column": "price", "visibility": "private"}
    made = api.post("/api/v1/datasets", body)
    schema.check(made)
    assert (made.status_code, made.json()["label_column"], made.json()["versions"]) == (201, "price", [])
    path = f"/api/v1/datasets/{made.json()['id']}"
    file = SimpleUploadedFile("prices.csv", b"a,price\n1,2\n")
    sent = api.post(f"{path}/versions", {"file": file}, format="multipart")
    schema.check(sent)
    assert (sent.status_code, sent.json()["state"], sent.json()["number"]) == (202, "validating", 1)
    assert {"number", "state", "reason", "bytes", "sha256", "report"} <= set(sent.json())
    seen = api.get(f"{path}/versions/1")
    schema.check(seen)
    assert seen.json() == sent.json()
    assert api.get(path).json()["versions"] == [{"number": 1, "state": "validating"}]
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_the_signing_key(api: APIClient, schema: Schema) -> None:
    answer = api.get("/api/v1/signing-key")
    schema.check(answer)
    assert answer.content.startswith(b"-----BEGIN PUBLIC KEY-----")
    program = api.get("/api/v1/signing-key/verify.py")
    schema.check(program)
    assert program.headers["Content-Disposition"] == 'attachment; filename="verify.py"'
