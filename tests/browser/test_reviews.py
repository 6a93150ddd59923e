"""Somebody works off the review queue by keyboard alone, and takes a merge back."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from integrations.demo import PASSWORD, USERNAME
from tests.browser.conftest import Installation, take_picture

pytestmark = [pytest.mark.browser, pytest.mark.slow]

QUEUE = "/admin/contacts/candidatepair/"
# So narrow that other tests' people are not in it.
REASON = "email_held"
# A calendar of its own, whose CRM rests: what is to go there waits. The pairs are compared at once: a comparison in the
# background would give them other scores, and with them another order, while they are reviewed.
MAKE = """
import json
from integrations.connections import add_connection, set_status
from integrations.pairs import make_pair as connect
from tests.contacts.families import agree, attend, edit, link, meet
from tests.contacts.pairs import compare_now, make_pair

calendar = add_connection(provider="calendar_live", slug="reviews", options={"default_region": "FR"})[0]
crm = add_connection(provider="hubspot", slug="hubspot-sales", options={"access_token": "t"})[0]
connect(calendar, crm, "in")
set_status(crm, "paused")

noor = meet(calendar, "att_1", "noor.halabi@halabi.example", minute=1, full_name="Noor Halabi",
           company="Halabi & Daughters SARL", phone="06 98 76 54 32", country="FR", timezone="Europe/Paris")
n = meet(calendar, "att_2", "nour.halabi@halabi.example", minute=9, full_name="N. Halabi",
         company="Halabi and Daughters", country="FR", timezone="Europe/Lisbon")
edit(noor, notes="Asked for a quote in spring.", lead_status="qualified", lead_score=45)
edit(n, notes="Wants the annual plan.")
for number, contact in enumerate((noor, n)):
    attend(calendar, contact, f"att_{number + 1}", f"ev_{number}")
    link(crm, contact, str(501 + number))
agree(calendar, n, "att_2")
pairs = [make_pair(noor, n, reason="email_held")]
for number, (left, right) in enumerate((("Uwe Johnson", "Ute Johnson"), ("Ann Lee", "Anna Leigh"))):
    people = [meet(calendar, f"att_{number}{name}", full_name=name) for name in (left, right)]
    pairs.append(make_pair(*people, reason="email_held"))
compare_now()
print(json.dumps([str(pair.pk) for pair in pairs]))
"""


@pytest.fixture(scope="session")
def pairs(installation: Installation) -> list[str]:
    """The ids of three pairs, the likeliest first, made once in an installation."""
    made: list[str] = json.loads(installation.manage("shell", "-v", "0", "-c", MAKE))
    return made


@pytest.fixture
def visitor(page: Page, installation: Installation, pairs: list[str]) -> Page:
    """A reviewer's browser at the queue."""
    page.goto(f"{installation.web}/admin/")
    page.fill("[name=username]", USERNAME)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{installation.web}/admin/")
    page.goto(f"{installation.web}{QUEUE}?reason__exact={REASON}")
    return page


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def arrive_at(page: Page, pair: str) -> None:
    page.wait_for_url(re.compile(f"{pair}/change/"))
    expect(page.locator("[data-review]")).to_be_visible()


def read_states(installation: Installation, pairs: list[str]) -> list[tuple[str, bool]]:
    """Status of each pair, and whether it is put off."""
    query = "SELECT id::text, status, postponed_until IS NOT NULL FROM contacts_candidatepair"
    found = {key: (status, is_later) for key, status, is_later in installation.fetch(query)}
    return [found[pair] for pair in pairs]


def test_three_pairs_are_reviewed_by_keyboard_and_the_merge_is_undone(
    visitor: Page, installation: Installation, pairs: list[str]
) -> None:
    page = visitor
    press(page, "n")
    arrive_at(page, pairs[0])
    status, company = page.locator("[data-status]"), page.get_by_role("radiogroup", name="Company")
    expect(page.locator("body")).to_contain_text("At hubspot-sales it is for good.")

    press(page, "?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    press(page, "d", "Escape")
    expect(keys).to_be_hidden()
    press(page, "j", "j")
    expect(company.get_by_role("radio").nth(1)).to_be_focused()
    press(page, "1")
    expect(company.get_by_role("radio").nth(0)).to_be_checked()
    expect(company).to_contain_text("Chosen by hand")
    expect(status).to_have_text("Company: Halabi & Daughters SARL")
    take_picture(page, "review")
    press(page, "Enter", "m")
    expect(status).to_contain_text("Press m again, or Enter")
    press(page, "Escape")
    expect(status).to_have_text("")
    assert read_states(installation, pairs) == [("open", False)] * 3

    press(page, "m", "m")
    arrive_at(page, pairs[1])
    expect(page.locator("body")).to_contain_text("Merged. Undo")
    press(page, "d")
    arrive_at(page, pairs[2])
    press(page, "l")
    page.wait_for_url(f"{installation.web}{QUEUE}")
    expect(page.locator("body")).to_contain_text("No pair waits for you")
    assert read_states(installation, pairs) == [("merged", False), ("distinct", False), ("open", True)]

    press(page, "u")
    page.wait_for_url(re.compile("/merge/.*/undo/"))
    expect(page.locator("body")).to_contain_text("Two again")
    expect(page.locator("body")).to_contain_text("2 identifiers")
    press(page, "Enter")
    page.wait_for_url(re.compile("/merge/.*/change/"))
    expect(page.locator("body")).to_contain_text("Undone: they are two again.")
    expect(page.locator("body")).to_contain_text("Halabi & Daughters SARL")
    expect(page.locator("body")).to_contain_text("Chosen by hand")
    assert read_states(installation, pairs)[0] == ("open", False)


def test_keys_that_are_typed_or_held_with_others_decide_nothing_and_a_phone_needs_no_scrolling_sideways(
    visitor: Page, installation: Installation, pairs: list[str]
) -> None:
    page = visitor
    page.goto(f"{installation.web}{QUEUE}{pairs[0]}/change/")
    before = read_states(installation, pairs)
    page.get_by_label("Put off").focus()
    press(page, "d", "m", "m")
    page.get_by_role("button", name="Not a duplicate").focus()
    press(page, "Control+d", "Alt+l", "j", "m")
    expect(page.locator("[data-status]")).to_contain_text("Press m again")
    press(page, "k")
    expect(page.locator("[data-status]")).to_have_text("")
    assert read_states(installation, pairs) == before
    page.set_viewport_size({"width": 390, "height": 844})
    for path in (f"{QUEUE}{pairs[0]}/change/", QUEUE):
        page.goto(f"{installation.web}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
