"""What stewards do by clicking: settings tried out on past jobs, shares and quotas, a team's share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.portal import Portal, Scripter
from tests.e2e.test_browser import browser, open_page, shoot, sign_in  # noqa: F401 - a fixture

pytestmark = pytest.mark.browser
REPLAYED_MS = 60_000


@pytest.fixture(scope="module")
def signed_in(browser: Browser, portal: Portal) -> Iterator[Page]:  # noqa: F811
    """A steward's page, whose console must have stayed silent at the end."""
    page, complaints = open_page(browser, portal, 1280)
    sign_in(page, portal.member("sigrid", steward=True).name)
    yield page
    assert complaints == []


@pytest.fixture(scope="module")
def trained(ada: Scripter, digits: str) -> None:
    """A job in the past, to be replayed."""
    job = ada.post("/jobs", {"recipe": "image-classifier", "dataset": digits, "params": {"epochs": 1}})
    assert ada.ended(job)["status"] == "succeeded"


def at_both_widths(page: Page, name: str) -> None:
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        shoot(page, f"{name}-{width}")
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.usefixtures("trained")
def test_settings_are_tried_on_the_jobs_of_the_last_days(signed_in: Page) -> None:
    page = signed_in
    page.goto("/machine")
    page.get_by_role("link", name="What would other settings have done?").click()
    page.get_by_label("Use is half forgotten after").fill("many days")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("half_life").first).to_be_visible()
    page.get_by_label("Use is half forgotten after").fill("3d")
    page.get_by_label("Added to the machine").fill("cpu=1")
    page.get_by_role("button", name="Replay").click()
    lines = page.get_by_role("region", name="Member by member").get_by_role("row")
    expect(lines.filter(has_text="ada")).to_have_count(1, timeout=REPLAYED_MS)
    expect(page.locator("#replay-past").get_by_text("running")).to_have_count(0)
    at_both_widths(page, "replay")


def test_a_share_is_changed_in_the_table_of_all(signed_in: Page, ada: Scripter) -> None:
    page, before = signed_in, ada.get("/me")["share"]["share"]
    page.goto("/ledger/quotas")
    page.get_by_label("ada: Share of the machine").fill("3")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("ada: Share of the machine")).to_have_value("3.0")
    assert ada.get("/me")["share"]["share"] > before
    at_both_widths(page, "quotas")


def test_a_team_is_made_with_a_share(signed_in: Page) -> None:
    page = signed_in
    page.goto("/admin/members/team/add/")
    page.locator("#id_name").fill("Bird watchers")
    page.locator("input[name=machine_share-0-share]").fill("2")
    at_both_widths(page, "admin-team")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Bird watchers").first.click()
    expect(page.locator("input[name=machine_share-0-share]")).to_have_value("2.0")


@pytest.mark.usefixtures("trained")
def test_what_a_month_cost_is_split(signed_in: Page) -> None:
    page = signed_in
    page.goto("/ledger/costs?cost=120.50")
    expect(page.get_by_role("row").filter(has_text="ada")).to_have_count(1)
    page.get_by_role("button", name="Enter 120.50").click()
    expect(page.get_by_text("120.50 stands as entered by sigrid")).to_be_visible()
    at_both_widths(page, "costs")
