"""Chromium, for pages that bundles bring along."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Playwright

CHROMIUM = Path("/usr/bin/chromium")
# A camera that shows a moving pattern, lent without a question.
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def start(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*QUIET, *CAMERA])


class Watched:
    """A page that notes what its console says and which requests leave it."""

    def __init__(self, browser: Browser, width: int = 1280) -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": 800})
        self.page.set_default_timeout(15_000)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on(
            "console",
            lambda message: self.said.append(message.text) if message.type in {"error", "warning"} else None,
        )
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def answer(self, part: str) -> dict[str, Any]:
        """What the page answered: the data of `part`'s answer."""
        found = self.page.wait_for_selector(f"[data-part={part}] [data-answer]")
        return found.evaluate("(one) => ({...one.dataset})")
