"""The pages in Chromium: the content security policy is never broken, hostile text stays text, phones need no
sideways scrolling, and what scripts add works.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from hardware.nodes import services
from hardware.nodes.models import MaintenanceWindow, Node, NodeSample
from jobs.bundles import explanations
from jobs.bundles.models import TrainedModel
from jobs.datasets.models import Dataset, Version, VersionState
from jobs.queue.models import Job, JobEvent, LogChunk, Metric
from jobs.queue.reasons import EndReason, Status
from portal.core import storage
from portal.kit import frontend
from portal.ledger.models import LedgerEntry
from portal.members.models import Member
from tests.bundles.explained import explained

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = '<img src=x onerror="window.pwned=1"><b>cats & dogs</b>' + "x" * 60
REPORT = {
    "samples": 6,
    "classes": {HOSTILE: 3, "dog": 3},
    "splits": {"train": 4, "validation": 1, "test": 1},
    "columns": [{"name": HOSTILE, "type": "number", "missing": 1}],
    "skipped": [{"file": HOSTILE, "reason": HOSTILE}],
}
MEASURED = {
    "labels": [HOSTILE, "dog"],
    "samples": {"test": 4},
    "metrics": {
        "test": {
            "accuracy": 0.75,
            "macro_f1": 0.7,
            "confusion_matrix": [[2, 0], [1, 1]],
            "per_class": [{"label": HOSTILE, "precision": 0.6, "recall": 1.0, "f1": 0.8, "support": 2}],
        }
    },
    "explanations": explanations.without_pictures(explained(HOSTILE)),
}

TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > innerWidth)
    .map((one) => one.tagName + "." + one.getAttribute("class"))"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    frontend.build()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright keeps an event loop in this thread
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def dataset(alice: Member) -> Dataset:
    dataset = Dataset.objects.create(
        owner=alice, name=HOSTILE[:120], task="image-classification", description=HOSTILE
    )
    upload = storage.put_bytes(b"pictures")
    Version.objects.create(
        dataset=dataset, number=1, state=VersionState.READY, filename=HOSTILE, upload=upload, report=REPORT
    )
    return dataset


@pytest.fixture
def job(alice: Member, dataset: Dataset) -> Job:
    """A job that has succeeded, with curves, a log and a report."""
    job = Job.objects.create(
        owner=alice,
        kind="train",
        name=HOSTILE[:120],
        status=Status.SUCCEEDED,
        recipe="image-classifier",
        dataset=dataset,
        version=dataset.versions.get(),
        spec={"params": {"epochs": 3}},
    )
    JobEvent.objects.create(job=job, old="", new=Status.QUEUED, sentence=HOSTILE)
    LogChunk.objects.create(job=job, offset=0, size=len(HOSTILE), text=HOSTILE)
    for epoch in (1, 2, 3):
        Metric.objects.create(
            job=job, step=10 * epoch, epoch=epoch, values={"loss": 1 / epoch, "val_loss": 1.1 / epoch}
        )
    TrainedModel.objects.create(
        owner=alice,
        job=job,
        dataset=dataset,
        name=job.name,
        labels=MEASURED["labels"],
        report=MEASURED,
        keras=storage.put_bytes(b"weights"),
        report_file=storage.put_bytes(json.dumps({"explanations": explained(HOSTILE)}).encode()),
    )
    return job


@pytest.fixture
def node(alice: Member) -> Node:
    """A node with a hostile name, a day of readings, and maintenance ahead."""
    cpu, gpu = (
        {"kind": kind, "index": 0, "model": HOSTILE, "memory_bytes": 8_000_000_000} for kind in ("cpu", "gpu")
    )
    probe = {
        "accelerators": [cpu, gpu],
        "cpu": {"model": HOSTILE, "cores": 8.0},
        "toolchains": {"yosys": HOSTILE},
    }
    node = services.register(name="mill-1", key="k", probe=probe, sandbox={"enforced": [HOSTILE]})
    now = timezone.now()
    Node.objects.update(label=HOSTILE[:80], donor=alice, state="draining")
    MaintenanceWindow.objects.create(
        node=node, starts_at=now, ends_at=now + timedelta(hours=1), reason=HOSTILE
    )
    NodeSample.objects.bulk_create(
        NodeSample(
            accelerator=row,
            at=now - timedelta(minutes=minutes),
            utilisation=minutes % 7 / 10,
            memory_bytes=10**9,
        )
        for row in node.accelerators.all()
        for minutes in range(0, 24 * 60, 3)
    )
    NodeSample.objects.filter(accelerator__kind="gpu").update(power_w=120.0)
    return node


Open = Callable[..., Page]


@pytest.fixture
def visit(
    browser: Browser, live_server: LiveServer, alice: Member, client_for: Callable[..., Client]
) -> Iterator[Open]:
    """Opens a page as Alice. At the end: no message in any console, but that the websocket has no server here."""
    session = client_for(alice).cookies["sessionid"].value
    context = browser.new_context(base_url=live_server.url)
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    said: list[str] = []

    def open_page(path: str, *, width: int = 1280) -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 800})
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        page.wait_for_load_state("load")
        return page

    yield open_page
    context.close()
    assert [text for text in said if "WebSocket" not in text] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_is_quiet_fits_and_keeps_hostile_text_as_text(visit: Open, job: Job, width: int) -> None:
    places = ("/", "/machine", "/datasets", "/datasets/new", "/jobs", "/jobs/new", "/models", "/account")
    for path in (*places, "/ledger", "/ledger/shares", f"/datasets/{job.dataset_id}", f"/jobs/{job.pk}"):
        page = visit(path, width=width)
        assert page.evaluate(TOO_WIDE) == [], path
        assert page.evaluate("window.pwned") is None, path
        assert page.locator("h1").count() == 1, path
        page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_what_stewards_do_on_pages_fits_too(
    visit: Open, job: Job, node: Node, alice: Member, width: int
) -> None:
    Member.objects.filter(pk=alice.pk).update(is_staff=True)
    Job.objects.update(status=Status.FAILED, end_reason=EndReason.NAN_LOSS, boost=0.25)
    LedgerEntry.objects.create(member=alice, attempt="a", kind="cpu", device_seconds=3600.0)
    for path, button in (
        (f"/machine/nodes/{node.pk}", "Activate"),
        (f"/jobs/{job.pk}", "Queue again"),
        ("/ledger/costs?cost=12.50", "Enter 12.50 for"),
    ):
        page = visit(path, width=width)
        for fold in page.locator("details.fold > summary").all():
            fold.click()
        assert page.get_by_role("button", name=button).is_visible()
        assert page.evaluate(TOO_WIDE) == [], path
        assert page.evaluate("window.pwned") is None, path
        page.close()


def test_a_job_shows_its_curves_log_and_report(visit: Open, job: Job) -> None:
    page = visit(f"/jobs/{job.pk}")
    page.wait_for_selector("#curves canvas")
    assert "validation 0.3667" in (page.get_attribute(".curve-plot", "aria-label") or "")
    assert "cats & dogs" in page.inner_text("#log")
    assert page.locator(".matrix .heat").count() == 3


@pytest.mark.parametrize("width", [390, 1280])
def test_a_node_shows_its_history(visit: Open, node: Node, width: int) -> None:
    page = visit(f"/machine/nodes/{node.pk}", width=width)
    page.wait_for_selector("[data-node-samples] canvas >> nth=2")
    assert page.locator(".curve h3").all_inner_texts() == ["At work", "Memory in use", "Power"]
    titles = page.locator(".curve >> nth=2").locator(".curve-key").all_inner_texts()
    assert [text.split() for text in titles] == [["GPU", "0", "120", "W"]]
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("window.pwned") is None
    with page.expect_response(lambda answer: "/samples?" in answer.url) as asked:
        page.click("[data-span='86400']")
    assert len(asked.value.json()["series"][0]["points"]) > 300
    assert page.get_attribute("[data-span='86400']", "aria-pressed") == "true"


def test_a_node_without_readings_says_so(visit: Open, node: Node) -> None:
    NodeSample.objects.all().delete()
    page = visit(f"/machine/nodes/{node.pk}")
    assert page.is_visible("text=Nothing was read in this time.")
    assert page.locator("canvas").count() == 0


def test_the_chosen_theme_is_kept(visit: Open) -> None:
    page = visit("/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("[data-theme-choice=dark]")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert page.get_attribute("[data-theme-choice=dark]", "aria-pressed") == "true"


def test_by_keyboard_one_skips_to_the_content(visit: Open) -> None:
    page = visit("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_on_a_phone_the_rooms_unfold(visit: Open) -> None:
    page = visit("/", width=390)
    assert not page.is_visible("nav.rooms")
    page.click("[data-rail-toggle]")
    assert page.is_visible("nav.rooms")
    assert page.get_attribute("[data-rail-toggle]", "aria-expanded") == "true"


def test_deleting_asks_first_and_the_safe_answer_has_the_focus(visit: Open, dataset: Dataset) -> None:
    page = visit(f"/datasets/{dataset.pk}")
    page.click("[data-opens=delete-dialog]")
    assert page.evaluate("document.activeElement.hasAttribute('data-closes')")
    page.keyboard.press("Escape")
    assert not page.is_visible("#delete-dialog")
    assert Dataset.objects.get(pk=dataset.pk).deleted_at is None


def test_the_file_suggests_the_rest(visit: Open, tmp_path: Path) -> None:
    table = tmp_path / "iris_flowers-v2.csv"
    table.write_text('a;b;"what it is"\n1;2;x\n', encoding="utf-8")
    page = visit("/datasets/new")
    page.set_input_files("#id_file", table)
    page.wait_for_function("document.querySelectorAll('#label-columns option').length === 3")
    assert page.input_value("[name=name]") == "Iris flowers v2"
    assert page.eval_on_selector("[name=task]:checked", "radio => radio.value") == "table-classification"
    assert page.is_visible("[name=label_column]")


def test_an_upload_without_a_file_says_so(visit: Open) -> None:
    page = visit("/datasets/new")
    page.click("[data-part=submit]")
    assert page.inner_text("[data-part=error-text]") == "Choose a file first."
