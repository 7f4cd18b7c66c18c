"""Submission through the API: what is accepted, what is refused and in which words, and never twice."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from hardware.nodes.models import Accelerator, Node
from jobs.datasets.models import Version, VersionState
from jobs.queue.models import Job, Submission
from portal.ledger.models import Quota
from portal.members.models import Member

ApiFor = Callable[[Member], APIClient]


@pytest.fixture
def body(version: Version, node: Node) -> dict[str, object]:
    return {"kind": "train", "recipe": "image-classifier", "dataset": version.dataset_id}


def test_a_job_is_described_as_the_contract_says(body: dict, alice: Member, api_for: ApiFor) -> None:
    asked = body | {"params": {"epochs": 3}, "targets": ["raspberry-pi-4"], "name": "Leaves"}
    answer = api_for(alice).post("/api/v1/jobs", asked)
    assert answer.status_code == 201, answer.content
    job = answer.json()
    assert set(job) >= {
        "id", "kind", "name", "status", "end_reason", "message", "owner", "recipe", "dataset", "version", "params",
        "resources", "targets", "created_at", "started_at", "ended_at", "progress", "metrics", "attempts", "model",
        "bundles",
    }  # fmt: skip
    assert (job["status"], job["end_reason"], job["version"]) == ("queued", None, 1)
    assert (job["model"], job["bundles"]) == (None, [])
    assert job["params"]["epochs"] == 3
    assert {"batch_size", "learning_rate", "early_stop", "seed"} <= set(job["params"])


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"recipe": "no-such"}, "invalid", "recipe"),
        ({"params": {"epochs": 0}}, "invalid", "params.epochs"),
        ({"params": {"nonsense": 1}}, "invalid", "params.nonsense"),
        ({"recipe": "table-classifier"}, "wrong_task", "recipe"),
        ({"dataset": "nothing"}, "unknown_dataset", "dataset"),
        ({"version": 9}, "no_ready_version", "version"),
        ({"resources": {"accelerator": "gpu"}}, "no_such_accelerator", "resources.accelerator"),
        ({"resources": {"count": 2}}, "no_such_accelerator", "resources.count"),
        ({"resources": {"memory_mb": 4_000_000}}, "too_much_memory", "resources.memory_mb"),
        ({"targets": ["toaster"]}, "unknown_target", "targets"),
        ({"targets": ["raspberry-pi-4", "ulx3s-85f"]}, "no_such_accelerator", "targets"),
        ({"kind": "dance"}, "invalid", "kind"),
        ({"warm_start": "nothing"}, "unknown_model", None),
        ({"surprise": 1}, "invalid", "surprise"),
    ],
)
def test_what_can_never_run_is_refused_at_once(
    change: dict, code: str, field: str | None, body: dict, alice: Member, api_for: ApiFor
) -> None:
    answer = api_for(alice).post("/api/v1/jobs", body | change)
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    status = {"no_ready_version": 409, "unknown_dataset": 404, "unknown_model": 404}.get(code, 400)
    assert answer.status_code == problem["status"] == status
    assert problem["code"] == code, problem
    assert problem["detail"].endswith(".")
    if field:
        assert [error["field"] for error in problem["errors"]] == [field]
    assert not Job.objects.exists()


def test_what_is_only_planned_is_refused(body: dict, planned: str, alice: Member, api_for: ApiFor) -> None:
    answer = api_for(alice).post("/api/v1/jobs", body | {"targets": ["raspberry-pi-4", planned]})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_yet")
    assert not Job.objects.exists()


def test_a_quota_of_zero_forbids(body: dict, alice: Member, api_for: ApiFor) -> None:
    Quota.objects.create(member=alice, cpu_hours=0)
    answer = api_for(alice).post("/api/v1/jobs", body | {"resources": {"accelerator": "cpu"}})
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_zero")


def test_a_quota_of_no_jobs_at_once_forbids(body: dict, alice: Member, api_for: ApiFor) -> None:
    Quota.objects.create(member=alice, concurrent_jobs=0)
    answer = api_for(alice).post("/api/v1/jobs", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_zero")
    assert "no jobs at once" in answer.json()["detail"]


def test_only_accelerators_that_are_alike_make_a_gang(
    body: dict, node: Node, alice: Member, api_for: ApiFor
) -> None:
    """As the scheduler places them: two of 8 GB, and one of 24 GB beside them."""
    for index, gib in enumerate([8, 8, 24]):
        Accelerator.objects.create(
            node=node, kind="gpu", index=index, model=f"{gib} GB", memory_bytes=gib * 1024**3
        )

    def asked(**resources: object) -> dict:
        return api_for(alice).post("/api/v1/jobs", body | {"resources": resources}).json()

    assert asked(accelerator="gpu", count=3)["code"] == "no_such_accelerator"
    assert "The most on one node is 2." in asked(accelerator="gpu", count=3)["detail"]
    assert asked(accelerator="gpu", count=2, memory_mb=10_000)["code"] == "too_much_memory"
    assert "The most is 8192 MB" in asked(accelerator="gpu", count=2, memory_mb=10_000)["detail"]
    assert asked(accelerator="gpu", count=2, memory_mb=8_000)["status"] == "queued"
    assert asked(accelerator="gpu", memory_mb=10_000)["status"] == "queued"


def test_what_only_a_closed_class_could_run_is_refused(
    body: dict, node: Node, alice: Member, api_for: ApiFor
) -> None:
    Accelerator.objects.create(node=node, kind="gpu", index=0)
    Accelerator.objects.create(node=node, kind="gpu", index=1)
    Quota.objects.create(member=alice, gpu_hours=0)
    api = api_for(alice)
    two = api.post("/api/v1/jobs", body | {"resources": {"count": 2}})
    assert (two.status_code, two.json()["code"]) == (400, "no_such_accelerator")
    Accelerator.objects.filter(kind="cpu").update(enabled=False)
    one = api.post("/api/v1/jobs", body)
    assert (one.status_code, one.json()["code"]) == (400, "no_such_accelerator")
    assert "hours of CPU only" in one.json()["detail"]


def test_without_a_ready_version_it_says_so(
    body: dict, version: Version, alice: Member, api_for: ApiFor
) -> None:
    Version.objects.update(state=VersionState.VALIDATING)
    answer = api_for(alice).post("/api/v1/jobs", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_ready_version")


def test_the_same_key_is_the_same_job(body: dict, alice: Member, api_for: ApiFor) -> None:
    api = api_for(alice)
    first, again = (api.post("/api/v1/jobs", body, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    other = api.post("/api/v1/jobs", body | {"name": "Other"}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")
    assert Job.objects.count() == 1


def test_a_key_serves_for_a_day(body: dict, alice: Member, api_for: ApiFor) -> None:
    api = api_for(alice)
    api.post("/api/v1/jobs", body, headers={"Idempotency-Key": "k1"})
    Submission.objects.update(created_at=timezone.now() - timedelta(hours=25))
    api.post("/api/v1/jobs", body, headers={"Idempotency-Key": "k1"})
    assert Job.objects.count() == 2


def test_keys_of_members_do_not_meet(
    body: dict, version: Version, alice: Member, bob: Member, api_for: ApiFor
) -> None:
    version.dataset.visibility = "community"
    version.dataset.save()
    ids = {
        api_for(member).post("/api/v1/jobs", body, headers={"Idempotency-Key": "k"}).json()["id"]
        for member in (alice, bob)
    }
    assert len(ids) == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "null", "[1]"])
def test_what_is_no_job_at_all(text: str, alice: Member, api_for: ApiFor, node: Node) -> None:
    answer = api_for(alice).generic("POST", "/api/v1/jobs", text, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"]


def test_the_form_asks_for_several_at_once(
    version: Version, node: Node, alice: Member, client: Client
) -> None:
    for index in range(2):
        Accelerator.objects.create(node=node, kind="gpu", index=index)
    client.force_login(alice)
    assert 'name="count"' in client.get("/jobs/new").content.decode()
    sent = {
        "dataset": version.dataset_id,
        "recipe": "image-classifier",
        "accelerator": "gpu",
        "params-epochs": "2",
        "csrfmiddlewaretoken": "x",  # which a browser sends
    }
    refused = client.post("/jobs/new", sent | {"count": "3"})
    assert refused.status_code == 400
    assert "The most on one node is 2" in str(refused.context["form"].errors["count"])
    asked = [
        client.post("/jobs/new", sent | count).status_code for count in ({"count": "2"}, {"count": ""}, {})
    ]
    assert asked == [302] * 3
    assert [job.spec["resources"]["count"] for job in Job.objects.order_by("pk")] == [2, 1, 1]
