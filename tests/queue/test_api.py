"""Reading and steering jobs through the API: who sees what, pages, metrics, logs, events."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from jobs.queue import lifecycle
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job
from jobs.queue.reasons import EndReason
from jobs.queue.record import Recorder
from jobs.runner.mounts import OutsideError
from portal.members.models import Member

ApiFor = Callable[[Member], APIClient]
Submit = Callable[..., Job]
Start = Callable[..., Held]


def nowhere(name: str) -> None:
    raise OutsideError(name)


def test_others_do_not_see_a_job_and_stewards_do(
    submit: Submit, alice: Member, bob: Member, cora: Member, api_for: ApiFor
) -> None:
    job = submit()
    seen = {m.username: api_for(m).get(f"/api/v1/jobs/{job.pk}").status_code for m in (alice, bob, cora)}
    assert seen == {"alice": 200, "bob": 404, "cora": 200}
    assert api_for(bob).post(f"/api/v1/jobs/{job.pk}/cancel").status_code == 404
    assert APIClient().get(f"/api/v1/jobs/{job.pk}").status_code == 401


def test_paths_answer_with_a_trailing_slash_too(submit: Submit, alice: Member, api_for: ApiFor) -> None:
    job = submit()
    assert api_for(alice).get(f"/api/v1/jobs/{job.pk}/").status_code == 200


def test_accept_never_causes_406(submit: Submit, alice: Member, api_for: ApiFor) -> None:
    answer = api_for(alice).get("/api/v1/jobs", headers={"Accept": "text/turtle"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


def test_lists_come_in_pages_newest_first_and_can_be_filtered(
    submit: Submit, alice: Member, api_for: ApiFor
) -> None:
    jobs = [submit(name=f"n{number}") for number in range(5)]
    api = api_for(alice)
    api.post(f"/api/v1/jobs/{jobs[0].pk}/cancel")
    page = api.get("/api/v1/jobs?limit=3").json()
    assert [job["name"] for job in page["results"]] == ["n4", "n3", "n2"]
    assert page["previous"] is None
    rest = api.get(page["next"]).json()
    assert [job["name"] for job in rest["results"]] == ["n1", "n0"]
    assert [job["name"] for job in api.get("/api/v1/jobs?status=cancelled").json()["results"]] == ["n0"]
    assert api.get("/api/v1/jobs?kind=build").json()["results"] == []
    assert api.get("/api/v1/jobs?status=lost").status_code == 400


def test_a_page_of_jobs_costs_the_same_whatever_its_length(
    submit: Submit, alice: Member, api_for: ApiFor
) -> None:
    api = api_for(alice)
    api.get("/api/v1/jobs")  # notes the token's first use
    counts = []
    for _round in range(2):
        submit(), submit()
        with CaptureQueriesContext(connection) as queries:
            api.get("/api/v1/jobs")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8


def test_metrics_after_a_step(submit: Submit, start: Start, alice: Member, api_for: ApiFor) -> None:
    job = submit()
    recorder = Recorder(start(job), nowhere)
    for step in (10, 20, 30):
        values = {"loss": 1 / step, "bad": float("nan")}
        recorder.take({"type": "metric", "step": step, "epoch": step / 10, "values": values})
    api = api_for(alice)
    rows = api.get(f"/api/v1/jobs/{job.pk}/metrics?after=10&limit=1").json()
    assert [(row["step"], row["epoch"], row["values"]) for row in rows] == [(20, 2.0, {"loss": 0.05})]
    assert api.get(f"/api/v1/jobs/{job.pk}").json()["metrics"] == {"loss": pytest.approx(1 / 30)}
    assert api.get(f"/api/v1/jobs/{job.pk}/metrics?after=x").status_code == 400


def test_a_resumed_attempt_repeats_no_step(submit: Submit, start: Start) -> None:
    job = submit()
    recorder = Recorder(start(job), nowhere)
    for loss in (2.0, 1.0):
        recorder.take({"type": "metric", "step": 7, "values": {"loss": loss}})
    assert list(job.metric_rows.values_list("step", "values")) == [(7, {"loss": 1.0})]


def test_the_log_is_read_from_a_byte_on(submit: Submit, start: Start, alice: Member, api_for: ApiFor) -> None:
    job = submit()
    recorder = Recorder(start(job), nowhere)
    for line in ("größer", "second"):
        recorder.take({"type": "log", "text": line})
        recorder.flush()
    api = api_for(alice)
    whole = api.get(f"/api/v1/jobs/{job.pk}/logs")
    assert whole.content.decode() == "größer\nsecond\n"
    assert whole.headers["X-Next-Offset"] == str(len(whole.content))
    rest = api.get(f"/api/v1/jobs/{job.pk}/logs?offset=9")
    assert rest.content == b"second\n"
    assert api.get(f"/api/v1/jobs/{job.pk}/logs?offset={rest.headers['X-Next-Offset']}").content == b""


def test_what_is_not_a_message_changes_nothing(submit: Submit, start: Start) -> None:
    job = submit()
    recorder = Recorder(start(job), nowhere)
    for junk in (
        {},
        {"type": "metric"},
        {"type": "metric", "step": -1, "values": {}},
        {"type": "progress", "fraction": 7},
        {"type": "artefact", "name": "../x", "path": "/etc/passwd"},
        {"type": "artefact", "name": "x", "path": "/etc/passwd"},
    ):
        recorder.take(junk)
    assert recorder.artefacts == {}
    assert not job.metric_rows.exists()


def test_events_tell_what_happened(submit: Submit, start: Start, alice: Member, api_for: ApiFor) -> None:
    job = submit()
    lifecycle.end(start(job), EndReason.NAN_LOSS)
    events = api_for(alice).get(f"/api/v1/jobs/{job.pk}/events").json()
    assert [event["new"] for event in events] == ["queued", "starting", "running", "failed"]
    assert events[-1]["reason"] == "nan_loss"
    assert "learning rate" in events[-1]["sentence"]


def test_recipes_publish_their_parameters(alice: Member, api_for: ApiFor) -> None:
    recipes = {recipe["name"]: recipe for recipe in api_for(alice).get("/api/v1/recipes").json()}
    assert set(recipes) >= {"image-classifier", "table-classifier", "table-regressor"}
    for recipe in recipes.values():
        fields = recipe["params_schema"]["properties"]
        assert {"epochs", "batch_size", "learning_rate", "early_stop", "seed"} <= set(fields)
        assert all("default" in field for field in fields.values())
        assert "raspberry-pi-4" in recipe["targets"]
