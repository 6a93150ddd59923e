"""The admin's pages work under the Content-Security-Policy: the browser refuses nothing of them."""

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from integrations.demo import PASSWORD, USERNAME
from tests.browser.conftest import Installation

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Lists whose first row is opened too.
LISTS = [
    "bookings/meeting",
    "contacts/contact",
    "integrations/delivery",
    "integrations/effect",
    "integrations/connection",
]
# On these something is loaded that other pages don't have: a picker, an editor, an upload, keys, a QR code, the API.
BESIDE = [
    "/admin/auth/user/add/",
    "/admin/integrations/fieldrule/add/",
    "/admin/contacts/contact/import/",
    "/admin/contacts/candidatepair/",
    "/admin/password_change/",
    "/admin/account/second-factor/",
    "/admin/integrations/firststep/",
    "/api/docs/",
]


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """Errors in the browser's console, as refusals are, and what is not found."""
    found: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            found.append(f"{page.url}: {message.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: found.append(f"{page.url}: {error}"))
    return found


def test_the_pages_of_the_admin_are_refused_nothing(
    page: Page, installation: Installation, complaints: list[str]
) -> None:
    page.goto(f"{installation.web}/admin/")
    page.fill("[name=username]", USERNAME)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{installation.web}/admin/")
    for path in LISTS:
        page.goto(f"{installation.web}/admin/{path}/")
        page.goto(page.locator("#result_list a[href*='/change/']").first.evaluate("link => link.href"))
    for path in BESIDE:
        page.goto(f"{installation.web}{path}")

    expect(page.locator(".opblock").first).to_be_visible()
    assert complaints == []


def test_a_script_that_got_into_a_page_does_not_run(
    page: Page, installation: Installation, complaints: list[str]
) -> None:
    page.goto(f"{installation.web}/admin/login/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p onclick=\"document.title = 1\">Injected</p>')")
    page.get_by_text("Injected").click()

    assert page.title() != "1"
    assert any("script-src" in each for each in complaints)
