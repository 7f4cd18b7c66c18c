"""Trying a model out: which bundle's files it runs, who may read them, and what the page may do."""

import json
from collections.abc import Callable

import pytest
from django.test import Client

from jobs.bundles import services
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from portal.core import storage
from portal.core.shield import ALWAYS
from portal.members.models import Member
from tests.bundles.folders import small_zip

pytestmark = pytest.mark.django_db
Browser = Callable[[Member], Client]
POLICY = "permissions-policy"
MANIFEST = {"labels": ["</script><b>cat"], "explanation": None, "explanation_left_out": "No <map>."}


def ready(model: TrainedModel, target: str, *, explained: bool = True, **files: bytes) -> Bundle:
    """A bundle that is there; `explained` says in its manifest why it has no maps."""
    bundle, _made = services.request_bundle(model=model, target=target)
    manifest = MANIFEST if explained else {"labels": MANIFEST["labels"]}
    packed = small_zip(manifest__json=json.dumps(manifest).encode(), **files)
    bundle.state, bundle.zip = BundleState.READY, storage.put_bytes(packed)
    bundle.save()
    return bundle


def page_of(model: TrainedModel, client: Client) -> str:
    answer = client.get(f"/models/{model.pk}/try")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_browsers_bundle_is_preferred_then_one_for_linux(
    model: TrainedModel, alice: Member, client_for: Browser
) -> None:
    client = client_for(alice)
    pico, pi = ready(model, "raspberry-pi-pico-2"), ready(model, "raspberry-pi-4")
    browser, keras = ready(model, "browser"), ready(model, "keras")
    ready(model, "onnx")
    for best in (browser, pi, keras, pico):  # of those that are left
        assert f"/bundles/{best.pk}/files/" in page_of(model, client)
        best.delete()
    assert "/files/" not in page_of(model, client)  # ONNX alone


@pytest.mark.parametrize(
    "target", ["browser", "raspberry-pi-4", "raspberry-pi-pico-2", "keras", "savedmodel"]
)
def test_it_says_whose_file_answers(
    target: str, model: TrainedModel, alice: Member, client_for: Browser
) -> None:
    bundle = ready(model, target)
    page = page_of(model, client_for(alice))
    assert ("The very file of the bundle" in page) is (target in {"browser", "raspberry-pi-4"})
    assert ("also holds the model as a file for computers" in page) is (
        target not in {"browser", "raspberry-pi-4"}
    )
    assert f"for “{bundle.title}”" in page


def test_why_it_answers_so_is_a_click_away(model: TrainedModel, alice: Member, client_for: Browser) -> None:
    """The bundle for browsers alone explains: it can be built from here."""
    client = client_for(alice)
    ready(model, "raspberry-pi-4", explained=False)
    page = page_of(model, client)
    assert "also shows why" in page
    assert 'name="target" value="browser"' in page
    client.post(f"/models/{model.pk}/bundles", {"target": "browser", "from": "try"})
    page = page_of(model, client)
    assert "is being built" in page
    assert 'name="target"' not in page
    TrainedModel.objects.update(version=None)  # its data is gone: nothing can be built any more
    Bundle.objects.filter(state=BundleState.BUILDING).delete()
    page = page_of(model, client)
    assert "also shows why" not in page
    assert 'name="target"' not in page


def test_what_the_bundle_says_is_text(model: TrainedModel, alice: Member, client_for: Browser) -> None:
    ready(model, "browser")
    page = page_of(model, client_for(alice))
    assert "</script><b>" not in page
    assert "No &lt;map&gt;." in page


def test_only_this_page_may_run_webassembly(model: TrainedModel, alice: Member, client_for: Browser) -> None:
    ready(model, "browser")
    client = client_for(alice)
    policy = client.get(f"/models/{model.pk}/try")["Content-Security-Policy"]
    assert "script-src 'self' 'wasm-unsafe-eval'" in policy
    assert "'unsafe-eval'" not in policy
    assert "default-src 'self'" in policy
    assert "wasm" not in client.get("/models")["Content-Security-Policy"]


def test_this_page_may_ask_for_the_camera_and_nothing_else(
    model: TrainedModel, alice: Member, client_for: Browser
) -> None:
    ready(model, "browser")
    client = client_for(alice)
    allowed = dict(part.split("=") for part in client.get(f"/models/{model.pk}/try")[POLICY].split(", "))
    assert allowed.pop("camera") == "(self)"
    assert set(allowed.values()) == {"()"}
    assert allowed.keys() | {"camera"} == dict(part.split("=") for part in ALWAYS[POLICY].split(", ")).keys()
    assert "camera=()" in ALWAYS[POLICY]
    assert POLICY not in client.get("/models")  # which gets the rule for all


def test_without_a_bundle_one_is_built(model: TrainedModel, alice: Member, client_for: Browser) -> None:
    client = client_for(alice)
    assert 'name="target" value="browser"' in page_of(model, client)
    asked = {"target": "browser", "from": "try"}
    answer = client.post(f"/models/{model.pk}/bundles", asked)
    assert (answer.status_code, answer["Location"]) == (302, f"/models/{model.pk}/try")
    assert 'id="try-waiting"' in page_of(model, client)
    Bundle.objects.all().delete()
    ready(model, "browser")
    polled = client.get(f"/models/{model.pk}/try", headers={"HX-Request": "true"})
    assert polled["HX-Refresh"] == "true"


def test_files_of_a_bundle(model: TrainedModel, alice: Member, bob: Member, client_for: Browser) -> None:
    bundle = ready(model, "browser", model__tflite=b"TFL3")
    url = f"/bundles/{bundle.pk}/files"
    answer = client_for(alice).get(f"{url}/model.tflite")
    assert answer.content == b"TFL3"
    assert answer["Content-Type"] == "application/octet-stream"
    assert client_for(bob).get(f"{url}/model.tflite").status_code == 404
    for name in ("none.tflite", "..", "%2e%2e%2fmanifest.json"):
        assert client_for(alice).get(f"{url}/{name}").status_code == 404
    bundle.state = BundleState.FAILED
    bundle.save()
    assert client_for(alice).get(f"{url}/model.tflite").status_code == 409
