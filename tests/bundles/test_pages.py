"""The models page: what can be taken home, and asking for more."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs.bundles import services
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from portal.core import storage
from portal.members.models import Member
from tests.bundles.folders import REPORT

pytestmark = pytest.mark.django_db
Browser = Callable[[Member], Client]
PI = "raspberry-pi-4"


def ready(model: TrainedModel, target: str = PI) -> Bundle:
    bundle, _made = services.request_bundle(model=model, target=target)
    bundle.state, bundle.zip, bundle.metrics = (
        BundleState.READY,
        storage.put_bytes(b"zip"),
        {"accuracy": 0.97},
    )
    bundle.save()
    return bundle


def test_it_lists_my_models_with_their_bundles(
    model: TrainedModel, alice: Member, client_for: Browser
) -> None:
    bundle = ready(model)
    page = client_for(alice).get("/models").content.decode()
    assert "pets, Görlitz &amp; co" in page
    assert f"/bundles/{bundle.pk}/download" in page
    assert f"/models/{model.pk}/bundles" in page
    assert 'value="linux-pc"' in page
    assert f'value="{PI}"' not in page


def how_to_run(bundle: Bundle) -> str:
    return render_to_string("bundles/_bundle.html", {"bundle": bundle})


def test_a_microcontroller_is_told_to_compile_and_a_pi_to_install(model: TrainedModel) -> None:
    pi, nano = ready(model), ready(model, "arduino-nano-33-ble-sense")
    nano.metrics = {"plain_c": True, "proof": "operators and arena checked, not run"}
    assert "pip install numpy ai-edge-litert pillow" in how_to_run(pi)
    page = how_to_run(nano)
    assert "pip install" not in page
    assert "make plain" in page
    assert "operators and arena checked, not run" in page
    assert "make plain" not in how_to_run(ready(model, "esp32-s3"))


def test_a_bound_on_a_version_is_quoted(model: TrainedModel) -> None:
    assert ready(model, "linux-armhf").packages == "'numpy<2' tflite-runtime pillow"


def test_names_are_text(model: TrainedModel, alice: Member, client_for: Browser) -> None:
    TrainedModel.objects.update(name="<script>alert(1)</script>")
    assert "<script>alert" not in client_for(alice).get("/models").content.decode()


def test_a_stranger_signs_in_first(client: Client, db: None) -> None:
    assert client.get("/models").status_code == 302


def test_others_see_an_empty_page(model: TrainedModel, bob: Member, client_for: Browser) -> None:
    assert "Görlitz" not in client_for(bob).get("/models").content.decode()


def test_the_button_builds_a_bundle(model: TrainedModel, alice: Member, client_for: Browser) -> None:
    answer = client_for(alice).post(f"/models/{model.pk}/bundles", {"target": PI})
    assert (answer.status_code, answer["Location"]) == (302, "/models")
    assert Bundle.objects.get().target == PI


def test_from_the_jobs_page_it_leads_back_there(
    model: TrainedModel, alice: Member, client_for: Browser
) -> None:
    answer = client_for(alice).post(f"/models/{model.pk}/bundles", {"target": PI, "from": "job"})
    assert answer["Location"] == f"/jobs/{model.job_id}"


def test_a_wrong_target_is_said_on_the_page(model: TrainedModel, alice: Member, client_for: Browser) -> None:
    answer = client_for(alice).post(f"/models/{model.pk}/bundles", {"target": "toaster"}, follow=True)
    assert "There is no such target" in answer.content.decode()
    assert not Bundle.objects.exists()


def test_others_may_not_build_or_download(model: TrainedModel, bob: Member, client_for: Browser) -> None:
    bundle = ready(model)
    client = client_for(bob)
    assert client.post(f"/models/{model.pk}/bundles", {"target": PI}).status_code == 404
    assert client.get(f"/bundles/{bundle.pk}/download").status_code == 404
    assert client.get(f"/models/{model.pk}/keras").status_code == 404


def test_a_bundle_that_is_not_ready_is_said_on_the_page(
    model: TrainedModel, alice: Member, client_for: Browser
) -> None:
    bundle, _made = services.request_bundle(model=model, target=PI)
    answer = client_for(alice).get(f"/bundles/{bundle.pk}/download", follow=True)
    assert "still being built" in answer.content.decode()


def test_the_page_takes_the_same_number_of_queries_however_long(
    model: TrainedModel, alice: Member, client_for: Browser
) -> None:
    ready(model)
    client = client_for(alice)
    client.get("/models")
    with CaptureQueriesContext(connection) as few:
        client.get("/models")
    for number in range(4):
        ready(
            TrainedModel.objects.create(
                owner=alice,
                name=f"m{number}",
                keras=model.keras,
                dataset=model.dataset,
                version=model.version,
                report=REPORT,
            )
        )
    with CaptureQueriesContext(connection) as many:
        client.get("/models")
    assert len(many) == len(few)
