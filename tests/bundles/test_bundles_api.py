"""Models, bundles, targets and the signing key in the API: shapes, and who may see what."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from jobs.bundles import services
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from jobs.queue.models import Job
from portal.core import storage
from portal.members.models import Member
from tests.bundles.folders import REPORT

pytestmark = pytest.mark.django_db
Api = Callable[[Member], APIClient]
PI = "raspberry-pi-4"


def ask(client: APIClient, model: TrainedModel | str, target: str = PI, **more: Any) -> Any:
    pk = model if isinstance(model, str) else model.pk
    return client.post("/api/v1/bundles", {"model": pk, "target": target, **more})


def test_a_models_row(model: TrainedModel, alice: Member, api_for: Api) -> None:
    row = api_for(alice).get(f"/api/v1/models/{model.pk}").json()
    assert row["id"] == model.pk
    assert (row["job"], row["dataset"], row["version"]) == (model.job_id, model.dataset_id, 1)
    assert (row["state"], row["reason"]) == ("ready", None)
    assert row["labels"] == REPORT["labels"]
    assert row["metrics"] == REPORT["metrics"]
    assert row["explanations"] == []
    assert row["keras"] == f"http://testserver/api/v1/models/{model.pk}/keras"


def test_a_bundles_row_while_it_is_built(model: TrainedModel, alice: Member, api_for: Api) -> None:
    row = ask(api_for(alice), model).json()
    assert (row["model"], row["target"], row["state"]) == (model.pk, PI, "building")
    assert row["job"] == Job.objects.get(kind="build").pk
    assert (row["bytes"], row["sha256"], row["signature"], row["reason"]) == (None, None, None, None)
    assert row["metrics"] == {}
    assert row["download"] == f"http://testserver/api/v1/bundles/{row['id']}/download"


def test_a_bundles_row_when_it_is_ready(model: TrainedModel, alice: Member, api_for: Api) -> None:
    bundle, _made = services.request_bundle(model=model, target=PI)
    blob = storage.put_bytes(b"zip")
    Bundle.objects.update(state="ready", zip=blob, signature="c2ln", metrics={"accuracy": 0.97})
    row = api_for(alice).get(f"/api/v1/bundles/{bundle.pk}").json()
    assert (row["bytes"], row["sha256"], row["signature"]) == (3, blob.sha256, "c2ln")
    assert row["metrics"] == {"accuracy": 0.97}


def test_a_bundle_is_created_once(model: TrainedModel, alice: Member, api_for: Api) -> None:
    client = api_for(alice)
    first, second = ask(client, model), ask(client, model)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_a_refused_one_is_tried_anew(model: TrainedModel, alice: Member, api_for: Api) -> None:
    client = api_for(alice)
    first = ask(client, model).json()["id"]
    Bundle.objects.update(state=BundleState.REFUSED, reason="Too large.")
    assert client.get(f"/api/v1/bundles/{first}").json()["reason"] == "Too large."
    second = ask(client, model)
    assert second.status_code == 201
    assert second.json()["id"] != first


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"target": "toaster"}, (400, "unknown_target")),
        ({"target": ""}, (400, "invalid")),
        ({"target": {"a": 1}}, (400, "invalid")),
        ({"options": {"turbo": 1}}, (400, "invalid")),
        ({"options": [1]}, (400, "invalid")),
        ({"model": "nope"}, (404, "not_found")),
        ({"model": 5}, (404, "not_found")),
        ({"model": None}, (400, "invalid")),
    ],
)
def test_nonsense_is_a_problem(
    body: dict[str, Any], problem: tuple[int, str], model: TrainedModel, alice: Member, api_for: Api
) -> None:
    answer = api_for(alice).post("/api/v1/bundles", {"model": model.pk, "target": PI, **body})
    assert (answer.status_code, answer.json()["code"]) == problem
    assert answer["Content-Type"] == "application/problem+json"
    assert not Bundle.objects.exists()


def test_others_see_nothing_and_build_nothing(
    model: TrainedModel, alice: Member, bob: Member, api_for: Api
) -> None:
    bundle = ask(api_for(alice), model).json()["id"]
    client = api_for(bob)
    for path in ("models", "bundles"):
        assert client.get(f"/api/v1/{path}").json() == {"next": None, "previous": None, "results": []}
    assert client.get(f"/api/v1/models/{model.pk}").status_code == 404
    assert client.get(f"/api/v1/bundles/{bundle}").status_code == 404
    assert ask(client, model, "linux-pc").status_code == 404
    assert Bundle.objects.count() == 1


def test_stewards_see_all_and_what_they_build_is_the_owners(
    model: TrainedModel, alice: Member, cora: Member, api_for: Api
) -> None:
    client = api_for(cora)
    assert [row["id"] for row in client.get("/api/v1/models").json()["results"]] == [model.pk]
    assert ask(client, model).status_code == 201
    assert Job.objects.get(kind="build").owner == alice


@pytest.mark.parametrize(
    "path",
    [
        "models", "models/x", "bundles", "bundles/x", "bundles/x/download", "signing-key", "signing-key/verify.py",
        "targets",
    ],
)  # fmt: skip
def test_without_credentials_401(path: str, client: Any, db: None) -> None:
    assert client.get(f"/api/v1/{path}").status_code == 401


def test_the_signing_key_is_pem(alice: Member, api_for: Api) -> None:
    answer = api_for(alice).get("/api/v1/signing-key", headers={"accept": "application/json"})
    assert answer.status_code == 200
    assert type(load_pem_public_key(answer.content)).__name__ == "Ed25519PublicKey"
    assert b"PRIVATE" not in answer.content


def test_the_targets_are_a_bare_array(alice: Member, api_for: Api) -> None:
    rows = api_for(alice).get("/api/v1/targets/").json()
    assert PI in {row["name"] for row in rows}
    assert all(set(row) >= {"name", "title", "kind", "ram_bytes", "flash_bytes", "status"} for row in rows)


@pytest.mark.parametrize("path", ["models", "bundles"])
def test_lists_take_the_same_number_of_queries_however_long(
    path: str, model: TrainedModel, alice: Member, api_for: Api
) -> None:
    client = api_for(alice)
    services.request_bundle(model=model, target=PI)
    client.get(f"/api/v1/{path}")
    with CaptureQueriesContext(connection) as few:
        client.get(f"/api/v1/{path}")
    for number in range(4):
        copy = TrainedModel.objects.create(
            owner=alice,
            name=f"m{number}",
            keras=model.keras,
            dataset=model.dataset,
            version=model.version,
            report=REPORT,
        )
        services.request_bundle(model=copy, target=PI)
    with CaptureQueriesContext(connection) as many:
        assert len(client.get(f"/api/v1/{path}").json()["results"]) == 5
    assert len(many) == len(few)
