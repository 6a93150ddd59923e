"""Somebody works off the review queue by keyboard alone, and takes a merge back."""

import json
import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import take_picture
from tests.processes.installation import Installation, fresh_database, prepare

pytestmark = [pytest.mark.browser, pytest.mark.slow]

USERNAME, PASSWORD = "nora", "nora's pass phrase"
QUEUE = "/admin/contacts/candidatepair/"
MAKE = """
import json
from django.contrib.auth.models import User
from integrations.connections import add_connection
from integrations.models import Connection
from integrations.pairs import make_pair as connect
from tests.contacts.families import agree, attend, edit, link, meet
from tests.contacts.pairs import make_pair

User.objects.create_superuser({username!r}, "nora@keepsync.example", {password!r})
calendar = Connection.objects.get()
crm = add_connection(provider="hubspot", slug="hubspot", options={{"access_token": "t"}})[0]
connect(calendar, crm, "in")

zoe = meet(calendar, "att_1", "zoe.okafor@okafor.example", minute=1, full_name="Zoë Okafor",
           company="Okafor & Daughters SARL", phone="06 12 34 56 78", country="FR", timezone="Europe/Paris")
z = meet(calendar, "att_2", "z.okafor@gmail.example", minute=9, full_name="Z. Okafor",
         company="Lighthouse Labs", country="FR", timezone="Europe/Lisbon")
edit(zoe, notes="Asked for a quote in spring.", lead_status="qualified", lead_score=45)
edit(z, notes="Wants the annual plan.")
for number, contact in enumerate((zoe, z)):
    attend(calendar, contact, f"att_{{number + 1}}", f"ev_{{number}}")
    link(crm, contact, str(501 + number))
agree(calendar, z, "att_2")
pairs = [make_pair(zoe, z, probability=0.962, evidence={{"name": 6.9, "company": -1.8, "email": 2.7, "phone": None}})]
for number, (left, right) in enumerate((("Ann Lee", "Anna Leigh"), ("Uwe Johnson", "Ute Johnson"))):
    people = [meet(calendar, f"att_{{number}}{{name}}", full_name=name) for name in (left, right)]
    pairs.append(make_pair(*people, probability=0.7 - number / 10))
print(json.dumps([str(pair.pk) for pair in pairs]))
"""


@pytest.fixture(scope="module")
def keepsync(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The web process alone: nothing has to go out."""
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        installation = Installation(url, tmp_path_factory.mktemp("reviews"))
        try:
            prepare(installation).start_web()
            yield installation
        finally:
            installation.stop()


@pytest.fixture(scope="module")
def pairs(keepsync: Installation) -> list[str]:
    """The ids of three pairs, the likeliest first."""
    made: list[str] = json.loads(
        keepsync.manage("shell", "-v", "0", "-c", MAKE.format(username=USERNAME, password=PASSWORD))
    )
    return made


@pytest.fixture
def visitor(page: Page, keepsync: Installation, pairs: list[str]) -> Page:
    """A reviewer's browser at the queue. What a page asks other hosts for is not fetched."""
    page.context.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), refuse)
    page.goto(f"{web(keepsync)}/admin/")
    page.fill("[name=username]", USERNAME)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{web(keepsync)}/admin/")
    page.goto(f"{web(keepsync)}{QUEUE}")
    return page


def refuse(route: Route) -> None:
    route.abort()


def web(keepsync: Installation) -> str:
    return f"http://127.0.0.1:{keepsync.port}"


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def arrive_at(page: Page, pair: str) -> None:
    page.wait_for_url(re.compile(f"{pair}/change/"))
    expect(page.locator("[data-review]")).to_be_visible()


def read_states(keepsync: Installation, pairs: list[str]) -> list[tuple[str, bool]]:
    """Status of each pair, and whether it is put off."""
    query = "SELECT id::text, status, postponed_until IS NOT NULL FROM contacts_candidatepair"
    found = {key: (status, is_later) for key, status, is_later in keepsync.fetch(query)}
    return [found[pair] for pair in pairs]


def test_three_pairs_are_reviewed_by_keyboard_and_the_merge_is_undone(
    visitor: Page, keepsync: Installation, pairs: list[str]
) -> None:
    page = visitor
    press(page, "n")
    arrive_at(page, pairs[0])
    status, company = page.locator("[data-status]"), page.get_by_role("radiogroup", name="Company")
    expect(page.locator("body")).to_contain_text("At hubspot it is for good.")

    press(page, "?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    press(page, "d", "Escape")
    press(page, "j", "j")
    expect(company.get_by_role("radio").nth(1)).to_be_focused()
    press(page, "1")
    expect(company.get_by_role("radio").nth(0)).to_be_checked()
    expect(company).to_contain_text("Chosen by hand")
    expect(status).to_have_text("Company: Okafor & Daughters SARL")
    take_picture(page, "review")
    press(page, "Enter", "m")
    expect(status).to_contain_text("Press m again, or Enter")
    press(page, "Escape")
    expect(status).to_have_text("")
    assert read_states(keepsync, pairs) == [("open", False)] * 3

    press(page, "m", "m")
    arrive_at(page, pairs[1])
    expect(page.locator("body")).to_contain_text("Merged. Undo")
    press(page, "d")
    arrive_at(page, pairs[2])
    press(page, "l")
    page.wait_for_url(f"{web(keepsync)}{QUEUE}")
    expect(page.locator("body")).to_contain_text("No pair waits for you")
    assert read_states(keepsync, pairs) == [("merged", False), ("distinct", False), ("open", True)]

    press(page, "u")
    expect(page.locator("body")).to_contain_text("Two again")
    expect(page.locator("body")).to_contain_text("2 identifiers")
    press(page, "Enter")
    expect(page.locator("body")).to_contain_text("Undone: they are two again.")
    expect(page.locator("body")).to_contain_text("Okafor & Daughters SARL")
    expect(page.locator("body")).to_contain_text("Chosen by hand")
    assert read_states(keepsync, pairs)[0] == ("open", False)


def test_keys_that_are_typed_or_held_with_others_decide_nothing_and_a_phone_needs_no_scrolling_sideways(
    visitor: Page, keepsync: Installation, pairs: list[str]
) -> None:
    page = visitor
    page.goto(f"{web(keepsync)}{QUEUE}{pairs[0]}/change/")
    before = read_states(keepsync, pairs)
    page.get_by_label("Put off").focus()
    press(page, "d", "m", "m")
    page.get_by_role("button", name="Not a duplicate").focus()
    press(page, "Control+d", "Alt+l", "j", "m")
    expect(page.locator("[data-status]")).to_contain_text("Press m again")
    press(page, "k")
    expect(page.locator("[data-status]")).to_have_text("")
    assert read_states(keepsync, pairs) == before
    page.set_viewport_size({"width": 390, "height": 844})
    for path in (f"{QUEUE}{pairs[0]}/change/", QUEUE):
        page.goto(f"{web(keepsync)}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
