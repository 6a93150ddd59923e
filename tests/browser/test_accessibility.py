"""Every page of the admin is looked through by axe-core, in light and dark, wide and narrow; it is worked by keyboard.

The crawl begins at the dashboard and follows all links to one page of each kind: lists, details, forms, confirmations.
"""

import os
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from django.urls import Resolver404, resolve
from playwright.sync_api import ConsoleMessage, Page, ViewportSize, expect
from playwright.sync_api import TimeoutError as TooLongError

from tests.browser.conftest import Installation
from tests.browser.test_first_booking import log_in
from tests.integrations.admin.test_site import LISTS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AXE = Path(__file__).parent.parent / "oauth" / "node_modules" / "axe-core" / "axe.min.js"
WIDE, NARROW = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
MAKE_LIFE = "from tests.browser.life import make_life; make_life()"
LEFT_OUT = ("/admin/logout/", "/admin/jsi18n/")
DOWNLOADS = {
    "admin:integrations_connection_export_mapping",
    "admin:integrations_regionrule_download",
    "admin:contacts_importrun_refused",
}
# Lists without a row until there is some life.
EMPTY_AT_FIRST = [
    "/admin/integrations/replayplan/",
    "/admin/integrations/delivery/dead-letters/",
    "/admin/contacts/erasure/",
    "/admin/contacts/importrun/",
    "/admin/contacts/merge/",
]
# The same template for all models: one of them is enough.
ALIKE = ("_history", "_delete")
# What only looks different in the dark, and what only lies differently where it is narrow.
IN_THE_DARK, WHERE_NARROW = ["color-contrast"], ["scrollable-region-focusable"]
# The navigation is the same on all pages: it is looked through on one.
RUN = """
async ([rules, isWhole]) => {
  const options = { resultTypes: ["violations"], ...(rules && { runOnly: rules }) };
  const found = await axe.run(isWhole ? document : { exclude: [["#nav-sidebar"]] }, options);
  return found.violations
    .filter((each) => ["serious", "critical"].includes(each.impact))
    .flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.html.slice(0, 200)}: ${node.failureSummary}`));
}
"""


# Colours that are still turning from light to dark are nobody's.
STAND_STILL = """
const still = new CSSStyleSheet();
still.replaceSync("*, ::before, ::after { transition: none !important; animation: none !important; }");
document.adoptedStyleSheets.push(still);
"""
FIT_MS = 2_000
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="session")
def axe() -> str:
    """The script's text: a page's policy refuses scripts from elsewhere, but not what a driver evaluates."""
    if not AXE.is_file() and os.environ.get("CI"):
        pytest.fail("axe-core is missing. Run: make node-packages")
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make node-packages, which needs Node.js (apt-get install nodejs npm).")
    return AXE.read_text()


@dataclass
class Inspector:
    """Looks at one page after the other, and notes what is wrong with it."""

    page: Page
    web: str
    axe: str

    def __post_init__(self) -> None:
        self.wrong: list[str] = []
        self.seen: list[str] = []
        self.has_seen_navigation = False
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.note(str(error)))

    def hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.note(message.text)

    def note(self, what: str) -> None:
        self.wrong.append(f"{urlsplit(self.page.url).path}: {what}")

    def inspect(self, address: str) -> list[str]:
        """Returns the page's links."""
        self.page.set_viewport_size(WIDE)
        answer = self.page.goto(f"{self.web}{address}")
        assert answer is not None
        if answer.status != 200:
            self.note(f"answers {answer.status}")
        self.look_at_headings()
        self.look_at_width()
        self.seen.append(address)
        is_whole = not self.has_seen_navigation
        self.has_seen_navigation = self.has_seen_navigation or self.page.locator("#nav-sidebar").is_visible()
        self.page.evaluate(STAND_STILL + self.axe)
        self.run(None, is_whole=is_whole)
        self.page.evaluate("document.documentElement.classList.add('dark')")
        self.run(IN_THE_DARK, is_whole=is_whole)
        self.page.set_viewport_size(NARROW)
        self.look_at_width()
        self.run(WHERE_NARROW, is_whole=False)
        links: list[str] = self.page.eval_on_selector_all(
            "a[href]", "all => all.map(each => each.getAttribute('href'))"
        )
        return [urljoin(address, link).partition("#")[0] for link in links]

    def look_at_headings(self) -> None:
        headings = self.page.locator("h1:visible").all_inner_texts()
        if len(headings) != 1 or not headings[0].strip():
            self.note(f"its first heading is {headings}")
        if not re.match(r"\S.* \| Keepsync$", self.page.title()):
            self.note(f"its title is {self.page.title()!r}")

    def look_at_width(self) -> None:
        """Scripts may still be fitting the page into its new width."""
        try:
            self.page.wait_for_function(FITS, timeout=FIT_MS)
        except TooLongError:
            width, seen = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            self.note(f"is {width} px wide on {seen}")

    def run(self, rules: list[str] | None, *, is_whole: bool) -> None:
        for finding in self.page.evaluate(RUN, [rules, is_whole]):
            self.note(finding)


def find_kind(address: str) -> str:
    """Empty for what is no page of the admin to be looked at."""
    path = urlsplit(address).path
    if not path.startswith("/admin/") or path.startswith(LEFT_OUT):
        return ""
    try:
        name = resolve(path).view_name
    except Resolver404:
        return ""
    return next((part for part in ALIKE if name.endswith(part)), name)


@pytest.fixture
def inspector(page: Page, installation: Installation, axe: str) -> Inspector:
    return Inspector(page, installation.web, axe)


def crawl(inspector: Inspector) -> None:
    """One page of each kind, breadth first."""
    waiting, kinds = deque(["/admin/"]), {"admin:index", *DOWNLOADS}
    while waiting:
        for link in inspector.inspect(waiting.popleft()):
            if (kind := find_kind(link)) and kind not in kinds:
                kinds.add(kind)
                waiting.append(link)


@pytest.mark.skipif(os.environ.get("CRAWL") != "1", reason="It takes minutes: make accessibility runs it.")
def test_no_page_has_a_serious_barrier_or_overflows(inspector: Inspector, installation: Installation) -> None:
    inspector.inspect("/admin/login/")
    log_in(inspector.page, installation)
    for address in EMPTY_AT_FIRST:
        inspector.inspect(address)
    installation.manage("shell", "-v", "0", "-c", MAKE_LIFE)
    crawl(inspector)

    assert not inspector.wrong, "\n".join(inspector.wrong)
    assert {find_kind(address) for address in LISTS} <= {find_kind(address) for address in inspector.seen}


# --- By keyboard ------------------------------------------------------------------------------------------------------


def read_focus(page: Page) -> str:
    """What has the focus, as a person would call it."""
    return str(page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent.trim()"))


def has_outline(page: Page) -> bool:
    return str(page.evaluate("getComputedStyle(document.activeElement).outline")).endswith("solid 2px")


@pytest.fixture
def visitor(page: Page, installation: Installation) -> Page:
    log_in(page, installation)
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_first_stop_leads_past_the_navigation_and_the_focus_is_seen(visitor: Page, theme: str) -> None:
    visitor.evaluate(f"document.documentElement.classList.toggle('dark', {str(theme == 'dark').lower()})")
    visitor.keyboard.press("Tab")
    assert read_focus(visitor) == "Skip to the content"
    assert has_outline(visitor)

    visitor.keyboard.press("Enter")
    visitor.keyboard.press("Tab")
    assert visitor.evaluate("document.activeElement.closest('#content') !== null")
    assert has_outline(visitor)


def test_the_menu_of_the_account_opens_and_closes_by_keyboard(visitor: Page) -> None:
    menu = visitor.get_by_role("button", name="admin@example.com")
    menu.focus()
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_role("link", name="Your account")).to_be_visible()
    dark = visitor.get_by_role("button", name="Dark")
    dark.focus()
    visitor.keyboard.press(" ")
    expect(visitor.locator("html.dark")).to_be_attached()

    visitor.keyboard.press("Escape")
    expect(visitor.get_by_role("link", name="Your account")).to_be_hidden()


def test_the_filters_open_and_close_by_keyboard(visitor: Page, installation: Installation) -> None:
    visitor.goto(f"{installation.web}/admin/integrations/delivery/")
    visitor.get_by_role("button", name="Filters", exact=True).focus()
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_role("button", name="Apply filters")).to_be_visible()

    visitor.keyboard.press("Escape")
    expect(visitor.get_by_role("button", name="Apply filters")).to_be_hidden()


def test_the_navigation_opens_by_keyboard_where_it_is_narrow(page: Page, installation: Installation) -> None:
    page.set_viewport_size(NARROW)
    log_in(page, installation)
    expect(page.locator("#nav-sidebar")).to_be_hidden()
    page.locator("#main").get_by_role("button", name="Open or close the menu").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#nav-sidebar")).to_be_visible()


def test_a_button_is_taken_back_by_keyboard(visitor: Page, installation: Installation) -> None:
    """A connection is to be paused: the page says what will happen, and Cancel leads back."""
    visitor.goto(f"{installation.web}/admin/integrations/connection/")
    visitor.goto(visitor.locator("#result_list a[href*='/change/']").first.evaluate("link => link.href"))
    visitor.get_by_role("link", name="Pause").focus()
    visitor.keyboard.press("Enter")
    visitor.wait_for_url("**/pause/")
    visitor.get_by_role("link", name="Cancel").focus()
    visitor.keyboard.press("Enter")
    visitor.wait_for_url("**/change/")
