"""What an operator's day is made of: a grant that was revoked, a heap of dead letters, and "where is my booking?"."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Installation, new_installation, take_picture
from tests.browser.test_first_booking import choose_slot, log_in, reload_until, shows

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# For what the worker does meanwhile.
PATIENCE_MS = 90_000
# The schedule's next minute comes now.
ASK_RULES = "from django_q.tasks import async_task; async_task('integrations.jobs.check_alerts')"
DEAD, PER_SECOND = 200, 10
WRONG_FIELD = "company_legal_name"
# Somebody has mapped our field to one that HubSpot does not have; then people come whom it is to have.
BREAK = f"""
from contacts.sync import plan_push
from integrations.jobs import wake
from integrations.models import Connection, FieldMapping
from tests.contacts.families import meet

calendar, crm = (Connection.objects.get(slug=slug) for slug in ("calendar-live", "hubspot"))
FieldMapping.objects.filter(connection=crm, record="contact", ours="company").update(theirs="{WRONG_FIELD}")
for number in range({DEAD}):
    person = {{"full_name": f"Guest {{number}} Lindqvist", "company": f"Lindqvist {{number}} AB"}}
    plan_push(meet(calendar, f"att_day_{{number}}", f"guest-{{number}}@lindqvist.example", **person).pk, crm.pk)
wake(crm.pk)
"""


@pytest.fixture(scope="module")
def installation(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One of its own: while something is wrong there, no other test is concerned."""
    yield from new_installation(tmp_path_factory.mktemp("day"))


@pytest.fixture
def operator(page: Page, installation: Installation) -> Page:
    """A browser at the dashboard."""
    log_in(page, installation)
    return page


def open_page(page: Page, installation: Installation, name: str) -> None:
    """By the link at the side, from the dashboard."""
    page.goto(f"{installation.web}/admin/")
    page.locator("#nav-sidebar, nav, aside").get_by_role("link", name=re.compile(rf"\b{name}$")).first.click()


def book(page: Page, installation: Installation, *, number: int, name: str, email: str) -> None:
    """A trial call, as a customer books it."""
    page.goto(f"{installation.sandbox}/book/trial/")
    choose_slot(page, number)
    page.fill("[name=full_name]", name)
    page.fill("[name=email]", email)
    page.select_option("[name=country]", "GB")
    page.select_option("[name=team_size]", "51-200")
    page.select_option("[name=timeline]", "this month")
    page.get_by_role("button", name="Book").click()
    page.wait_for_url(re.compile("/bookings/"))


# --- A grant that was revoked -----------------------------------------------------------------------------------------


def authorise(page: Page) -> None:
    """From the connection's page to the consent page over there, and back."""
    page.get_by_role("link", name=re.compile("^\\W*\\w*\\s*(Rea|A)uthorise$")).first.click()
    page.wait_for_url(re.compile("/authorise/$"))
    if page.locator("[name=client_id]").is_visible():
        page.fill("[name=client_id]", "keepsync")
        page.fill("[name=client_secret]", "keepsync-secret")
    page.get_by_role("button", name=re.compile("uthorise at Salesforce")).click()
    page.get_by_role("button", name="Allow").click()
    expect(page.locator("body")).to_contain_text("salesforce is authorised for the account Acme")


def test_a_revoked_grant_is_told_and_what_waited_goes_out_once_it_is_given_again(
    operator: Page, installation: Installation
) -> None:
    page = operator
    open_page(page, installation, "Connections")
    page.get_by_role("link", name="salesforce").first.click()
    authorise(page)
    page.goto(f"{installation.sandbox}/salesforce/")
    page.get_by_role("button", name="Revoke all grants").click()
    book(page, installation, number=3, name="Grace Hopper", email="grace.hopper@example.com")

    # The effect finds it out, and waits; the rule opens the alert; the dashboard leads to where it is mended.
    page.goto(f"{installation.web}/admin/integrations/effect/?status__exact=waiting")
    reload_until(page, shows(page, "contact.upsert"))
    page.locator("#result_list tbody tr", has_text="contact.upsert").get_by_role("link").first.click()
    expect(page.locator("body")).to_contain_text("reauthorisation")
    waiting = page.url
    installation.manage("shell", "-v", "0", "-c", ASK_RULES)
    page.goto(f"{installation.web}/admin/")
    health = page.locator("#dashboard-health .health")
    expect(health).to_contain_text("salesforce (Salesforce) needs to be authorised again", timeout=PATIENCE_MS)
    take_picture(page, "dashboard")
    health.get_by_role("link").click()
    expect(page.locator("body")).to_contain_text("Effects that wait")

    authorise(page)
    page.goto(waiting)
    reload_until(page, shows(page, "Nothing: it is done."))
    page.goto(f"{installation.sandbox}/salesforce/")
    expect(page.locator("#contacts")).to_contain_text("grace.hopper@example.com")

    installation.manage("shell", "-v", "0", "-c", ASK_RULES)
    page.goto(f"{installation.web}/admin/integrations/alert/")
    alert = page.locator("#result_list tbody tr", has_text="salesforce (Salesforce)")
    reload_until(page, lambda: "over" in alert.inner_text().lower())
    page.goto(f"{installation.web}/admin/")
    expect(health).not_to_contain_text("salesforce")


# --- 200 dead letters of one cause ------------------------------------------------------------------------------------


def confirm(page: Page, label: str) -> None:
    """Press a button of the page, and the same one on the page that asks."""
    page.get_by_role("link", name=re.compile(rf"\b{label}$")).first.click()
    page.get_by_role("button", name=label, exact=True).click()


def count(page: Page, name: str) -> int:
    """One of a plan's figures, as the page shows it."""
    found = re.search(rf"{name}\s+([\d,]+)", page.locator("#content").inner_text())
    assert found, page.inner_text("body")
    return int(found[1].replace(",", ""))


def test_two_hundred_dead_letters_are_replayed_by_a_plan_that_is_paused_and_resumed(
    operator: Page, installation: Installation
) -> None:
    page = operator
    installation.manage("shell", "-v", "0", "-c", BREAK)
    open_page(page, installation, "Dead letters")
    group = page.locator("tr", has_text=WRONG_FIELD)
    reload_until(page, lambda: group.get_by_role("link", name=str(DEAD), exact=True).count() == 1)
    expect(group).to_contain_text("Configuration")

    # The cause is mended.
    page.goto(f"{installation.web}/admin/integrations/fieldmapping/?q={WRONG_FIELD}")
    page.locator("#result_list tbody a", has_text=WRONG_FIELD).click()
    page.fill("[name=theirs]", "company")
    page.get_by_role("button", name="Save", exact=True).click()

    open_page(page, installation, "Dead letters")
    group.get_by_role("link", name="Plan a replay").click()
    expect(page.locator("tr", has_text="Will run")).to_contain_text(str(DEAD))
    page.fill("[name=per_second]", str(PER_SECOND))
    page.get_by_role("button", name=f"Plan a replay of {DEAD}").click()
    expect(page.locator("body")).to_contain_text("Nothing is replayed yet")

    confirm(page, "Start")
    confirm(page, "Pause")
    expect(page.locator("body")).to_contain_text("The plan is paused")
    # What was replayed before goes on to its end; of what is left nothing moves.
    reload_until(page, lambda: count(page, "No outcome yet") == 0)
    stopped_at = count(page, "Succeeded")
    assert 0 < stopped_at < DEAD
    expect(page.locator("body")).to_contain_text(f"{DEAD - stopped_at} items wait until it is resumed")
    take_picture(page, "plan")
    page.reload()
    assert count(page, "Replayed") == stopped_at

    confirm(page, "Resume")
    reload_until(page, shows(page, f"{DEAD} of {DEAD} items were replayed"))
    receipt = page.locator("section", has=page.get_by_role("heading", name="Receipt"))
    expect(receipt.locator("tbody tr")).to_have_count(1)
    expect(receipt.locator("tbody tr")).to_contain_text(re.compile(rf"Succeeded\s+{DEAD}"))
    open_page(page, installation, "Dead letters")
    expect(page.locator("body")).not_to_contain_text(WRONG_FIELD)
    page.goto(f"{installation.sandbox}/hubspot/")
    expect(page.locator("#contacts")).to_contain_text("guest-199@lindqvist.example")


# --- "Where is my booking?" -------------------------------------------------------------------------------------------


CRMS = {"hubspot": "meetings", "salesforce": "events", "pipedrive": "activities"}
# Facts that run into the one beside them.
SPILLED = "[...document.querySelectorAll('.facts dd')].filter(each => each.scrollWidth > each.clientWidth).length"


def search(page: Page, sought: str) -> None:
    page.fill("[name=sought]", sought)
    page.get_by_role("button", name="Find").click()


def test_a_booking_is_found_by_its_address_and_its_uid_and_traced_to_each_crm(
    operator: Page, installation: Installation
) -> None:
    page = operator
    book(page, installation, number=5, name="Hedy Lamarr", email="hedy.lamarr@example.com")
    open_page(page, installation, "Trace")
    search(page, "  HEDY.Lamarr@Example.COM ")
    reload_until(page, shows(page, "Trial call"))
    page.get_by_role("link", name="Trial call").first.click()
    page.wait_for_url(re.compile("/trace/$"))
    reload_until(page, shows(page, "All of it arrived everywhere"))
    assert page.evaluate(SPILLED) == 0
    take_picture(page, "trace")

    trace, timeline = page.url, page.locator("ol.timeline")
    for step in ("Delivery event.created from calendar-live", "Its signature was verified", "The meeting came to be"):
        expect(timeline).to_contain_text(step)
    uid = re.search(r"calendar event uid: (\S+),", timeline.inner_text())
    assert uid
    page.goto(f"{installation.web}/admin/")
    open_page(page, installation, "Trace")
    search(page, uid[1])
    page.wait_for_url(trace)
    places = {slug: page.locator("table tr", has_text=slug).first.locator("td").nth(1).inner_text() for slug in CRMS}
    for slug, external_id in places.items():
        for kind in ("contact.upsert", "meeting.upsert"):
            sent = timeline.locator("li", has_text=f"{kind} at {slug}")
            expect(sent.first).to_contain_text("External id")
        expect(timeline.locator("li", has_text=f"meeting.upsert at {slug}").first).to_contain_text(external_id)
    for slug, external_id in places.items():
        page.goto(f"{installation.sandbox}/{slug}/")
        expect(page.locator(f"#{CRMS[slug]} [data-id='{external_id}']")).to_contain_text("Trial call")
