"""The whole main job by clicking, in Chromium, at a desk and on a phone."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.e2e.portal import PASSWORD, Portal, Scripter, digits_zip

ARTEFACTS = Path(__file__).resolve().parents[1] / "artefacts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def grace(portal: Portal) -> Scripter:
    return portal.member("grace")


def open_page(browser: Browser, portal: Portal, width: int) -> tuple[Page, list[str]]:
    """A page of a new session, and what its console complained of (which must stay nothing)."""
    page = browser.new_context(viewport={"width": width, "height": 900}, base_url=portal.address).new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        refused = "400 (Bad Request)" in message.text  # the form that was filled in wrongly on purpose
        if message.type in {"error", "warning"} and not refused:
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


def sign_in(page: Page, name: str) -> None:
    page.goto("/account/login/")
    page.locator("#id_login").fill(name)
    page.locator("input[type=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Datasets").first).to_be_attached()


def shoot(page: Page, name: str) -> None:
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{name} is {wide} pixels too wide"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_main_job_by_clicking(
    width: int, browser: Browser, portal: Portal, grace: Scripter, tmp_path: Path
) -> None:
    page, complaints = open_page(browser, portal, width)
    sign_in(page, grace.name)
    shoot(page, f"home-{width}")
    upload(page, tmp_path, f"Digits at {width}")
    shoot(page, f"dataset-{width}")
    train(page, width)
    home = download(page, tmp_path)
    shoot(page, f"job-{width}")
    said = subprocess.run(
        [sys.executable, "-I", "run.py", "--selftest"], cwd=home, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert json.loads((home / "labels.json").read_text()) == [str(digit) for digit in range(10)]
    for path in ("/", "/jobs", "/models", "/machine", "/account", "/datasets"):
        page.goto(path)
        shoot(page, f"{path.strip('/') or 'home-after'}-{width}")
    assert complaints == []


def upload(page: Page, tmp_path: Path, name: str) -> None:
    archive = tmp_path / "digits.zip"
    archive.write_bytes(digits_zip(400))
    page.goto("/datasets/new")
    page.locator("#id_file").set_input_files(archive)
    page.get_by_label("Name").fill(name)
    page.locator("input[name=task][value=image-classification]").check()
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/datasets/01*", timeout=30_000)
    expect(page.get_by_role("link", name="Train on this")).to_be_visible(timeout=60_000)
    assert page.locator("img").count() >= 1


def train(page: Page, width: int) -> None:
    page.get_by_role("link", name="Train on this").click()
    page.get_by_label("Epochs").fill("0")
    page.get_by_label("Raspberry Pi 4").check()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("greater than or equal to 1")).to_be_visible()
    page.get_by_label("Epochs").fill("25")
    expect(page.get_by_label("Raspberry Pi 4")).to_be_checked()
    shoot(page, f"new-job-{width}")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/jobs/01*")
    expect(page.locator("#curves .uplot").first).to_be_visible(timeout=120_000)
    shoot(page, f"job-live-{width}")
    expect(page.get_by_role("heading", name="How good it is")).to_be_visible(timeout=180_000)


def download(page: Page, tmp_path: Path) -> Path:
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible(timeout=120_000)
    with page.expect_download() as waiting:
        link.click()
    target = tmp_path / "bundle.zip"
    waiting.value.save_as(target)
    with zipfile.ZipFile(target) as packed:
        packed.extractall(tmp_path / "pi")
    return next((tmp_path / "pi").iterdir())


def test_somebody_new_waits_for_a_steward(browser: Browser, portal: Portal) -> None:
    steward = portal.member("stella", steward=True)
    page, _complaints = open_page(browser, portal, 1280)
    page.goto("/account/signup/")
    page.locator("#id_username").fill("newcomer")
    for field in page.locator("input[type=password]").all():
        field.fill("another long password")
    page.locator("form button[type=submit]").last.click()
    expect(page.get_by_text("steward").first).to_be_visible()
    shoot(page, "pending-1280")
    admin, _complaints = open_page(browser, portal, 1280)
    sign_in(admin, steward.name)
    admin.goto("/admin/members/member/?q=newcomer")
    shoot(admin, "admin-members-1280")
    admin.locator("input[name=_selected_action]").first.check()
    approve = admin.locator("select[name=action] option", has_text="pprove").first.inner_text()
    admin.locator("select[name=action]").select_option(label=approve)
    admin.locator("button[name=index], button:has-text('Run')").first.click()
    sign_in_with(page, "newcomer", "another long password")


def sign_in_with(page: Page, name: str, password: str) -> None:
    page.goto("/account/login/")
    page.locator("#id_login").fill(name)
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Datasets").first).to_be_attached()


def test_who_forgot_the_password_gets_a_link_from_a_steward(browser: Browser, portal: Portal) -> None:
    portal.member("forgetful")
    admin, _complaints = open_page(browser, portal, 1280)
    sign_in(admin, portal.member("sven", steward=True).name)
    admin.goto("/admin/members/member/?q=forgetful")
    admin.locator("input[name=_selected_action]").first.check()
    admin.locator("select[name=action]").select_option(label="Make a link to choose a new password")
    admin.locator("button[name=index], button:has-text('Run')").first.click()
    link = admin.get_by_text("/account/password/reset/key/").inner_text()
    page, _complaints = open_page(browser, portal, 390)
    page.goto(link)
    for field in page.locator("input[type=password]").all():
        field.fill("a brand new password")
    shoot(page, "new-password-390")
    page.get_by_role("button", name="Change Password").click()
    expect(page.get_by_role("button", name="Change Password")).to_have_count(0)
    sign_in_with(page, "forgetful", "a brand new password")
