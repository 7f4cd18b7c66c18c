"""Browser bundles: what is in them, and their page in Chromium, from the disk, with no server."""

import base64
import csv
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from pytest_django.live_server_helper import LiveServer
from scipy.ndimage import gaussian_filter

from hardware.targets.registry import TARGETS
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from jobs.bundles.sealing import seal
from jobs.bundles.signing import new_key
from portal.core import storage
from portal.kit import frontend
from portal.members.models import Member
from tests.datasets.server import Server
from tests.export.browsers import CHROMIUM, Watched, start
from tests.export.conftest import HOSTILE, Built, build, run_py
from tests.export.test_refusals import rebuilt, with_a_loud_neighbour

pytestmark = pytest.mark.train
ARTEFACTS = Path(__file__).resolve().parents[1] / "artefacts"
in_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]

LATE_CAMERA = """
const width = Object.getOwnPropertyDescriptor(HTMLVideoElement.prototype, "videoWidth").get;
let asked = 0;
Object.defineProperty(HTMLVideoElement.prototype, "videoWidth", {
  get() { asked += 1; return asked < 4 ? 0 : width.call(this); },
});
"""

# No picture ever comes of a canvas that nobody draws on: it does not begin to play.
BLIND_CAMERA = """
navigator.mediaDevices.getUserMedia = async () => document.createElement("canvas").captureStream(0);
"""
# Somebody is asked, and answers later.
SLOW_CONSENT = """
window.askedFor = 0;
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  window.askedFor += 1;
  await new Promise((resolve) => { window.consent = resolve; });
  return ask(wanted);
};
"""

# A model of alice's with the bundle that was built, in another process's database.
STORE = """
import django; django.setup()
from pathlib import Path
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from portal.core import storage
from portal.members.models import Member
alice = Member.objects.get(username="alice")
model = TrainedModel.objects.create(owner=alice, name="digits", labels=[], keras=storage.put_bytes(b"weights"))
Bundle.objects.create(
    model=model, target="browser", options_sha256="0" * 64, state=BundleState.READY, zip=storage.adopt(Path({zip!r}))
)
print(model.pk)
"""


def for_browser(home: Path, built: Built) -> Built:
    """The bundle of the same model for browsers."""
    from jobs.engine.export.convert import keras_file

    frontend.build()
    there = {name: str(built.home / name) for name in ("data", "cache")}
    model = keras_file(built.home / "model.keras")
    report = json.loads((built.home / "report.json").read_text())
    return build(home, report["task"], model, [], target=TARGETS["browser"].as_json(), **there)


@pytest.fixture(scope="module")
def pictures(digits: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return for_browser(tmp_path_factory.mktemp("pictures"), digits)


@pytest.fixture(scope="module")
def rows(farm_classes: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return for_browser(tmp_path_factory.mktemp("rows"), farm_classes)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright keeps an event loop in this thread
    with sync_playwright() as playwright:
        chromium = start(playwright)
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The portal's web process."""
    with Server(tmp_path_factory.mktemp("portal")) as running:
        yield running


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page; at the end its console must have stayed silent and nothing may have left it."""
    watched = Watched(browser)
    yield watched
    watched.page.close()
    assert watched.said == [], watched.said
    assert [url for url in watched.asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_what_a_browser_bundle_holds(pictures: Built, rows: Built) -> None:
    names = {path.name for path in pictures.bundle.iterdir()}
    assert {"index.html", "LICENSE-LiteRT.txt", "gradients.tflite", "model.tflite", "run.py"} <= names
    assert set(pictures.manifest["files"]) == names - {"manifest.json"}
    assert "Apache License" in (pictures.bundle / "LICENSE-LiteRT.txt").read_text()
    assert pictures.manifest["explanation"]["file"] == "gradients.tflite"
    assert "index.html" in (pictures.bundle / "README.md").read_text()
    assert not (rows.bundle / "gradients.tflite").exists()
    assert rows.manifest["explanation"] is None
    page = (pictures.bundle / "index.html").read_text()
    assert HOSTILE not in page
    assert not re.search(r"@@[A-Z]+@@", page)


def picture_of(built: Built, name: str, to: Path) -> Path:
    with zipfile.ZipFile(built.home / "data" / "upload") as packed:
        to.write_bytes(packed.read(next(one for one in packed.namelist() if one.endswith(name))))
    return to


def said_by_run_py(built: Built, path: Path) -> list[dict[str, Any]]:
    done = run_py(built.bundle, "--json", path)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def change_from_baseline(built: Built, path: Path, output: int) -> float:
    """What a map's values must add up to: how much surer the float model is than of the same picture blurred."""
    from jobs.engine.export.measure import Runner

    run = Runner((built.bundle / "model_fp32.tflite").read_bytes())
    x = np.asarray(Image.open(path), dtype=np.float32)[..., None]
    reach = built.manifest["explanation"]["blur"]
    blurred = gaussian_filter(x, (reach, reach, 0), mode="nearest", truncate=3.0)
    seen, unseen = run(np.stack([x, blurred]))[:, output]
    return float(seen - unseen)


def fill_in(watched: Watched, built: Built, row: dict[str, str]) -> None:
    for place, column in enumerate(built.manifest["input"]["columns"]):
        field, cell = f"#try-column-{place}", row[column["name"]]
        if column["type"] == "category":
            watched.page.select_option(field, value=cell)
        else:
            watched.page.fill(field, cell)


class TestInChromium:
    pytestmark = in_chromium

    def test_the_page_passes_its_self_test(self, watched: Watched, pictures: Built) -> None:
        watched.page.goto((pictures.bundle / "index.html").as_uri())
        line = watched.page.wait_for_selector("#selftest[data-passed]")
        assert line.get_attribute("data-passed") == "32/32"
        assert "PASS 32/32" in line.inner_text()

    def test_a_damaged_model_fails_it(self, watched: Watched, pictures: Built, tmp_path: Path) -> None:
        page = (pictures.bundle / "index.html").read_text()
        vectors = json.loads(page.split('id="bundle">')[1].split("</script>")[0])["selftest"]
        wrong = base64.b64encode(base64.b64decode(vectors["outputs"])[::-1]).decode()
        (tmp_path / "index.html").write_text(page.replace(vectors["outputs"], wrong))
        watched.page.goto((tmp_path / "index.html").as_uri())
        line = watched.page.wait_for_selector("#selftest[data-passed]")
        assert "FAIL" in line.inner_text()

    def test_a_picture_is_answered_and_explained(
        self, watched: Watched, digits: Built, pictures: Built, tmp_path: Path
    ) -> None:
        path = picture_of(digits, "0007.png", tmp_path / "seven.png")
        [wanted] = said_by_run_py(pictures, path)
        watched.page.goto((pictures.bundle / "index.html").as_uri())
        watched.page.set_input_files("[data-part=file]", path)
        answer = watched.answer("answer")
        assert answer["label"] == wanted["label"]
        assert np.allclose(json.loads(answer["scores"]), list(wanted["scores"].values()), atol=8 / 256)
        watched.page.wait_for_selector("[data-part=map][data-sum]")
        total = float(watched.page.get_attribute("[data-part=map]", "data-sum") or "nan")
        place = list(wanted["scores"]).index(wanted["label"])
        assert total == pytest.approx(change_from_baseline(pictures, path, place), abs=0.03)
        assert watched.page.evaluate("window.pwned") is None

    def test_no_picture_is_said_in_words(self, watched: Watched, pictures: Built, tmp_path: Path) -> None:
        (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
        watched.page.goto((pictures.bundle / "index.html").as_uri())
        watched.page.set_input_files("[data-part=file]", tmp_path / "torn.jpg")
        trouble = watched.page.wait_for_selector("[data-trouble]:visible")
        assert trouble.inner_text() == "torn.jpg can't be read as a picture."

    def test_the_camera_is_answered(self, watched: Watched, pictures: Built) -> None:
        watched.page.goto((pictures.bundle / "index.html").as_uri())
        watched.page.click("[data-part=camera]")
        watched.answer("answer")
        watched.page.click("[data-part=explain]")
        watched.page.wait_for_selector("[data-part=map][data-sum]")
        assert watched.page.is_hidden("[data-part=video]")
        watched.page.click("[data-part=camera]")
        watched.page.wait_for_selector("[data-part=video]:visible")
        watched.page.click("[data-part=camera]")
        assert watched.page.is_hidden("[data-part=video]")

    def test_a_camera_s_first_picture_is_waited_for(self, watched: Watched, pictures: Built) -> None:
        """It may play before that comes; until then it has no size."""
        watched.page.add_init_script(LATE_CAMERA)
        watched.page.goto((pictures.bundle / "index.html").as_uri())
        watched.page.click("[data-part=camera]")
        watched.answer("answer")

    def test_a_camera_is_turned_off_before_its_first_picture(self, watched: Watched, pictures: Built) -> None:
        """Whoever changes their mind is told of no error, nor is the page's console; it can be turned on again."""
        watched.page.add_init_script(BLIND_CAMERA)
        watched.page.goto((pictures.bundle / "index.html").as_uri())
        for _time in range(2):
            watched.page.click("[data-part=camera]")
            watched.page.wait_for_selector("[data-part=video]:visible")
            watched.page.click("[data-part=camera]")
            assert watched.page.is_hidden("[data-part=video]")
        watched.page.wait_for_selector("[aria-busy]", state="detached")
        assert watched.page.is_hidden("[data-trouble]")

    def test_a_camera_is_asked_for_once(self, watched: Watched, pictures: Built) -> None:
        """Until it is allowed the button is out of use: of two streams one would go on for ever."""
        watched.page.add_init_script(SLOW_CONSENT)
        watched.page.goto((pictures.bundle / "index.html").as_uri())
        watched.page.click("[data-part=camera]")
        watched.page.wait_for_function("window.askedFor === 1")
        assert watched.page.is_disabled("[data-part=camera]")
        watched.page.evaluate("document.querySelector('[data-part=camera]').click()")
        assert watched.page.evaluate("window.askedFor") == 1
        watched.page.evaluate("window.consent()")
        watched.answer("answer")
        assert watched.page.is_enabled("[data-part=camera]")

    def test_rows_are_answered_from_a_form_and_from_a_file(
        self, watched: Watched, rows: Built, tmp_path: Path
    ) -> None:
        lines = Path(rows.task["data"], "upload").read_bytes().decode("cp1252").split("\n")[:12]
        (tmp_path / "few.csv").write_bytes("\n".join(lines).encode("cp1252"))
        wanted = said_by_run_py(rows, tmp_path / "few.csv")
        watched.page.goto((rows.bundle / "index.html").as_uri())
        watched.page.set_input_files("[data-part=csv]", tmp_path / "few.csv")
        watched.page.wait_for_selector("[data-part=csv-answers] tbody tr")
        got = watched.page.eval_on_selector_all(
            "[data-part=csv-answers] tbody tr", "(all) => all.map((one) => JSON.parse(one.dataset.scores))"
        )
        assert np.allclose(got, [list(row["scores"].values()) for row in wanted], atol=1e-3)
        fill_in(watched, rows, list(csv.DictReader(lines, delimiter=";"))[2])
        watched.page.click("[data-part=row] button")
        assert np.allclose(json.loads(watched.answer("row-answer")["scores"]), got[2], atol=1e-6)
        assert watched.page.locator("[data-part=why] li").count() == len(rows.manifest["input"]["columns"])


def stored(built: Built, owner: Member, target: str, home: Path) -> TrainedModel:
    """A model of the member's, with the bundle that was built."""
    seal(built.bundle, new_key(), home / "bundle.zip", "digits")
    labels = built.manifest["labels"]
    model = TrainedModel.objects.create(
        owner=owner, name=HOSTILE, labels=labels, keras=storage.put_bytes(b"weights")
    )
    Bundle.objects.create(
        model=model, target=target, options_sha256="0" * 64, state=BundleState.READY,
        zip=storage.adopt(home / "bundle.zip"),
    )  # fmt: skip
    return model


def signed_in(browser: Browser, url: str, session: str, width: int = 1280) -> Watched:
    watched = Watched(browser, width)
    watched.page.context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    return watched


class TestInThePortal:
    pytestmark = [*in_chromium, pytest.mark.django_db(transaction=True)]

    @pytest.fixture
    def model(self, alice: Member, pictures: Built, tmp_path: Path) -> TrainedModel:
        """Alice's model, with the bundle that was built."""
        return stored(pictures, alice, "browser", tmp_path)

    def test_a_picture_is_tried_out(
        self, browser: Browser, model: TrainedModel, digits: Built, pictures: Built, live_server: LiveServer,
        alice: Member, client_for: Callable[[Member], Client], tmp_path: Path,
    ) -> None:  # fmt: skip
        path = picture_of(digits, "0007.png", tmp_path / "seven.png")
        [wanted] = said_by_run_py(pictures, path)
        for width in (1280, 390):
            session = client_for(alice).cookies["sessionid"].value
            watched = signed_in(browser, live_server.url, session, width)
            watched.page.goto(f"{live_server.url}/models/{model.pk}/try")
            watched.page.set_input_files("[data-part=file]", path)
            answer = watched.answer("answer")
            assert answer["label"] == wanted["label"]
            assert float(answer["confidence"]) == pytest.approx(wanted["confidence"], abs=8 / 256)
            watched.page.wait_for_selector("[data-part=map][data-sum]")
            assert watched.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            assert watched.page.evaluate("window.pwned") is None
            ARTEFACTS.mkdir(exist_ok=True)
            watched.page.screenshot(path=ARTEFACTS / f"try-{width}.png", full_page=True)
            assert watched.said == [], watched.said
            assert [url for url in watched.asked if not url.startswith(live_server.url)] == []
            watched.page.context.close()

    def test_a_file_with_activations_of_16_bits(
        self, browser: Browser, digits: Built, live_server: LiveServer, alice: Member,
        client_for: Callable[[Member], Client], tmp_path: Path,
    ) -> None:  # fmt: skip
        """What a microcontroller's bundle holds where plain int8 loses too much."""
        loud = with_a_loud_neighbour(digits, tmp_path / "model.keras", 1 / 16)
        found = rebuilt(digits, tmp_path, TARGETS["arduino-nano-33-ble-sense"], model=loud)
        assert found.manifest["variants"]["int8"]["remedy"]["applied"] == "wide"
        model = stored(found, alice, "arduino-nano-33-ble-sense", tmp_path)
        path = picture_of(digits, "0007.png", tmp_path / "seven.png")
        [wanted] = said_by_run_py(found, path)
        watched = signed_in(browser, live_server.url, client_for(alice).cookies["sessionid"].value)
        watched.page.goto(f"{live_server.url}/models/{model.pk}/try")
        watched.page.set_input_files("[data-part=file]", path)
        answer = watched.answer("answer")
        assert answer["label"] == wanted["label"]
        assert np.allclose(json.loads(answer["scores"]), list(wanted["scores"].values()), atol=1e-3)
        assert watched.said == [], watched.said
        watched.page.context.close()

    def test_the_camera_is_lent_to_the_page(
        self, browser: Browser, pictures: Built, server: Server, tmp_path: Path
    ) -> None:
        """By the web process as it really runs: what stands in the head of its answers decides."""
        seal(pictures.bundle, new_key(), tmp_path / "bundle.zip", "digits-browser")
        model = server.python(STORE.format(zip=str(tmp_path / "bundle.zip"))).decode().split()[-1]
        watched = signed_in(browser, server.url, server.cast["alice"]["session"])
        watched.page.goto(f"{server.url}/models/{model}/try")
        watched.page.click("[data-part=camera]")
        assert watched.answer("answer")["label"] in pictures.manifest["labels"]
        assert watched.said == [], watched.said
        watched.page.context.close()
