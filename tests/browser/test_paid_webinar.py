"""A customer books the paid webinar and pays; every side has it once, and the ledger says how."""

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Installation, take_picture
from tests.browser.test_first_booking import choose_slot, log_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EMAIL = "grace@hopper-navigation.com"
CRMS = {"hubspot": "contacts", "salesforce": "Contact", "pipedrive": "persons"}


def read_state(installation: Installation, provider: str) -> dict[str, Any]:
    answer = requests.get(f"{installation.sandbox}/{provider}/_sandbox/state", timeout=30)
    return answer.json()["records"]


def mentions(records: Any) -> int:
    """How many of these records name the customer."""
    rows = records.values() if isinstance(records, dict) else records
    return sum(EMAIL in str(row).lower() or "hopper" in str(row).lower() for row in rows)


def is_there_once(installation: Installation, provider: str, records: str) -> bool:
    return mentions(read_state(installation, provider)[records]) == 1


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.2)


def test_a_paid_webinar_arrives_everywhere_once(page: Page, installation: Installation) -> None:
    page.goto(f"{installation.sandbox}/book/pricing-masterclass/")
    choose_slot(page, 3)
    page.fill("[name=full_name]", "Grace Hopper")
    page.fill("[name=email]", EMAIL)
    page.fill("[name=company]", "Hopper Navigation Inc")
    page.select_option("[name=team_size]", "1000+")
    page.select_option("[name=timeline]", "now")
    page.get_by_role("button", name="Book").click()
    page.wait_for_url(re.compile("/stripe/checkout/"))
    expect(page.locator("body")).to_contain_text("Pricing masterclass")
    page.fill("[name=number]", "4242 4242 4242 4242")
    take_picture(page, "checkout")
    page.get_by_role("button", name=re.compile("^Pay EUR")).click()
    expect(page.locator("body")).to_contain_text("Paid")

    wait_until(partial(is_there_once, installation, "mail", "messages"), "the confirmation")
    wait_until(partial(is_there_once, installation, "slack", "messages"), "the Slack message")
    for crm, people in CRMS.items():
        wait_until(partial(is_there_once, installation, crm, people), f"the contact in {crm}")
    assert is_there_once(installation, "zoom", "registrants")

    page.goto(f"{installation.sandbox}/mail/")
    page.get_by_role("link", name=re.compile("Confirmed: Pricing masterclass")).first.click()
    expect(page.locator("body")).to_contain_text(EMAIL)
    expect(page.locator("body")).to_contain_text("invite.ics")

    log_in(page, installation)
    page.goto(f"{installation.web}/admin/bookings/meeting/?q={EMAIL}")
    page.locator("#result_list tbody a").first.click()
    expect(page.locator("body")).to_contain_text("Paid")
    expect(page.locator("body")).to_contain_text("zoom.registrant")
    expect(page.locator("body")).to_contain_text("email.confirmation")
    page.goto(f"{installation.web}/admin/integrations/effect/?kind=email.confirmation")
    expect(page.locator("#result_list")).to_contain_text("Succeeded")
    page.goto(f"{installation.web}/admin/integrations/effect/")
    take_picture(page, "effects")
