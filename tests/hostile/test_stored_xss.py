"""Hostile texts everywhere a text is kept, looked at in Chromium: nothing runs, nothing leaves, it stays text."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from portal.kit import frontend
from tests.datasets.server import Server
from tests.hostile.payloads import PAYLOADS, RUNS, grouped
from tests.hostile.world import WIDTH

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]
OK = 200
PLACES = (
    "/",
    "/machine",
    "/datasets",
    "/datasets/new",
    "/jobs",
    "/jobs/new",
    "/models",
    "/account",
    "/api/v1/docs",
)
INJECTED = """() => [...document.querySelectorAll(
  "[onerror],[onload],[onfocus],[onmouseover],iframe[srcdoc],base,math,[hx-on\\\\:\\\\:load],form[action*='evil'],"
  + "a[href^='javascript:' i],meta[http-equiv=refresh]"
)].map((one) => one.outerHTML.slice(0, 200)).concat(
  [...document.scripts].filter((one) => one.textContent.includes("pwned") && one.type !== "application/json"
    && !one.type.includes("json")).map((one) => one.outerHTML.slice(0, 200)))"""
SHOWN = """() => document.body.textContent
  + [...document.querySelectorAll("input,textarea,[title],[aria-label],option")]
  .map((one) => `${one.value} ${one.title} ${one.getAttribute("aria-label")}`).join(" ")"""
USUAL = ("WebSocket", "Failed to load resource")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    frontend.build()
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield chromium
        chromium.close()


@dataclass
class Visitor:
    """Opens pages and keeps what they should not have done."""

    context: BrowserContext
    url: str
    wrongs: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.page = self.context.new_page()
        self.page.on("dialog", self._dialog)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong(f"error: {error}"))
        self.page.on("request", self._request)
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()
        assert self.wrongs == []

    def wrong(self, what: str) -> None:
        self.wrongs.append(f"{self.page.url}: {what}")

    def _dialog(self, dialog: Any) -> None:
        self.wrong(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(usual in message.text for usual in USUAL):
            self.wrong(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:", "file:")):
            self.wrong(f"request: {request.url}")

    def visit(self, path: str, *, status: int = OK) -> Page:
        assert self.look(path) == status, path
        return self.page

    def look(self, path: str) -> int:
        """The page's status."""
        answer = self.page.goto(path)
        assert answer is not None
        self.page.wait_for_load_state("load")
        self.check()
        return answer.status

    def check(self) -> None:
        if self.page.evaluate("window.pwned") is not None:
            self.wrong("it ran")
        for injected in self.page.evaluate(INJECTED):
            self.wrong(f"injected: {injected}")


@dataclass(frozen=True)
class World:
    """A web server of hostile texts, and who may look at them."""

    server: Server
    said: dict[str, Any]

    def visitor(self, browser: Browser, who: str) -> Visitor:
        context = browser.new_context(base_url=self.server.url)
        if who in self.said:
            context.add_cookies([{"name": "sessionid", "value": self.said[who], "url": self.server.url}])
        return Visitor(context, self.server.url)

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tests.hostile.world", *arguments],
            env=self.server.env, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Server(tmp_path_factory.mktemp("home")) as server:
        server.env["PYTHONPATH"] = str(Path.cwd())
        unfilled = World(server, {})
        yield World(server, json.loads(unfilled.run().splitlines()[-1]))


def plain(text: str) -> str:
    """Without what pages may drop or fold: white space and characters that show nothing."""
    return "".join(letter for letter in text if letter.isprintable() and not letter.isspace())


def test_every_payload_is_in_some_text() -> None:
    texts = " ".join(grouped(WIDTH))
    assert all(payload in texts for payload in PAYLOADS)
    assert sum(RUNS in payload for payload in PAYLOADS) > 20


def test_members_pages_show_it_as_text(browser: Browser, world: World) -> None:
    texts = grouped(WIDTH)
    each = len(world.said["pages"]) // len(texts)
    with world.visitor(browser, "steward") as visitor:
        for number, path in enumerate(world.said["pages"]):
            page = visitor.visit(path)
            if number % each < 3:  # a dataset and its jobs: their names are there in full
                assert plain(texts[number // each]) in plain(page.evaluate(SHOWN)), path


@pytest.mark.parametrize("who", ["steward", "odd", "anonymous"])
def test_lists_and_places(who: str, browser: Browser, world: World) -> None:
    with world.visitor(browser, who) as visitor:
        for path in PLACES:
            visitor.visit(path)
            visitor.page.keyboard.press("Tab")
        visitor.visit(f"/datasets?q={PAYLOADS[4]}&cursor={PAYLOADS[2]}")
        visitor.visit(f"/nothing/{PAYLOADS[1]}", status=404)
        visitor.visit(f"/api/v1/{PAYLOADS[1]}", status=404)
        visitor.visit(f"/account/login/?next={PAYLOADS[0]}")


def test_the_admin_shows_it_as_text(browser: Browser, world: World) -> None:
    """Its pages have no content security policy: only escaping stands between a name and the steward's session."""
    with world.visitor(browser, "steward") as visitor:
        shown = [path for path in world.said["admin"] if visitor.look(path) == OK]
        assert len(shown) > len(world.said["admin"]) / 2  # a steward may not delete everything
        page = visitor.visit("/admin/members/team/")
        assert plain(grouped(WIDTH)[1])[:40] in plain(page.evaluate(SHOWN))


def test_what_comes_while_one_looks_is_text_too(browser: Browser, world: World) -> None:
    with world.visitor(browser, "steward") as visitor:
        page = visitor.visit(f"/jobs/{world.said['live']}")
        page.wait_for_selector("#curves canvas")
        world.run("say", world.said["live"])
        last = f"line {len(PAYLOADS) - 1}:"
        expect(page.locator("#log")).to_contain_text(last, timeout=20_000)
        page.wait_for_timeout(1000)
        page.hover("#curves .u-over >> nth=0")
        visitor.check()
        assert all(plain(payload) in plain(page.inner_text("#log")) for payload in PAYLOADS)
