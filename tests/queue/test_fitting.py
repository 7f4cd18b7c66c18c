"""A job that its targets can't hold is refused at submission, or made to fit; and says what is expected of it."""

from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from hardware.nodes.models import Node
from jobs.datasets.models import Version
from jobs.queue import kinds, train
from jobs.queue.models import Job
from portal.members.models import Member

ApiFor = Callable[[Member], APIClient]
NANO, PI = "arduino-nano-33-ble-sense", "raspberry-pi-4"


@pytest.fixture
def looked_at(version: Version) -> Version:
    """The version as the checker tells of one of coloured photos."""
    version.report = {
        "samples": 90,
        "classes": {"ash": 30, "elm": 30, "oak": 30},
        "pictures": {"side": 480, "coloured": True},
    }
    version.save()
    return version


@pytest.fixture
def body(looked_at: Version, node: Node) -> dict[str, object]:
    return {"recipe": "image-classifier", "dataset": looked_at.dataset_id, "targets": [NANO]}


def test_estimates_come_with_the_job(body: dict, alice: Member, api_for: ApiFor) -> None:
    answer = api_for(alice).post("/api/v1/jobs", body | {"targets": [NANO, PI, "browser"]})
    assert answer.status_code == 201, answer.content
    nano, pi, browser = answer.json()["fit"]["targets"]
    assert (nano["target"], nano["fits"], nano["reason"]) == (NANO, "fits", "")
    assert 0 < nano["ram_bytes"] < nano["ram_free_bytes"] == 160 * 1024
    assert 0 < nano["model_bytes"] < nano["flash_bytes"]
    assert nano["latency_ms"] > pi["latency_ms"] > 0
    assert browser["latency_ms"] is None
    found = api_for(alice).get(f"/api/v1/jobs/{answer.json()['id']}").json()["fit"]
    assert found == answer.json()["fit"]
    assert (found["asked"], found["chosen"], found["sentence"]) == ({}, {}, "")


def test_what_a_target_can_t_hold_is_refused_in_words(body: dict, alice: Member, api_for: ApiFor) -> None:
    answer = api_for(alice).post("/api/v1/jobs", body | {"params": {"width": 64}})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "too_large")
    assert "Arduino Nano 33 BLE Sense has about 160 KiB free" in problem["detail"]
    assert "It would fit with width" in problem["detail"]
    fields = {error["field"]: error["detail"] for error in problem["errors"]}
    assert set(fields) >= {"targets", "params.width"}
    assert not Job.objects.exists()
    most = int(fields["params.width"].split()[2])
    assert api_for(alice).post("/api/v1/jobs", body | {"params": {"width": most}}).status_code == 201


def test_it_is_made_to_fit_when_asked(body: dict, alice: Member, api_for: ApiFor) -> None:
    answer = api_for(alice).post("/api/v1/jobs", body | {"params": {"width": 64}, "fit": True})
    assert answer.status_code == 201, answer.content
    job = answer.json()
    assert job["fit"]["asked"] == {"width": 64, "image_size": 96}
    assert job["params"]["width"] == job["fit"]["chosen"]["width"] < 64
    assert job["params"]["image_size"] == job["fit"]["chosen"]["image_size"]
    assert job["fit"]["targets"][0]["fits"] == "fits"
    assert "Arduino Nano 33 BLE Sense has about 160 KiB free" in job["fit"]["limits"][0]
    assert train.assign(Job.objects.get()).task["asked"] == {"width": 64, "image_size": 96}
    event = api_for(alice).get(f"/api/v1/jobs/{job['id']}/events").json()[0]
    assert job["fit"]["sentence"] in event["sentence"]


def test_there_must_be_something_to_fit(body: dict, alice: Member, api_for: ApiFor) -> None:
    problem = api_for(alice).post("/api/v1/jobs", body | {"targets": [], "fit": True}).json()
    assert [error["field"] for error in problem["errors"]] == ["targets"]


@pytest.mark.parametrize("fit", [True, False])
def test_versions_of_before_are_left_to_the_engine(
    fit: bool, body: dict, looked_at: Version, alice: Member, api_for: ApiFor
) -> None:
    Version.objects.update(report={"samples": 9})
    answer = api_for(alice).post("/api/v1/jobs", body | {"params": {"width": 256}, "fit": fit})
    assert (answer.status_code, answer.json()["fit"]) == (201, None)
    task = train.assign(Job.objects.get()).task
    assert [target["name"] for target in task["targets"]] == [NANO]
    assert task["fit"] == fit


def test_the_engine_looks_where_room_is_tight(body: dict, alice: Member, api_for: ApiFor) -> None:
    api_for(alice).post("/api/v1/jobs", body | {"targets": [PI]})
    assert train.assign(Job.objects.get()).task["targets"] == []
    api_for(alice).post("/api/v1/jobs", body | {"targets": [PI], "fit": True})
    assert len(train.assign(Job.objects.first()).task["targets"]) == 1


def test_real_boards_correct_the_latency(
    body: dict, alice: Member, api_for: ApiFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = api_for(alice).post("/api/v1/jobs", body).json()["fit"]["targets"][0]["latency_ms"]
    slow = kinds.Extension(name="slow", latency_factors=lambda: {NANO: 2.0})
    monkeypatch.setitem(kinds.EXTENSIONS, "slow", slow)
    after = api_for(alice).post("/api/v1/jobs", body).json()["fit"]["targets"][0]["latency_ms"]
    assert after == pytest.approx(2 * plain, rel=1e-4)


def test_the_form_tells_and_refuses_and_fits(
    body: dict, looked_at: Version, alice: Member, client: Client
) -> None:
    client.force_login(alice)
    asked = {
        "dataset": looked_at.dataset_id,
        "recipe": "image-classifier",
        "targets": [NANO],
        "params-epochs": "2",
        "csrfmiddlewaretoken": "x",  # which a browser sends
    }
    page = client.get("/jobs/new", asked).content.decode()
    assert 'id="job-estimates"' in page
    assert "about" in page
    wide = asked | {"params-width": "64"}
    page = client.get("/jobs/new", wide).content.decode()
    assert "too large" in page
    assert "It would fit with width" in page
    fit = client.get("/jobs/new", wide | {"fit": "on"}).content.decode()
    assert "width 64 became" in fit
    refused = client.post("/jobs/new", wide)
    assert refused.status_code == 400
    assert "fits all targets" in refused.content.decode()
    sent = client.post("/jobs/new", wide | {"fit": "on"})
    assert sent.status_code == 302
    page = client.get(sent["Location"]).content.decode()
    assert "width 64 became" in page
    assert "As it was asked for: The model needs" in page
    assert "On the boards" in page


def test_training_again_asks_the_same(body: dict, alice: Member, api_for: ApiFor, client: Client) -> None:
    job = api_for(alice).post("/api/v1/jobs", body | {"fit": True}).json()["id"]
    client.force_login(alice)
    page = client.get("/jobs/new", {"from": job}).content.decode()
    assert 'name="fit"' in page
    assert page.split('name="fit"')[1].split(">")[0].count("checked") == 1
