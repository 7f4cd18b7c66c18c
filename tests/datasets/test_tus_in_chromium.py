"""The upload page's own tus client against the real web server: paused, cut off, reloaded, and nothing sent twice."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from portal.kit import frontend
from tests.datasets.server import Server
from tests.datasets.test_tus import MIB, PIECE, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CONTENT = PIECE * 12
SLOW = 3 * MIB  # bytes a second: time enough to interfere
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    frontend.build()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright keeps an event loop in this thread
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of alice's, whose uploads go at `SLOW`."""
    context = browser.new_context(base_url=server.url)
    context.add_cookies([{"name": "sessionid", "value": server.cast["alice"]["session"], "url": server.url}])
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())  # "leave this page?"
    pace(page, SLOW)
    yield page
    context.close()


def pace(page: Page, bytes_a_second: int) -> None:
    devtools = page.context.new_cdp_session(page)
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", limits)


@pytest.fixture
def begun(page: Page, server: Server, tmp_path: Path) -> Iterator[list[int]]:
    """An upload on its way; grows by the offset of every PATCH that the page begins."""
    file = tmp_path / "leaves.zip"
    file.write_bytes(CONTENT)
    sent: list[int] = []
    page.on(
        "request", lambda asked: sent.append(offset_in(asked.headers)) if asked.method == "PATCH" else None
    )
    choose(page, server, file)
    assert until(lambda: arrived(server) > MIB, 20)
    yield sent
    for part in (server.home / "uploads").glob("*.part"):
        part.unlink()


def offset_in(headers: dict[str, str]) -> int:
    return int(headers["upload-offset"])


def choose(page: Page, server: Server, file: Path) -> None:
    page.goto(f"/datasets/{server.cast['alice']['dataset']}/versions/new")
    page.locator("#id_file").set_input_files(file)
    page.locator("[data-part=submit]").click()


def arrived(server: Server) -> int:
    """Bytes on the server's disk."""
    return sum(part.stat().st_size for part in (server.home / "uploads").glob("*.part"))


def came_whole(page: Page, server: Server) -> bool:
    """Whether the page went on to the dataset, whose newest version is what was chosen."""
    dataset = f"/datasets/{server.cast['alice']['dataset']}"
    page.wait_for_url(f"**{dataset}", timeout=60_000)
    newest = max(version["number"] for version in server.get(f"/api/v1{dataset}")["versions"])
    found = server.get(f"/api/v1{dataset}/versions/{newest}")
    return bool(found["sha256"] == hashlib.sha256(CONTENT).hexdigest()) and arrived(server) == 0


def test_paused_it_goes_on_from_there(page: Page, server: Server, begun: list[int]) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused")).to_be_visible()
    at = settled(server)
    assert 0 < at < len(CONTENT)
    page.get_by_role("button", name="Resume").click()
    assert came_whole(page, server)
    assert begun == [0, at]


def test_a_killed_server_is_tried_again_until_it_is_back(
    page: Page, server: Server, begun: list[int]
) -> None:
    server.kill()
    at = arrived(server)
    server.start()
    assert came_whole(page, server)
    assert begun[0] == 0
    assert set(begun[1:]) == {at}


def test_after_a_reload_the_same_file_is_continued(
    page: Page, server: Server, begun: list[int], tmp_path: Path
) -> None:
    page.goto("about:blank")
    at = settled(server)
    choose(page, server, tmp_path / "leaves.zip")
    assert came_whole(page, server)
    assert begun == [0, at]


def settled(server: Server) -> int:
    """Bytes on the server's disk, once no more come."""
    seen: list[int] = []

    def still() -> bool:
        seen.append(arrived(server))
        return len(seen) > 60 and len(set(seen[-60:])) == 1

    assert until(still, 20)
    return seen[-1]
