"""The launch checklist from red to green: an installation is tried against the sandbox, and then goes live.

It goes live in production mode, with a certificate that the test makes and trusts. From then on it leads to no private
address, as the sandbox's is: what was proved there before counts for as long as such evidence does.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from integrations.demo import PASSWORD, USERNAME
from integrations.operations.certificates import make_context
from integrations.privacy.keys import generate_key
from tests.browser.conftest import Installation, new_installation, take_picture
from tests.browser.test_first_booking import book, reload_until, shows
from tests.integrations.operations.test_certificates import Authority
from tests.ports import free_port
from tests.processes.processes import Group, run
from tests.processes.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NEW_PASSWORD = "a long walk by the canal"
# What a program cannot know.
SIGNED = {
    "The owner of each field is decided": "Sales leads in the CRM, as agreed.",
    "Only those have access who need it": "One administrator so far.",
    "It is decided in which region people's data may be": "All of them are in the EU.",
    "It is decided how long payloads and logs are kept": "As the privacy officer has it.",
}
PATIENCE_MS = 90_000


@pytest.fixture
def installation(chromium: str, tmp_path: Path) -> Iterator[Installation]:
    """The demo, with keys of its own."""
    keys = {"FIELD_ENCRYPTION_KEYS": generate_key(), "BLIND_INDEX_KEY": generate_key()}
    yield from new_installation(tmp_path, SECRET_KEY="of this installation only " * 3, **keys)


def sign_in(page: Page, web: str, password: str) -> None:
    page.goto(f"{web}/admin/")
    page.fill("[name=username]", USERNAME)
    page.fill("[name=password]", password)
    page.locator("[type=submit]").click()
    page.wait_for_url(f"{web}/admin/")


def open_checklist(page: Page, web: str) -> None:
    page.goto(f"{web}/admin/integrations/checklistitem/")


def check_all(page: Page, web: str) -> None:
    open_checklist(page, web)
    page.get_by_role("link", name="Check all").click()
    page.get_by_role("button", name="Check all").click()
    expect(page.locator("body")).to_contain_text("All are checked", timeout=PATIENCE_MS)


def list_open(environ: Mapping[str, str]) -> tuple[int, set[str]]:
    """The shell's exit status, and the items that it calls open."""
    done = run(["manage.py", "launch_checklist"], environ)
    return done.returncode, set(re.findall(r"^OPEN +(\w+)", done.stdout, re.MULTILINE))


def change_password(page: Page, web: str) -> None:
    """As the open item says, and where it leads to."""
    open_checklist(page, web)
    page.get_by_role("link", name="Nobody signs in with the demo's password").click()
    page.get_by_role("link", name="Open", exact=True).click()
    page.fill("[name=password1]", NEW_PASSWORD)
    page.fill("[name=password2]", NEW_PASSWORD)
    page.locator("#content [type=submit]").first.click()
    page.wait_for_url(re.compile("/auth/user/.*/change/"))


def make_slack_speak(page: Page, installation: Installation) -> None:
    """By a booking with a high score, so that it is known that alerts would arrive as well."""
    book(page, installation)
    page.goto(f"{installation.sandbox}/slack/")
    reload_until(page, shows(page, "Ada Byron"))


def sign(page: Page, web: str, item: str, note: str) -> None:
    open_checklist(page, web)
    page.get_by_role("link", name=item).first.click()
    page.get_by_role("link", name=re.compile(r"\bSign$")).first.click()
    page.fill("[name=note]", note)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.locator("body")).to_contain_text("It is signed")


@contextmanager
def live(tried: Installation, folder: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Web and worker in production mode on the same database: where, and in which environment."""
    authority = Authority()
    certificate, trusted = authority.issue(folder, "localhost", days=60), folder / "authority.pem"
    trusted.write_text(authority.pem)
    port = free_port()
    web = f"https://localhost:{port}"
    environ = {
        **tried.environ,
        "DEBUG": "0",
        "BASE_URL": web,
        "ALLOWED_HOSTS": "localhost",
        "PORT": str(port),
        "METRICS_TOKEN": generate_key(),
        "SSL_CERT_FILE": str(trusted),
    }
    gunicorn = ["-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    tls = ["--certfile", str(certificate), "--keyfile", str(certificate)]
    groups = [
        Group([*gunicorn, *tls], environ, folder / "web.log"),
        Group(["manage.py", "qcluster"], environ, folder / "worker.log"),
    ]
    try:
        wait_for(lambda: is_ready(port, authority), what="the live installation answers")
        yield web, environ
    finally:
        for group in groups:
            group.stop()


def is_ready(port: int, authority: Authority) -> bool:
    connection = HTTPSConnection("localhost", port, context=make_context(authority.pem), timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def test_the_checklist_goes_from_red_to_green(
    page: Page, browser: Browser, installation: Installation, tmp_path: Path
) -> None:
    web = installation.web
    status, items = list_open(installation.environ)
    assert status == 1
    assert items >= {"production_mode", "certificate", "metrics_token", "demo_password", "staging_cases", "access"}
    sign_in(page, web, PASSWORD)
    open_checklist(page, web)
    expect(page.locator("#content")).to_contain_text("items are open")
    expect(page.locator("#content")).to_contain_text("Run manage.py rehearse against the sandbox")
    take_picture(page, "checklist_red")

    # What it says is done: a new password, a message to Slack, the staging cases, a reconciliation, a purge, and a
    # person's word for four items.
    change_password(page, web)
    make_slack_speak(page, installation)
    assert "5 of 5 cases passed" in installation.manage("rehearse")
    installation.manage("reconcile")
    installation.manage("purge")
    check_all(page, web)
    for item, note in SIGNED.items():
        sign(page, web, item, note)
    assert list_open(installation.environ) == (1, {"production_mode", "certificate", "metrics_token"})

    with live(installation, tmp_path) as (https, environ):
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 1400, "height": 800})
        context.set_default_timeout(30_000)
        there = context.new_page()
        sign_in(there, https, NEW_PASSWORD)
        check_all(there, https)
        expect(there.locator("#content")).to_contain_text(re.compile(r"All \d+ items pass\."))
        take_picture(there, "checklist_green")
        context.close()
        assert list_open(environ) == (0, set())
