"""From an empty installation to the first synced booking, as an administrator goes it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from integrations.demo import ACCESS_TOKEN, WEBHOOK_SECRET
from tests.browser.conftest import Installation, new_installation, take_picture
from tests.browser.test_first_booking import log_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def installation(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One without connections."""
    yield from new_installation(tmp_path_factory.mktemp("empty"), "--empty")


def open_steps(page: Page) -> None:
    page.get_by_role("link", name="Back to First steps").click()


def read_step(page: Page, number: int) -> str:
    return page.locator("main ol > li, #content ol > li").nth(number - 1).inner_text()


def press(page: Page, number: int, label: str) -> None:
    step = page.locator("#content ol > li").nth(number - 1)
    step.get_by_role("button", name=label).or_(step.get_by_role("link", name=label)).click()


def add_connection(page: Page, *, provider: str, slug: str, base_url: str) -> None:
    page.select_option("[name=provider]", provider)
    page.fill("[name=slug]", slug)
    page.fill("[name=base_url]", base_url)
    page.fill("[name=access_token]", ACCESS_TOKEN)
    page.fill("[name=webhook_secret]", WEBHOOK_SECRET)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Done").click()


def test_an_administrator_goes_from_nothing_to_the_first_synced_booking(page: Page, installation: Installation) -> None:
    log_in(page, installation)
    page.get_by_role("link", name="Take the next step").click()
    expect(page.locator("body")).to_contain_text("0 of 5 steps are done")

    press(page, 1, "Add the connection")
    add_connection(page, provider="calendar_live", slug="calendar-live", base_url=installation.sandbox)
    open_steps(page)
    press(page, 1, "Check")
    expect(page.locator("#content ol > li").first).to_contain_text(re.compile(r"answers: \d calendars, \d+ ms"))

    press(page, 2, "Connect a CRM")
    add_connection(page, provider="hubspot", slug="hubspot", base_url=f"{installation.sandbox}/hubspot")
    open_steps(page)
    press(page, 2, "Check")

    press(page, 3, "Pair them")
    page.select_option("[name=calendar]", label="calendar-live")
    page.select_option("[name=crm]", label="hubspot")
    page.select_option("[name=pattern]", "in")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("What will happen")
    page.get_by_role("button", name="Switch on").click()
    open_steps(page)
    press(page, 3, "Look at the mapping")
    open_steps(page)

    press(page, 4, "I have entered both")
    expect(page.locator("body")).to_contain_text("3 of 5 steps are done")
    take_picture(page, "first_steps")
    press(page, 5, "Make a test booking")
    expect(page.locator("body")).to_contain_text("keepsync-test@example.com")
    page.get_by_role("button", name="Make a test booking").click()
    expect(page.locator("body")).to_contain_text("It has arrived everywhere", timeout=60_000)
    for stage in ("Webhook received", "Signature verified", "Contact at hubspot", "Meeting at hubspot"):
        expect(page.locator("body")).to_contain_text(stage)
    expect(page.locator("body")).to_contain_text(re.compile(r"Its id there is \d+"))
    take_picture(page, "test_booking")

    page.get_by_role("link", name="Cancel the test booking").click()
    page.get_by_role("button", name="Cancel the test booking").click()
    expect(page.locator("body")).to_contain_text("Cancelled everywhere.", timeout=60_000)
    page.goto(f"{installation.web}/admin/integrations/firststep/")
    expect(page.locator("body")).to_contain_text("All steps are done")
    page.goto(f"{installation.web}/admin/")
    expect(page.locator("body")).not_to_contain_text("Take the next step")
