"""Why a model answers so: what is kept of a report's explanations, and where it is shown."""

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from jobs.bundles import explanations
from jobs.bundles.models import TrainedModel
from portal.members.models import Member
from tests.bundles.conftest import Train
from tests.bundles.explained import explained, webp
from tests.bundles.folders import REPORT, as_bytes

pytestmark = pytest.mark.django_db
Browser = Callable[[Member], Client]
Script = Callable[[Member], APIClient]
MAPS = 1


@pytest.fixture
def model(trained: Train) -> TrainedModel:
    return trained(as_bytes({**REPORT, "explanations": explained()}))


def page_of(model: TrainedModel, client: Client) -> str:
    return client.get(f"/jobs/{model.job_id}").content.decode()


def test_all_is_kept_but_the_pictures_which_stay_in_their_file(model: TrainedModel) -> None:
    kept = model.report["explanations"]
    expected = copy.deepcopy(explained())
    for number, example in enumerate(expected[MAPS]["examples"]):
        example["picture"] = number
    assert kept == expected
    assert len(as_bytes(model.report)) < 4000


def test_the_job_shows_every_part(model: TrainedModel, alice: Member, client_for: Browser) -> None:
    page = page_of(model, client_for(alice))
    for said in (
        "Why it answers so", "0.81", "0.37", "clearly sooner than chance (measured on 2 pictures)",
        "4 more pictures were left out", "30.0 % ± 2.0 %", "93.0 %", "&gt; 1.250 and ≤ 7.500 or missing", "is “cat”",
        "is not “cat” or “red”", "has a value", "60 % of the rows; the model says so for 97 % of them",
        "no test row", "3 of 9", "2 more classes have mistakes", "Rules that answer nearly alike: cat",
    ):  # fmt: skip
        assert said in " ".join(page.split()), said
    assert f'src="/models/{model.pk}/pictures/0"' in page
    assert f'src="/models/{model.pk}/pictures/1"' in page


def test_a_picture_is_sent_as_what_it_is_and_nothing_else(
    model: TrainedModel, alice: Member, client_for: Browser
) -> None:
    answer = client_for(alice).get(f"/models/{model.pk}/pictures/1")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer["Cache-Control"]
    assert answer.content == base64.b64decode(webp(200))
    for path in (f"/models/{model.pk}/pictures/2", f"/models/{model.pk}/pictures/{10**30}"):
        assert client_for(alice).get(path).status_code == 404


def test_the_api_gives_addresses_of_pictures(model: TrainedModel, alice: Member, api_for: Script) -> None:
    script = api_for(alice)
    said = script.get(f"/api/v1/models/{model.pk}").json()["explanations"]
    assert [part["kind"] for part in said] == [part["kind"] for part in explained()]
    assert said[3] == explained()[3]
    address = said[MAPS]["examples"][0]["picture"]
    assert address == f"http://testserver/api/v1/models/{model.pk}/pictures/0"
    assert script.get(address).content == base64.b64decode(webp(90))
    assert script.get(f"/api/v1/models/{model.pk}/pictures/9").status_code == 404


def test_a_report_of_before_has_none_and_is_shown(
    trained: Train, alice: Member, client_for: Browser, api_for: Script
) -> None:
    old = trained()
    page = page_of(old, client_for(alice))
    assert "How good it is" in page
    assert "Why it answers so" not in page
    assert api_for(alice).get(f"/api/v1/models/{old.pk}").json()["explanations"] == []


def spoilt(change: Callable[[list[Any]], Any]) -> bytes:
    value = explained()
    return as_bytes({**REPORT, "explanations": change(value) or value})


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (lambda _parts: {"rules": ["x"]}, 0),
        (lambda _parts: "nothing", 0),
        (lambda _parts: [None, 1, "x", [], {"kind": ["x"]}, {"kind": "of-tomorrow", "x": 1}], 0),
        (lambda parts: parts[1]["deletion"].update(score=float("nan")), 4),
        (lambda parts: parts[1].update(examples={"0": 1}), 4),
        (lambda parts: parts[2]["columns"].extend([{"name": "x" * 500, "loss": 1, "spread": 1}]), 4),
        (lambda parts: parts[2].update(columns=parts[2]["columns"] * 60), 4),
        (lambda parts: parts[3]["rules"][0].update(conditions=[{"above": 1}]), 4),
        (lambda parts: parts[3].update(measure="<b>"), 4),
        (lambda parts: parts[0].update(classes=None), 4),
        (lambda parts: parts.append({**parts[4], "more": "of tomorrow"}), 6),
    ],
    ids=range(11),
)
def test_what_is_not_of_its_shape_is_left_out_and_the_model_is_ready(
    change: Callable[[list[Any]], Any],
    kinds: int,
    trained: Train,
    alice: Member,
    client_for: Browser,
    api_for: Script,
) -> None:
    model = trained(spoilt(change))
    assert model.state == "ready"
    assert len(model.report["explanations"]) == kinds
    assert len(api_for(alice).get(f"/api/v1/models/{model.pk}").json()["explanations"]) == kinds
    assert client_for(alice).get(f"/jobs/{model.job_id}").status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"<script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
        b"\x89PNG\r\n\x1a\n",
        b"",
    ],
    ids=["html", "svg", "png", "nothing"],
)
def test_only_webp_is_a_picture(content: bytes, trained: Train, alice: Member, client_for: Browser) -> None:
    def change(parts: list[Any]) -> None:
        parts[MAPS]["examples"][0]["picture"] = base64.b64encode(content).decode()

    model = trained(spoilt(change))
    assert [row["picture"] for row in model.report["explanations"][MAPS]["examples"]] == [None, 1]
    page = page_of(model, client_for(alice))
    assert "pictures/0" not in page
    assert "pictures/1" in page
    assert client_for(alice).get(f"/models/{model.pk}/pictures/0").status_code == 404


def test_names_are_text(trained: Train, alice: Member, client_for: Browser) -> None:
    model = trained(as_bytes({**REPORT, "explanations": explained("<script>alert(1)</script>")}))
    page = page_of(model, client_for(alice))
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") > 10


def test_rows_written_past_us_are_read_as_carefully(
    model: TrainedModel, alice: Member, client_for: Browser, api_for: Script
) -> None:
    TrainedModel.objects.update(
        report={"task": "x", "metrics": {"test": {}}, "explanations": [{"kind": "left-out"}, 5]}
    )
    assert "Why it answers so" not in page_of(model, client_for(alice))
    assert api_for(alice).get("/api/v1/models").json()["results"][0]["explanations"] == []


def test_maps_that_do_not_convince_are_said_not_to(
    trained: Train, alice: Member, client_for: Browser
) -> None:
    value = explained()
    value[MAPS]["deletion"].update(convincing=False, score=0.36)
    model = trained(as_bytes({**REPORT, "explanations": value}))
    page = page_of(model, client_for(alice))
    assert "Don't rely on these maps" in page
    assert "clearly sooner than chance" not in page


def test_values_have_their_own_words(trained: Train, alice: Member, client_for: Browser) -> None:
    value = explained()
    value[2].update(measure="rmse", undisturbed=54.321)
    value[3].update(measure="r2", rules=[{"conditions": [], "rows": 1.0, "value": 152.4, "spread": 9.87}])
    model = trained(as_bytes({**REPORT, "explanations": value}))
    page = " ".join(page_of(model, client_for(alice)).split())
    for said in ("root mean square error of 54.3", "0.930", "always", "152", "spread by ± 9.87"):
        assert said in page, said


def test_what_is_read_is_what_was_written() -> None:
    assert explanations.plain(explanations.read(explained())) == explained()
