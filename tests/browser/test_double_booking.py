"""A program books by the API, a customer books the same time on a public page, and an operator settles it."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Installation, take_picture
from tests.browser.test_first_booking import choose_slot, log_in, reload_until, shows

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TITLE = "Renewal with Okafor"


def choose_quick_chat(page: Page, installation: Installation, number: int) -> str:
    """Of those that the page without a look at others offers: when it starts."""
    page.goto(f"{installation.sandbox}/book/quick-chat/")
    return choose_slot(page, number)


def call(page: Page, installation: Installation, method: str, path: str, **body: Any) -> Any:
    """The API's answer to whoever is logged in."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies(installation.web)}
    headers = {"X-CSRFToken": cookies["csrftoken"], "Referer": installation.web, "Idempotency-Key": f"browser-{TITLE}"}
    answer = page.request.fetch(f"{installation.web}/api/{path}", method=method, headers=headers, data=body or None)
    return answer.status, answer.json()


def book_by_api(page: Page, installation: Installation, start: str) -> tuple[int, Any]:
    begins = datetime.fromisoformat(start)
    return call(
        page,
        installation,
        "POST",
        "meetings/",
        calendar="cal_emea_sales",
        title=TITLE,
        start=begins.isoformat(),
        end=(begins + timedelta(minutes=30)).isoformat(),
        timezone="Europe/Paris",
        attendees=[{"email": "zoe.okafor@example.com", "full_name": "Zoë Okafor"}],
        external_id="crm-42",
    )


def book_on_page(page: Page, installation: Installation, number: int) -> None:
    choose_quick_chat(page, installation, number)
    page.fill("[name=full_name]", "Ada Byron")
    page.fill("[name=email]", "ada.byron@example.com")
    page.select_option("[name=country]", "GB")
    page.select_option("[name=team_size]", "1-10")
    page.select_option("[name=timeline]", "later")
    page.get_by_role("button", name="Book").click()
    page.wait_for_url(re.compile("/bookings/"))


def test_a_double_booking_is_settled_in_the_inbox(page: Page, installation: Installation) -> None:
    log_in(page, installation)
    start = choose_quick_chat(page, installation, 12)
    status, meeting = book_by_api(page, installation, start)
    assert (status, meeting["status"]) == (201, "confirmed")
    assert book_by_api(page, installation, start) == (200, meeting)
    book_on_page(page, installation, 12)

    page.goto(f"{installation.web}/admin/bookings/conflict/")
    reload_until(page, shows(page, TITLE))
    page.locator("#result_list tbody tr", has_text=TITLE).get_by_role("link").first.click()
    expect(page.locator("body")).to_contain_text("Free slots near it")
    take_picture(page, "conflict")
    conflict = page.url
    assert call(page, installation, "GET", f"meetings/{meeting['id']}/")[1]["conflict"]["status"] == "open"

    slots = page.locator("tr", has_text="Quick chat").filter(has_text="Move this one here")
    slots.first.get_by_role("link", name="Move this one here").click()
    page.get_by_role("button", name="Move one").click()
    expect(page.locator("body")).to_contain_text("Moved to")
    page.goto(conflict)
    expect(page.locator("body")).to_contain_text("Settled")
    expect(page.locator("body")).not_to_contain_text("Move this one here")
    latest = call(page, installation, "GET", "meetings/?external_id=crm-42")[1]["results"][0]
    assert (latest["start"], latest["conflict"]["status"]) == (meeting["start"], "settled")
