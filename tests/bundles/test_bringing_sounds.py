"""Models of sounds in the API and on the pages: the sample rate that makes them ones, and what is left away."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from jobs.bundles import services
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from jobs.datasets.models import Version
from jobs.queue.kinds import KINDS
from jobs.queue.models import Job
from portal.core import storage
from portal.members.models import Member
from tests.bundles.brought import FILE, Finish, bring
from tests.bundles.folders import small_zip

pytestmark = pytest.mark.django_db
REPORT = {"task": "sound-classification", "labels": ["yes", "no"], "metrics": {"test": {}}, "notes": []}


@pytest.fixture
def heard(checked: Finish) -> TrainedModel:
    return checked(REPORT, sample_rate="16000")


@pytest.fixture
def browser(alice: Member, client_for: Callable[[Member], Client]) -> Client:
    return client_for(alice)


def test_the_engine_is_told_the_rate(api: APIClient) -> None:
    jobs = [Job.objects.get(pk=bring(api, sample_rate=rate).json()["job"]) for rate in ("16000", "")]
    tasks = [KINDS["import"].assign(job).task for job in jobs]
    assert [task["sample_rate"] for task in tasks] == [16_000, None]
    del jobs[0].spec["sample_rate"]  # one that was submitted before there were any
    assert KINDS["import"].assign(jobs[0]).task["sample_rate"] is None


@pytest.mark.parametrize(
    ("rate", "part"),
    [
        ("999", "between 1000 and 192000 Hz"),
        ("192001", "between 1000 and 192000 Hz"),
        ("0", "between 1000 and 192000 Hz"),
        ("16k", "“sample_rate” is a whole number"),
        ("8000.0", "“sample_rate” is a whole number"),
        ("-8000", "“sample_rate” is a whole number"),
    ],
)
def test_what_is_no_rate(rate: str, part: str, api: APIClient) -> None:
    answer = bring(api, sample_rate=rate)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "sample_rate")
    assert part in answer.json()["detail"]
    assert not TrainedModel.objects.exists()


def test_there_are_no_datasets_of_sounds(api: APIClient, version: Version) -> None:
    answer = bring(api, sample_rate="8000", dataset=version.dataset_id, labels=None)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "sample_rate")
    assert "There are no datasets of sounds yet." in answer.json()["detail"]


def test_another_rate_is_another_body(api: APIClient) -> None:
    first = bring(api, key="k", sample_rate="8000")
    assert bring(api, key="k", sample_rate="8000").json()["id"] == first.json()["id"]
    assert bring(api, key="k", sample_rate="16000").json()["code"] == "idempotency_mismatch"


def test_none_is_built_for_browsers(heard: TrainedModel, api: APIClient) -> None:
    asked = {"model": heard.pk, "target": "browser"}
    answer = api.post("/api/v1/bundles", asked, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "unsuitable_target")
    assert "no sounds yet. Choose Linux: its run.py takes WAV files" in answer.json()["detail"]
    names = {target.name for target in heard.buildable}
    assert "linux-pc" in names
    assert "browser" not in names
    assert api.post("/api/v1/bundles", {**asked, "target": "linux-pc"}, format="json").status_code == 201


def test_the_form_takes_a_rate(browser: Client) -> None:
    page = browser.get("/models/new").content.decode()
    assert "Sample rate of its sounds" in page
    assert 'name="sample_rate" min="1000" max="192000"' in page

    def post(rate: str) -> Any:
        body = {"file": SimpleUploadedFile("m.h5", FILE), "labels": "yes\nno", "pixels": "0..255"}
        return browser.post("/models/new", {**body, "sample_rate": rate})

    for rate in ("999", "many"):
        answer = post(rate)
        assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["sample_rate"])
    assert post("44100").status_code == post("").status_code == 302
    assert [job.spec["sample_rate"] for job in Job.objects.order_by("id")] == [44_100, None]


def test_the_form_says_that_no_dataset_has_sounds(browser: Client, version: Version) -> None:
    body = {"file": SimpleUploadedFile("m.h5", FILE), "labels": "", "pixels": "0..255", "sample_rate": "8000"}
    answer = browser.post("/models/new", {**body, "dataset": version.dataset_id})
    assert answer.status_code == 400
    assert "There are no datasets of sounds yet." in answer.context["form"].errors["sample_rate"][0]


def test_the_pages_ask_it_about_a_wav(heard: TrainedModel, browser: Client) -> None:
    """And do not offer to try it out in the browser, whose page knows no sounds."""
    bundle, _made = services.request_bundle(model=heard, target="linux-pc")
    Bundle.objects.filter(pk=bundle.pk).update(
        state=BundleState.READY, zip=storage.put_bytes(small_zip(manifest__json=b"{}"))
    )
    for address in ("/models", f"/jobs/{heard.job_id}"):
        page = browser.get(address).content.decode()
        assert "run.py sound.wav" in page, address
        assert "pillow" not in page, address
        assert "ai-edge-litert" in page, address
        assert f"/models/{heard.pk}/try" not in page, address
    page = browser.get(f"/models/{heard.pk}/try").content.decode()
    assert "sounds can&#x27;t be tried out in the browser" in page or "sounds can't be tried out" in page
    assert "/files/" not in page
    assert 'name="target"' not in page
