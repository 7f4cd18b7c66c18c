"""The pages of datasets, as a browser without scripts uses them."""

import html
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs.datasets import registry, validation
from jobs.datasets.models import Dataset, Version, VersionState
from jobs.datasets.versions import add_version
from portal.core import storage
from portal.members.models import Member, Team
from tests.datasets.samples import csv_table, image_zip

ClientFor = Callable[[Member], Client]
Make = Callable[..., Any]
EVIL = '"><img src=x onerror=alert(1)>'


def text(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.mark.django_db
def test_pages_are_for_members() -> None:
    for page in ("/datasets", "/datasets/new", "/datasets/x", "/datasets/x/versions/1/files/preview.json"):
        answer = Client().get(page)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/account/login")


def test_a_dataset_and_its_file_are_made_in_one_form(client_for: ClientFor, alice: Member) -> None:
    client = client_for(alice)
    assert client.get("/datasets/new").status_code == 200
    form = {"name": "Leaves", "task": "image-classification", "visibility": "private"}
    answer = client.post("/datasets/new", {**form, "file": SimpleUploadedFile("a.zip", image_zip())})
    dataset = Dataset.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/datasets/{dataset.pk}")
    assert dataset.versions.get().filename == "a.zip"


def test_what_is_wrong_stands_at_its_field_and_nothing_is_kept(
    client_for: ClientFor, alice: Member, bob: Member
) -> None:
    Team.objects.create(name="Weeders").members.add(alice)
    form = {"name": "Leaves", "task": "table-regression", "visibility": "team"}
    answer = client_for(alice).post(
        "/datasets/new", {**form, "file": SimpleUploadedFile("a.csv", csv_table())}
    )
    assert answer.status_code == 400
    assert answer.context["form"].errors["team"]
    answer = client_for(bob).post("/datasets/new", {"name": "", "task": "?"})
    assert set(answer.context["form"].errors) == {"name", "task", "file"}
    assert not Dataset.objects.exists()


def test_the_list_shows_mine_at_a_constant_number_of_queries(
    client_for: ClientFor, alice: Member, bob: Member, make_dataset: Make
) -> None:
    client, counts = client_for(alice), []
    make_dataset(owner=bob, name="Hidden")
    for _ in range(2):
        for _ in range(3):
            blob = storage.put_bytes(b"x")
            add_version(dataset=make_dataset(name=EVIL), blob=blob, filename="a", label_column="")
        with CaptureQueriesContext(connection) as asked:
            page = client.get("/datasets")
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert html.escape(EVIL) in text(page)
    assert EVIL not in text(page)
    assert "Hidden" not in text(page)


@pytest.mark.django_db(transaction=True)
def test_a_picture_version_shows_its_strips(
    client_for: ClientFor, alice: Member, bob: Member, checked: Make
) -> None:
    version = checked(image_zip(labels=("<b>cat", "dog")), filename=f"{EVIL}.zip")
    client, address = client_for(alice), f"/datasets/{version.dataset_id}"
    page = client.get(address)
    assert page.status_code == 200
    assert html.escape(EVIL) in text(page)
    assert "<b>cat" not in text(page)
    for number in (0, 1):
        strip = f"{address}/versions/1/files/strip-{number}.webp"
        assert strip in text(page)
        answer = client.get(strip)
        assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("image/webp", "nosniff")
        assert answer.getvalue()[8:12] == b"WEBP"
        assert client_for(bob).get(strip).status_code == 404
    for name in ("index.json.gz", "strip-9.webp", "table.npz"):
        assert client.get(f"{address}/versions/1/files/{name}").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_table_version_shows_columns_and_rows_and_can_learn_another(
    client_for: ClientFor, alice: Member, bob: Member, checked: Make
) -> None:
    version = checked(csv_table(), task="table-regression", filename="prices.csv")
    address = f"/datasets/{version.dataset_id}"
    page = client_for(alice).get(address)
    assert "price" in text(page)
    assert page.context["label_columns"] == ["a", "b", "kind"]
    again = f"{address}/versions/1/again"
    assert client_for(bob).post(again, {"label_column": "a"}).status_code == 404
    answer = client_for(alice).post(again, {"label_column": "a"})
    assert answer["Location"] == f"{address}?version=2"
    made = Version.objects.get(number=2)
    assert (made.upload_id, made.label_column, made.state) == (
        version.upload_id,
        "a",
        VersionState.VALIDATING,
    )
    validation.validate(made.pk)
    made.refresh_from_db()
    assert made.state == VersionState.READY
    assert client_for(alice).get(f"{address}?version=1").context["version"] == version


def test_the_panel_polls_until_the_check_is_over(
    client_for: ClientFor, alice: Member, make_version: Make
) -> None:
    version = make_version(b"x")
    panel = f"/datasets/{version.dataset_id}/versions/1/panel"
    assert f'hx-get="{panel}"' in text(client_for(alice).get(panel))
    Version.objects.update(state=VersionState.REJECTED, reason=EVIL)
    shown = text(client_for(alice).get(panel))
    assert "hx-get" not in shown
    assert html.escape(EVIL) in shown


def test_deleting_by_page(
    client_for: ClientFor, alice: Member, bob: Member, make_dataset: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(visibility="community")
    address = f"/datasets/{dataset.pk}"
    assert client_for(bob).get(address).context["can_edit"] is False
    assert client_for(bob).post(f"{address}/delete").status_code == 403
    assert client_for(bob).get(f"{address}/versions/new").status_code == 403
    assert client_for(alice).get(f"{address}/delete").status_code == 405
    monkeypatch.setattr(registry, "USERS", [lambda _dataset: True])
    assert client_for(alice).post(f"{address}/delete")["Location"] == address
    monkeypatch.setattr(registry, "USERS", [])
    assert client_for(alice).post(f"{address}/delete")["Location"] == "/datasets"
    assert client_for(alice).get(address).status_code == 404


def test_another_file_by_page(client_for: ClientFor, alice: Member, make_dataset: Make) -> None:
    dataset = make_dataset(task="table-regression", label_column="price")
    client, address = client_for(alice), f"/datasets/{dataset.pk}"
    assert client.get(address).status_code == 200
    assert client.get(f"{address}/versions/new").context["form"]["label_column"].value() == "price"
    answer = client.post(f"{address}/versions/new", {"file": SimpleUploadedFile("p.csv", b"")})
    assert answer["Location"] == f"{address}?version=1"
    assert client.post(f"{address}/versions/new", {}).status_code == 400
