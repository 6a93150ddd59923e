"""A customer books, moves and cancels at the sandbox; an operator sees what became of it in the admin."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from integrations.demo import PASSWORD, PEOPLE, USERNAME
from tests.browser.conftest import Installation, take_picture

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EMAIL = "ada.byron@example.com"


def choose_slot(page: Page, number: int) -> str:
    """When it starts. Its day is opened where it is folded away; the page may still be moving: the clicks wait."""
    slot = page.locator("input[name=slot]").nth(number)
    day = slot.locator("xpath=ancestor::details")
    if day.get_attribute("open") is None:
        day.locator("summary").click()
    slot.check()
    return str(slot.get_attribute("value"))


def book(page: Page, installation: Installation) -> str:
    """Book a trial call as a customer; the address of its page at the sandbox."""
    page.goto(f"{installation.sandbox}/book/trial/")
    choose_slot(page, 0)
    page.fill("[name=full_name]", "Ada Byron")
    page.fill("[name=email]", EMAIL)
    page.fill("[name=phone]", "020 7946 0958")
    page.fill("[name=company]", "Analytical Engines Ltd")
    page.select_option("[name=country]", "GB")
    page.select_option("[name=team_size]", "51-200")
    page.select_option("[name=timeline]", "this month")
    take_picture(page, "booking")
    page.get_by_role("button", name="Book").click()
    page.wait_for_url(re.compile("/bookings/"))
    return page.url


def log_in(page: Page, installation: Installation) -> None:
    page.goto(f"{installation.web}/admin/")
    page.fill("[name=username]", USERNAME)
    page.fill("[name=password]", PASSWORD)
    page.locator("[type=submit]").click()
    page.wait_for_url(f"{installation.web}/admin/")


def reload_until(page: Page, shows: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not shows():
        assert time.monotonic() < deadline, page.inner_text("body")
        page.reload()


def shows(page: Page, text: str) -> Callable[[], bool]:
    return lambda: text in page.inner_text("body")


def read_start(page: Page) -> str:
    """The first time in UTC on a meeting's page."""
    found = re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", page.inner_text("main, #content"))
    assert found, page.inner_text("body")
    return found[0]


def read_status(page: Page) -> str:
    """The meeting's status: the first label on its page."""
    found = re.search("confirmed|cancelled|tentative", page.inner_text("main, #content").lower())
    assert found, page.inner_text("body")
    return found[0]


def test_a_booking_is_seen_moved_and_cancelled_with_its_history(page: Page, installation: Installation) -> None:
    booking = book(page, installation)
    log_in(page, installation)

    page.goto(f"{installation.web}/admin/contacts/contact/?q=ada+byr")
    reload_until(page, shows(page, "Ada Byron"))
    expect(page.locator("#result_list")).to_contain_text("Analytical Engines Ltd")
    page.get_by_role("link", name="Ada Byron").first.click()
    expect(page.locator("body")).to_contain_text(EMAIL)
    expect(page.locator("body")).to_contain_text("+442079460958")

    page.goto(f"{installation.web}/admin/bookings/meeting/?q={EMAIL}")
    expect(page.locator("#result_list")).to_contain_text("Confirmed")
    page.locator("#result_list tbody a").first.click()
    meeting = page.url
    expect(page.locator("body")).to_contain_text("event.created")
    before = read_start(page)

    page.goto(booking)
    page.get_by_role("link", name="Reschedule").click()
    choose_slot(page, 1)
    page.get_by_role("button", name="Reschedule").click()
    page.goto(meeting)
    reload_until(page, lambda: read_start(page) != before)
    expect(page.locator("body")).to_contain_text("event.updated")

    page.goto(booking)
    page.get_by_role("button", name="Cancel booking").click()
    page.goto(meeting)
    reload_until(page, lambda: read_status(page) == "cancelled")
    expect(page.locator("body")).to_contain_text("event.cancelled")
    page.get_by_text("Deliveries that made it").scroll_into_view_if_needed()
    expect(page.get_by_text("Deliveries that made it")).to_be_in_viewport()
    take_picture(page, "meeting")

    page.goto(meeting.replace("/change/", "/history/"))
    for status in ("Confirmed", "Cancelled"):
        expect(page.locator("body")).to_contain_text(status, ignore_case=True)
    assert page.locator("main, #content, body").first.locator("a[href*='/integrations/delivery/']").count() >= 3


def test_a_payload_is_masked_until_it_is_revealed(page: Page, installation: Installation) -> None:
    log_in(page, installation)
    page.goto(f"{installation.web}/admin/integrations/delivery/")
    reload_until(page, shows(page, "event.created"))
    page.locator("#result_list tbody a").last.click()
    expect(page.locator("body")).to_contain_text("•••")
    for email in (EMAIL, *(person["email"] for person in PEOPLE)):
        assert email not in page.content()
    page.get_by_role("link", name=re.compile("reveal", re.IGNORECASE)).first.click()
    page.get_by_role("button", name=re.compile("reveal", re.IGNORECASE)).click()
    expect(page.locator("body")).to_contain_text("full_name")
    expect(page.locator("body")).to_contain_text("@")
    page.go_back()
    page.goto(f"{installation.web}/admin/integrations/delivery/")
    assert "full_name" not in page.inner_text("body")


def test_the_sandbox_and_the_admin_need_no_sideways_scrolling_on_a_phone(
    page: Page, installation: Installation
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/", "/book/", "/book/trial/", "/calendar-live/"):
        page.goto(f"{installation.sandbox}{path}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path
