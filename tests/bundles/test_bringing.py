"""Models that members bring: taken in by API and page, checked by a job, ready or refused in words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from hardware.targets.profiles import Kind
from jobs.bundles import bringing, building, queries, services
from jobs.bundles.models import Bundle, BundleState, ModelState, TrainedModel
from jobs.datasets.models import Dataset, Version, Visibility
from jobs.datasets.registry import in_use
from jobs.queue import lifecycle
from jobs.queue.kinds import KINDS, Result
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job
from jobs.queue.reasons import EndReason
from portal.core import storage
from portal.core.models import Blob
from portal.kit.errors import UserError
from portal.ledger.models import Quota
from portal.members.models import AuditEntry, Member
from tests.bundles.brought import FILE, LABELS, Api, Finish, bring
from tests.bundles.folders import REPORT
from tests.queue.conftest import node, start  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_it_is_checked_first(api: APIClient, alice: Member) -> None:
    answer = bring(api)
    row = answer.json()
    assert (answer.status_code, row["state"], row["origin"]) == (202, "checking", "brought")
    assert (row["name"], row["labels"], row["metrics"]) == ("Cats & dogs", LABELS, {"test": {}})
    assert (row["dataset"], row["version"], row["reason"]) == (None, None, None)
    job = Job.objects.get(pk=row["job"])
    assert (job.kind, job.owner, job.accelerator, job.status) == ("import", alice, "cpu", "queued")
    assert api.get(f"/api/v1/models/{row['id']}").json() == row
    assert [found["id"] for found in api.get("/api/v1/jobs?kind=import").json()["results"]] == [job.pk]
    assert api.get(f"/api/v1/jobs/{job.pk}").json()["model"] == row["id"]
    assert queries.storage_used(alice) == len(FILE)
    missing = api.get(f"/api/v1/models/{row['id']}/keras")
    assert (missing.status_code, missing.json()["code"]) == (409, "not_ready")
    early = api.post("/api/v1/bundles", {"model": row["id"], "target": "linux-pc"}, format="json")
    assert (early.status_code, early.json()["code"]) == (409, "model_not_ready")


def test_the_engine_gets_the_file_and_nothing_of_ours(api: APIClient) -> None:
    model = TrainedModel.objects.get(pk=bring(api, pixels="-1..1").json()["id"])
    given = KINDS["import"].assign(model.job)  # type: ignore[arg-type]
    assert given.inputs == {"model": model.upload}
    assert given.task == {
        "kind": "import",
        "file": "/job/in/model",
        "filename": "Cats & dogs.keras",
        "labels": LABELS,
        "pixels": "-1..1",
        "sample_rate": None,
        "data": None,
        "data_key": "",
        "cache": "/cache",
        "out": "/job/out",
    }
    assert given.cache_key == ""


def test_with_a_dataset_its_data_comes_along(api: APIClient, version: Version) -> None:
    row = bring(api, dataset=version.dataset_id, labels=None).json()
    assert (row["dataset"], row["version"]) == (version.dataset_id, 1)
    job = Job.objects.get(pk=row["job"])
    given = KINDS["import"].assign(job)
    assert set(given.inputs) == {"model", "data/upload", "data/index.json.gz"}
    assert (given.task["data"], given.task["data_key"]) == ("/job/in/data", version.upload.sha256)
    assert given.task["labels"] is None
    assert given.cache_key == version.pk
    assert in_use(version.dataset)
    version.delete()
    job.refresh_from_db()
    with pytest.raises(UserError, match="dataset was deleted"):
        KINDS["import"].assign(job)


def test_what_was_found_good_is_ready_and_the_file_is_let_go(
    checked: Finish, alice: Member, api: APIClient
) -> None:
    model = checked({**REPORT, "notes": ["Its answers were no probabilities."]})
    assert (model.state, model.labels, model.upload) == (ModelState.READY, LABELS, None)
    assert queries.storage_used(alice) == len(b"weights, normalised")
    assert Blob.objects.get(bytes=len(FILE)) in storage.unreferenced()
    row = api.get(f"/api/v1/models/{model.pk}").json()
    assert (row["metrics"], row["notes"]) == (REPORT["metrics"], ["Its answers were no probabilities."])
    assert b"".join(api.get(f"/api/v1/models/{model.pk}/keras").streaming_content) == b"weights, normalised"


def test_without_data_bundles_are_built_without(checked: Finish) -> None:
    model = checked()
    bundle, _made = services.request_bundle(model=model, target="linux-pc")
    given = building.assign(bundle.job)  # type: ignore[arg-type]
    assert set(given.inputs) == {"model.keras", "report.json"}
    assert (given.task["data"], given.cache_key) == (None, "")
    assert given.task["provenance"]["origin"] == "brought"


def test_without_data_none_is_built_for_a_microcontroller(checked: Finish) -> None:
    """It takes int8, which is calibrated on data."""
    model = checked()
    offered = {target.kind for target in model.buildable}
    assert offered == {Kind.LINUX, Kind.BROWSER, Kind.FORMAT}
    with pytest.raises(UserError, match=r"Pico 2 takes int8, .* Bring it again with a dataset\.") as refused:
        services.request_bundle(model=model, target="raspberry-pi-pico-2")
    assert refused.value.code == "unsuitable_target"
    assert not Bundle.objects.exists()


def test_with_data_it_is_built_for_a_microcontroller(checked: Finish, version: Version) -> None:
    model = checked(dataset=version.dataset_id, labels=None)
    assert Kind.MICROCONTROLLER in {target.kind for target in model.buildable}
    assert services.request_bundle(model=model, target="raspberry-pi-pico-2")[1]


def test_with_data_that_was_deleted_no_bundles_are_built(checked: Finish, version: Version) -> None:
    model = checked(dataset=version.dataset_id, labels=None)
    assert services.request_bundle(model=model, target="linux-pc")[1]
    version.dataset.versions.all().delete()
    model = TrainedModel.objects.get(pk=model.pk)
    assert model.buildable == []
    with pytest.raises(UserError, match="was deleted"):
        services.request_bundle(model=model, target="raspberry-pi-4")


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        (EndReason.REFUSED, "The model has a Lambda layer.", "The model has a Lambda layer."),
        (EndReason.BAD_DATA, "No picture can be read.", "No picture can be read."),
        (EndReason.CANCELLED, "", "was cancelled"),
        (EndReason.OVER_MEMORY_LIMIT, "Choose a smaller batch size", "more memory than a job may have"),
        (EndReason.OVER_TIME_LIMIT, "", "longer than 20 minutes"),
        (EndReason.HUNG, "", "longer than 20 minutes"),
        (EndReason.CRASHED, "signal 11", "Save the model anew with Keras 3"),
        (EndReason.PLATFORM_ERROR, "", "not your fault"),
    ],
)
def test_what_was_not_is_refused_in_words(
    reason: str, message: str, told: str, api: APIClient, alice: Member
) -> None:
    row = bring(api).json()
    job = Job.objects.get(pk=row["job"])
    job.end_reason, job.message = reason, message
    KINDS["import"].ended(job)
    after = api.get(f"/api/v1/models/{row['id']}").json()
    assert after["state"] == "refused"
    assert told in after["reason"]
    assert queries.storage_used(alice) == 0


def test_cancelling_its_job_refuses_it(api: APIClient) -> None:
    row = bring(api).json()
    assert api.post(f"/api/v1/jobs/{row['job']}/cancel").status_code == 202
    assert api.get(f"/api/v1/models/{row['id']}").json()["reason"] == "Its check was cancelled."


def test_a_report_that_cannot_be_trusted_refuses_it(checked: Finish) -> None:
    assert checked({"labels": []}).state == ModelState.REFUSED


def test_a_check_that_left_nothing_fails(api: APIClient, tmp_path: Path) -> None:
    job = Job.objects.get(pk=bring(api).json()["job"])
    with pytest.raises(UserError, match="without a model"):
        KINDS["import"].collect(job, Result(tmp_path, {}, {}))


@pytest.mark.parametrize(
    ("body", "field", "part"),
    [
        ({"labels": "cat, dog"}, "labels", "JSON list"),
        ({"labels": '{"a": 1}'}, "labels", "JSON list"),
        ({"labels": "[1.5]"}, "labels", "JSON list"),
        ({"labels": "[[" * 9_000}, "labels", "JSON list"),
        ({"labels": '["a", " a "]'}, "labels", "named twice"),
        ({"labels": '["a", "\\u200e"]'}, "labels", "can be seen"),
        ({"labels": json.dumps(["x" * 101])}, "labels", "can be seen"),
        ({"labels": json.dumps([str(n) for n in range(1001)])}, "labels", "At most 1000"),
        ({"labels": None}, "labels", "Name the model's labels"),
        ({"pixels": "0..7"}, "pixels", "Choose one of"),
        ({"name": "x" * 121}, "name", "At most 120"),
        ({"version": "1"}, "dataset", "say which"),
        ({"version": "one"}, "version", "whole number"),
        ({"file": ""}, "file", "form field “file”"),
        ({"file": SimpleUploadedFile("x.keras", b"")}, "file", "is empty"),
    ],
)
def test_nonsense_is_a_problem(body: dict[str, Any], field: str, part: str, api: APIClient) -> None:
    answer = bring(api, **body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["errors"][0]["field"] == field
    assert part in answer.json()["detail"]
    assert not TrainedModel.objects.exists()
    assert not Job.objects.exists()


def test_labels_must_be_the_datasets_classes(api: APIClient, version: Version) -> None:
    Version.objects.update(report={"classes": {"cat": 5, "hen": 5}})
    answer = bring(api, dataset=version.dataset_id)
    assert answer.status_code == 400
    assert "No label is named: hen. The dataset has no class: <b>dog</b>." in answer.json()["detail"]
    assert bring(api, dataset=version.dataset_id, labels='["hen", "cat"]').status_code == 202
    Dataset.objects.update(task="table-regression")
    assert "a number" in bring(api, dataset=version.dataset_id).json()["detail"]
    assert bring(api, dataset=version.dataset_id, labels="[]").status_code == 202


def test_whose_data_may_be_used(version: Version, bob: Member, api_for: Api) -> None:
    client = api_for(bob)
    answer = bring(client, dataset=version.dataset_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_dataset")
    Dataset.objects.update(visibility=Visibility.COMMUNITY)
    assert bring(client, dataset=version.dataset_id).status_code == 202
    assert bring(client, dataset=version.dataset_id, version="7").json()["code"] == "no_ready_version"


def test_the_storage_quota_holds(api: APIClient, alice: Member) -> None:
    Quota.objects.update_or_create(member=alice, defaults={"storage_bytes": len(FILE) + 5})
    assert bring(api).status_code == 202
    answer = bring(api, b"ten bytes.")
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_storage")
    assert api.get("/api/v1/me").json()["usage"]["storage_bytes"] == len(FILE)


def test_what_unpacks_beyond_the_quota_is_refused(alice: Member, checked: Finish) -> None:
    Quota.objects.update_or_create(member=alice, defaults={"storage_bytes": len(FILE) + 5})
    with pytest.raises(UserError, match="storage quota"):
        checked(keras=bytes(len(FILE) + 6))
    Quota.objects.update(storage_bytes=2 * len(FILE) + 5)
    assert checked(keras=bytes(len(FILE) + 5)).state == ModelState.READY


def test_a_member_without_processor_hours_brings_nothing(api: APIClient, alice: Member) -> None:
    Quota.objects.update_or_create(member=alice, defaults={"cpu_hours": 0.0})
    assert bring(api).json()["code"] == "quota_zero"


def test_far_too_large_a_file_is_refused(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringing, "MAX_BYTES", len(FILE) - 1)
    answer = bring(api)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_the_same_key_brings_it_once(api: APIClient) -> None:
    first, second = bring(api, key="k1"), bring(api, key="k1")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    other = bring(api, b"another file", key="k1")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")
    assert TrainedModel.objects.count() == Job.objects.count() == 1
    assert bring(api).json()["id"] != first.json()["id"]


def test_others_see_nothing_of_it(api: APIClient, bob: Member, api_for: Api) -> None:
    pk = bring(api).json()["id"]
    client = api_for(bob)
    assert client.get(f"/api/v1/models/{pk}").status_code == 404
    assert client.delete(f"/api/v1/models/{pk}").status_code == 404
    assert TrainedModel.objects.exists()


def test_a_lost_node_costs_nothing_but_time(
    api: APIClient,
    start: Callable[..., Held],  # noqa: F811
) -> None:
    """Killed while it was checked: the file is there still, and another node checks it; then it is given up."""
    model = TrainedModel.objects.get(pk=bring(api).json()["id"])
    assert model.job is not None
    job = lifecycle.end(start(model.job), EndReason.NODE_LOST)
    model.refresh_from_db()
    assert (job.status, model.state) == ("queued", ModelState.CHECKING)
    assert KINDS["import"].assign(job).inputs["model"] == model.upload
    job = lifecycle.end(start(job), EndReason.NODE_LOST)
    model.refresh_from_db()
    assert (job.status, model.state, model.upload) == ("failed", ModelState.REFUSED, None)
    assert "Its node was lost again and again" in model.reason


class TestDeleting:
    def test_it_goes_with_its_bundles(self, checked: Finish, api: APIClient, alice: Member) -> None:
        model = checked()
        bundle, _made = services.request_bundle(model=model, target="linux-pc")
        Bundle.objects.update(state=BundleState.READY)
        assert api.delete(f"/api/v1/models/{model.pk}").status_code == 204
        assert not Bundle.objects.filter(pk=bundle.pk).exists()
        assert queries.storage_used(alice) == 0
        assert api.get(f"/api/v1/jobs/{model.job_id}").json()["model"] is None

    def test_not_while_it_is_checked_or_built(self, checked: Finish, api: APIClient) -> None:
        waiting = bring(api).json()["id"]
        assert api.delete(f"/api/v1/models/{waiting}").json()["code"] == "in_use"
        model = checked()
        services.request_bundle(model=model, target="linux-pc")
        assert api.delete(f"/api/v1/models/{model.pk}").json()["code"] == "in_use"

    def test_not_what_was_trained_here(self, model: TrainedModel, api: APIClient) -> None:
        answer = api.delete(f"/api/v1/models/{model.pk}")
        assert (answer.status_code, answer.json()["code"]) == (409, "trained_here")

    def test_a_stewards_doing_is_noted(self, checked: Finish, cora: Member, api_for: Api) -> None:
        model = checked()
        assert api_for(cora).delete(f"/api/v1/models/{model.pk}").status_code == 204
        assert AuditEntry.objects.get(action="model.deleted").actor == cora

    def test_a_check_that_ends_after_it_is_gone_changes_nothing(self, api: APIClient) -> None:
        job = Job.objects.get(pk=bring(api).json()["job"])
        TrainedModel.objects.all().delete()
        KINDS["import"].finish(job, {}, {})
        job.end_reason = EndReason.CRASHED
        KINDS["import"].ended(job)
        with pytest.raises(UserError, match="was deleted"):
            KINDS["import"].assign(job)
