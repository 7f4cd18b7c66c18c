"""The dataset rows of the contract: who sees, who may, what is refused and how."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from jobs.datasets import queries, registry
from jobs.datasets.models import Dataset, Upload, Version, VersionState
from jobs.datasets.versions import add_version
from portal.core import storage
from portal.ledger.models import Quota
from portal.members.models import Member, Team
from tests.datasets.samples import csv_table, image_zip

ApiFor = Callable[[Member], APIClient]
Make = Callable[..., Any]


def send(api: APIClient, dataset: Dataset, content: bytes = b"x", name: str = "a.zip", **form: str) -> Any:
    body = {"file": SimpleUploadedFile(name, content), **form}
    return api.post(f"/api/v1/datasets/{dataset.pk}/versions", body, format="multipart")


def test_a_dataset_is_made_and_read(api_for: ApiFor, alice: Member) -> None:
    body = {"name": " Prices\n<b> ", "task": "table-regression", "label_column": "price", "team": None}
    answer = api_for(alice).post("/api/v1/datasets", body)
    assert answer.status_code == 201
    made = answer.json()
    assert made["name"] == "Prices <b>"
    assert (made["owner"], made["visibility"], made["team"]) == ("alice", "private", None)
    assert (made["task"], made["label_column"], made["versions"]) == ("table-regression", "price", [])
    assert made["created_at"].endswith("Z")
    assert api_for(alice).get(f"/api/v1/datasets/{made['id']}/").json() == made


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "\u202e"}, "name"),
        ({"task": "world-peace"}, "task"),
        ({"task": 5}, "task"),
        ({"visibility": "secret"}, "visibility"),
        ({"visibility": "team"}, "team"),
        ({"visibility": "team", "team": "Not mine"}, "team"),
        ({"team": "Mine"}, "team"),
        ({"label_column": "x" * 201}, "label_column"),
        ({"description": "x" * 4001}, "description"),
    ],
)
def test_what_a_dataset_cannot_be_is_said_at_its_field(
    api_for: ApiFor, alice: Member, changes: dict[str, Any], field: str
) -> None:
    Team.objects.create(name="Not mine")
    answer = api_for(alice).post("/api/v1/datasets", {"name": "A", "task": "image-classification", **changes})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Dataset.objects.exists()


def test_who_sees_what(api_for: ApiFor, alice: Member, bob: Member, cora: Member, make_dataset: Make) -> None:
    team = Team.objects.create(name="Weeders")
    team.members.add(alice, bob)
    private, community = make_dataset(), make_dataset(visibility="community")
    shared = make_dataset(visibility="team", team="Weeders")
    for dataset, status in ((private, 404), (community, 200), (shared, 200)):
        address = f"/api/v1/datasets/{dataset.pk}"
        assert api_for(bob).get(address).status_code == status
        assert api_for(cora).get(address).status_code == 200
        assert api_for(bob).delete(address).status_code == (404 if status == 404 else 403)
        assert send(api_for(bob), dataset).status_code == (404 if status == 404 else 403)
        assert APIClient().get(address).status_code == 401
    seen = {row["id"] for row in api_for(bob).get("/api/v1/datasets").json()["results"]}
    assert seen == {community.pk, shared.pk}
    team.members.remove(bob)
    assert api_for(bob).get(f"/api/v1/datasets/{shared.pk}").status_code == 404
    assert api_for(cora).delete(f"/api/v1/datasets/{private.pk}").status_code == 204


def test_the_list_comes_in_pages_at_a_constant_number_of_queries(
    api_for: ApiFor, alice: Member, make_dataset: Make
) -> None:
    api, counts = api_for(alice), []
    api.get("/api/v1/datasets")
    for _ in range(2):
        for _ in range(3):
            blob = storage.put_bytes(b"x")
            add_version(dataset=make_dataset(), blob=blob, filename="a", label_column="")
        with CaptureQueriesContext(
            connection,
        ) as asked:
            api.get("/api/v1/datasets")
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 5
    first = api.get("/api/v1/datasets?limit=4").json()
    second = api.get(first["next"]).json()
    ids = [row["id"] for row in first["results"] + second["results"]]
    assert (len(first["results"]), ids, second["next"]) == (4, sorted(ids, reverse=True), None)
    assert first["results"][0]["versions"] == [{"number": 1, "state": "validating"}]


def test_a_version_comes_in_one_request(api_for: ApiFor, alice: Member, make_dataset: Make) -> None:
    dataset, api = make_dataset(task="table-regression", label_column="price"), api_for(alice)
    content = csv_table()
    answer = send(api, dataset, content, "../../etc/p\u202ecsv.exe")
    assert answer.status_code == 202
    version = answer.json()
    assert (version["number"], version["state"], version["reason"], version["report"]) == (
        1,
        "validating",
        None,
        None,
    )
    assert (version["bytes"], version["label_column"]) == (len(content), "price")
    assert version["filename"] == "pcsv.exe"
    assert storage.path_of(version["sha256"]).read_bytes() == content
    assert send(api, dataset, b"y", label_column="a").json()["label_column"] == "a"
    assert api.get(f"/api/v1/datasets/{dataset.pk}/versions/2/").json()["number"] == 2
    assert api.get(f"/api/v1/datasets/{dataset.pk}/versions/3").status_code == 404


def test_a_version_without_a_file_or_form_is_refused(
    api_for: ApiFor, alice: Member, make_dataset: Make
) -> None:
    dataset, api = make_dataset(), api_for(alice)
    address = f"/api/v1/datasets/{dataset.pk}/versions"
    for body in ({}, {"file": "text"}):
        answer = api.post(address, body, format="multipart")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "file")
    assert api.post(address, {"file": "x"}, format="json").status_code == 415
    assert not Version.objects.exists()


def test_more_than_the_quota_or_the_portal_takes_is_refused(
    api_for: ApiFor, alice: Member, make_dataset: Make, settings: Any
) -> None:
    Quota.objects.create(member=alice, storage_bytes=10)
    dataset, api = make_dataset(), api_for(alice)
    assert send(api, dataset, b"x" * 8).status_code == 202
    answer = send(api, dataset, b"y" * 8)
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_storage")
    settings.UPLOAD_MAX_BYTES = 5
    assert send(api, dataset, b"z" * 8).status_code == 413
    assert queries.storage_used(alice) == 8


def test_the_report_is_told_once_it_is_ready(api_for: ApiFor, alice: Member, make_version: Make) -> None:
    version = make_version(image_zip())
    report = {"samples": 1, "classes": {}, "splits": {}, "skipped": [], "skipped_total": 0}
    Version.objects.update(state=VersionState.READY, report=report)
    told = api_for(alice).get(f"/api/v1/datasets/{version.dataset_id}/versions/1").json()
    assert (told["state"], told["report"]) == ("ready", report)


def test_a_dataset_in_use_stays(
    api_for: ApiFor, alice: Member, make_version: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = make_version(b"x")
    address = f"/api/v1/datasets/{version.dataset_id}"
    monkeypatch.setattr(registry, "USERS", [lambda _dataset: True])
    answer = api_for(alice).delete(address)
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    monkeypatch.setattr(registry, "USERS", [])
    assert api_for(alice).delete(address).status_code == 204
    assert api_for(alice).get(address).status_code == 404
    assert api_for(alice).delete(address).status_code == 404
    assert queries.storage_used(alice) == 0
    assert version.upload in storage.unreferenced()


def test_storage_counts_each_content_once_and_what_is_coming(alice: Member, make_dataset: Make) -> None:
    dataset, blob = make_dataset(), storage.put_bytes(b"12345")
    for _ in range(2):
        version = add_version(dataset=dataset, blob=blob, filename="a", label_column="")
    version.files.create(name="index.json.gz", blob=storage.put_bytes(b"678"))
    assert queries.storage_used(alice) == 8
    Upload.objects.create(
        owner=alice, dataset=dataset, filename="b", length=100, expires_at=dataset.created_at
    )
    assert queries.storage_used(alice) == 108
