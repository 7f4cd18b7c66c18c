"""The pages on which members bring models, and where stewards see them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from jobs.bundles.models import TrainedModel
from jobs.datasets.models import Version
from jobs.queue.models import Job
from portal.members.models import Member
from tests.bundles.brought import FILE, Finish, bring
from tests.bundles.folders import REPORT
from tests.queue.conftest import node, start  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


class TestPage:
    @pytest.fixture
    def browser(self, alice: Member, client_for: Callable[[Member], Client]) -> Client:
        return client_for(alice)

    def post(self, browser: Client, **more: Any) -> Any:
        body = {
            "file": SimpleUploadedFile("m.h5", FILE),
            "labels": "cat\n\n dog \n",
            "pixels": "0..1",
            **more,
        }
        return browser.post("/models/new", body)

    def test_a_form_brings_it(self, browser: Client, version: Version) -> None:
        page = browser.get("/models/new").content.decode()
        assert f'value="{version.dataset_id}"' in page
        answer = self.post(browser, name="Pets")
        assert (answer.status_code, answer["Location"]) == (302, "/models")
        model = TrainedModel.objects.get()
        assert (model.name, model.labels) == ("Pets", ["cat", "dog"])
        assert model.job is not None
        assert model.job.spec["pixels"] == "0..1"
        page = browser.get("/models").content.decode()
        assert "hx-trigger" in page
        assert "not measured, fp32 only" in page
        assert f"/models/{model.pk}/keras" not in page
        assert f"/models/{model.pk}/bundles" not in page

    def test_the_datasets_classes_are_suggested(self, browser: Client, version: Version) -> None:
        Version.objects.update(report={"classes": {"hen": 5, "cat": 5}})
        page = browser.get(f"/models/new?dataset={version.dataset_id}")
        assert page.context["form"]["labels"].value() == "cat\nhen"
        assert page.context["form"]["dataset"].value() == version.dataset_id
        assert browser.get("/models/new?dataset=nothing").context["form"]["labels"].value() is None

    def test_labels_are_left_to_the_dataset_or_to_a_number(self, browser: Client, version: Version) -> None:
        assert self.post(browser, dataset=version.dataset_id, labels="").status_code == 302
        assert self.post(browser, labels="").status_code == 302
        specs = [job.spec["labels"] for job in Job.objects.order_by("id")]
        assert specs == [None, []]

    def test_errors_stand_at_their_fields(self, browser: Client) -> None:
        answer = self.post(browser, labels="cat\ncat")
        assert answer.status_code == 400
        assert answer.context["form"].errors["labels"]
        assert "named twice" in answer.content.decode()
        assert browser.post("/models/new", {}).status_code == 400

    def test_it_is_offered_for_boards_once_it_is_ready(self, browser: Client, checked: Finish) -> None:
        model = checked({**REPORT, "metrics": {"test": {}}, "notes": ["<i>A note</i>"]})
        page = browser.get("/models").content.decode()
        assert f"/models/{model.pk}/bundles" in page
        assert "&lt;i&gt;A note" in page
        assert "came without data" in browser.get(f"/jobs/{model.job_id}").content.decode()
        assert browser.post(f"/models/{model.pk}/delete").status_code == 302
        assert not TrainedModel.objects.exists()

    def test_deleting_says_why_not(self, browser: Client, model: TrainedModel) -> None:
        answer = browser.post(f"/models/{model.pk}/delete", follow=True)
        assert "stays with its job" in answer.content.decode()

    def test_a_model_without_a_file_is_said_to_have_none(self, browser: Client, api: APIClient) -> None:
        pk = bring(api).json()["id"]
        assert "still being checked" in browser.get(f"/models/{pk}/keras", follow=True).content.decode()


def test_stewards_see_where_models_are_from(
    checked: Finish, cora: Member, client_for: Callable[..., Client]
) -> None:
    model = checked()
    browser = client_for(cora)
    assert "brought" in browser.get("/admin/bundles/trainedmodel/").content.decode()
    assert browser.get(f"/admin/bundles/trainedmodel/{model.pk}/change/").status_code == 200
