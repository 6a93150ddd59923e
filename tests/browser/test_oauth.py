"""A connection is authorised in the browser at an authorisation server that this project did not write.

The API behind it is the sandbox's Pipedrive, which lets in whoever that server calls entitled at this moment.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import take_picture
from tests.factories import SECRET
from tests.oauth.server import SCOPES, AuthorisationServer, Gate
from tests.ports import free_port
from tests.processes.holding_proxy import serving
from tests.processes.installation import Installation, fresh_database, prepare
from tests.processes.ledger import Entry, read_entries, wait_until_all_over
from tests.processes.outside import ACCESS_TOKEN, Outside
from tests.processes.samples import Payload, make_booking
from tests.processes.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SLUG, CALENDAR = "pipedrive", "bookings"
USERNAME, PASSWORD = "nora", "nora's pass phrase"
# So short that every use refreshes it first.
ACCESS_TTL_S = 6
UNKNOWN_SCOPE = "deals:full"
CONNECT = """
import json
from django.contrib.auth.models import User
from integrations.connections import add_connection
from integrations.pairs import make_pair

plan = json.loads({plan!r})
calendar, crm = (add_connection(**each)[0] for each in plan["connections"])
make_pair(calendar, crm, "in")
User.objects.create_superuser(plan["username"], "nora@keepsync.example", plan["password"])
"""
READ_TOKEN = """
import json
from integrations.models import Token
print(json.dumps(Token.objects.filter(connection__slug={slug!r}).values("refresh_token", "access_token").get()))
"""


@dataclass
class Scene:
    """Keepsync's web and worker, the authorisation server, and the sandbox behind its gate."""

    keepsync: Installation
    server: AuthorisationServer
    gate: Gate
    outside: Outside

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.keepsync.port}"

    def read_connection(self) -> tuple[str, int]:
        """Its status, and the number of its token; 0 for none."""
        query = """
            SELECT status, coalesce(token.generation, 0) FROM integrations_connection AS connection
            LEFT JOIN integrations_token AS token ON token.connection_id = connection.id WHERE slug = %s
        """
        [(status, generation)] = self.keepsync.fetch(query, SLUG)
        return status, generation

    def find_id(self) -> int:
        return int(self.keepsync.fetch("SELECT id FROM integrations_connection WHERE slug = %s", SLUG)[0][0])

    def read_token(self) -> dict[str, str]:
        token: dict[str, str] = json.loads(self.keepsync.manage("shell", "-v", "0", "-c", READ_TOKEN.format(slug=SLUG)))
        return token

    def wait_for_status(self, status: str) -> None:
        wait_for(lambda: self.read_connection()[0] == status, what=f"the connection is {status}")

    def book(self) -> Payload:
        """A new customer's booking, which is to go to the CRM."""
        booking = make_booking()
        booking["data"]["event"]["answers"] = []
        assert self.keepsync.post(booking, slug=CALENDAR).status == 200
        return booking


@pytest.fixture(scope="module")
def scene(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, web_port = tmp_path_factory.mktemp("oauth"), free_port()
    redirect_uri = f"http://127.0.0.1:{web_port}/oauth/callback/"
    server = AuthorisationServer(redirect_uri, folder / "oidc.log", access_ttl_s=ACCESS_TTL_S)
    outside = Outside(folder)
    with fresh_database(os.environ["DATABASE_URL"]) as url, server.running():
        keepsync = Installation(url, folder, variables={"BASE_URL": f"http://127.0.0.1:{web_port}"})
        try:
            outside.start()
            with serving(Gate(outside.port, server, ACCESS_TOKEN)) as gate:
                connect(prepare(keepsync), server, gate)
                keepsync.start_web(port=web_port)
                keepsync.start_worker()
                yield Scene(keepsync, server, gate, outside)
        finally:
            keepsync.stop()
            outside.stop()


def connect(installation: Installation, server: AuthorisationServer, gate: Gate) -> None:
    """A calendar, the CRM that its bookings go to, which is not authorised yet, and an administrator."""
    options = {**server.options, "scope": " ".join([*SCOPES, UNKNOWN_SCOPE])}
    base_url = f"http://127.0.0.1:{gate.port}/pipedrive"
    calendar = {"provider": "calendar_live", "slug": CALENDAR, "webhook_secret": SECRET}
    crm = {"provider": "pipedrive", "slug": SLUG, "base_url": base_url, "options": options}
    plan = {"connections": [calendar, crm], "username": USERNAME, "password": PASSWORD}
    installation.manage("shell", "-v", "0", "-c", CONNECT.format(plan=json.dumps(plan)))


@pytest.fixture
def visitor(page: Page, scene: Scene) -> Page:
    """An administrator's browser, at the connection's page. What a page asks other hosts for is not fetched."""
    page.context.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), refuse)
    page.goto(f"{scene.web}/admin/")
    page.fill("[name=username]", USERNAME)
    page.fill("[name=password]", PASSWORD)
    page.locator("[type=submit]").click()
    page.wait_for_url(f"{scene.web}/admin/")
    page.goto(f"{scene.web}/admin/integrations/connection/{scene.find_id()}/change/")
    return page


def refuse(route: Route) -> None:
    route.abort()


# --- What the administrator does --------------------------------------------------------------------------------------


def go_to_the_server(page: Page, scene: Scene) -> None:
    """By the button; its page says before what will be asked for."""
    page.goto(f"{scene.web}/admin/integrations/connection/{scene.find_id()}/change/")
    page.get_by_role("link", name=re.compile("(Rea|A)uthorise")).first.click()
    expect(page.locator("body")).to_contain_text(scene.server.redirect_uri)
    expect(page.locator("body")).to_contain_text(UNKNOWN_SCOPE)
    page.get_by_role("button", name=re.compile("uthorise at Pipedrive")).click()
    expect(page).to_have_url(re.compile(f"^{scene.server.issuer}/interaction/"))


def sign_in_there(page: Page) -> None:
    page.fill("[name=login]", "ops@example.com")
    page.fill("[name=password]", "any")
    page.get_by_role("button", name="Sign-in").click()


def allow(page: Page, scene: Scene) -> str:
    """Consent, and be led back. Returns the address by which the browser came, with its code."""
    with page.expect_request(re.compile("/oauth/callback/")) as back:
        page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{scene.web}/admin/integrations/connection/{scene.find_id()}/change/")
    return back.value.url


def authorise(page: Page, scene: Scene) -> str:
    go_to_the_server(page, scene)
    sign_in_there(page)
    expect(page.locator("body")).to_contain_text("contacts:full")
    return allow(page, scene)


def revoke_there(scene: Scene) -> None:
    """With the refresh token of this moment; if it is refreshed meanwhile, with the next one."""

    def is_revoked() -> bool:
        token = scene.read_token()
        scene.server.revoke(token["refresh_token"])
        return scene.read_token() == token

    wait_for(is_revoked, what="the token that is in use is revoked")


# --- What is seen -----------------------------------------------------------------------------------------------------


def entries_of(scene: Scene, booking: Payload) -> list[Entry]:
    return read_entries(scene.keepsync, booking["id"])


def assert_arrived(scene: Scene, booking: Payload) -> None:
    """Its contact and its meeting, each once."""
    entries = wait_until_all_over(scene.keepsync, booking["id"])
    assert {(entry.kind, entry.status) for entry in entries} >= {
        ("contact.upsert", "succeeded"),
        ("meeting.upsert", "succeeded"),
    }
    email = booking["data"]["event"]["attendees"][0]["email"].strip().lower()
    assert len(scene.outside.find("pipedrive", "persons", email)) == 1


def test_a_grant_is_given_kept_alive_revoked_and_given_again(visitor: Page, scene: Scene) -> None:
    waiting = scene.book()
    scene.keepsync.wait_until_settled(waiting["id"])
    scene.wait_for_status("needs_reauthorisation")
    assert scene.gate.used == []

    # Given: the account is named, what was not granted is named, and what had waited goes out.
    authorise(visitor, scene)
    expect(visitor.locator("body")).to_contain_text("pipedrive is authorised for the account Acme")
    expect(visitor.locator("body")).to_contain_text(f"It was not given the scopes {UNKNOWN_SCOPE}")
    expect(visitor.locator("body")).to_contain_text("It is active again")
    take_picture(visitor, "authorised")
    assert_arrived(scene, waiting)

    # Kept alive: at use, and by the schedule when nobody uses it. Each new refresh token takes the last one's place.
    used, (_, generation) = len(scene.gate.used), scene.read_connection()
    assert "Pipedrive answers" in scene.keepsync.manage("connection", "test", SLUG)
    wait_until_expired(scene)
    assert_arrived(scene, scene.book())
    assert len(scene.gate.used) >= used + 2
    wait_until_expired(scene)
    _, before = scene.read_connection()
    assert before >= generation + 2
    run_schedule(scene)
    wait_for(lambda: scene.read_connection()[1] > before, what="the schedule has refreshed it")
    assert scene.read_connection()[0] == "active"

    # Revoked at the server: the next use finds it out, and what is to go out waits without burning tries.
    revoke_there(scene)
    waiting = scene.book()
    scene.wait_for_status("needs_reauthorisation")
    scene.keepsync.wait_until_settled(waiting["id"])
    wait_for(lambda: {e.status for e in entries_of(scene, waiting)} == {"waiting"}, what="the effects wait")
    assert {entry.attempts - entry.free_attempts for entry in entries_of(scene, waiting)} == {0}
    error, retry_at = scene.keepsync.fetch("SELECT error, retry_at FROM integrations_token")[0]
    assert (error, retry_at) == ("invalid_grant", None)

    # Given again, by somebody who is still signed in there: what waited goes on by itself.
    go_to_the_server(visitor, scene)
    allow(visitor, scene)
    expect(visitor.locator("body")).to_contain_text("is authorised for the account Acme")
    assert_arrived(scene, waiting)
    assert scene.read_connection()[0] == "active"
    assert_not_in_the_logs(scene)


def assert_not_in_the_logs(scene: Scene) -> None:
    """What the processes wrote names no token, no secret, and no code of the way back."""
    secrets = [*scene.gate.used, scene.read_token()["refresh_token"], scene.server.client_secret, "code="]
    paths = [*(group.log for group in scene.keepsync.groups), scene.keepsync.access_log]
    logs = "".join(path.read_text(errors="replace") for path in paths)
    assert "token refreshed" in logs
    assert "/oauth/callback/" in logs
    assert [secret for secret in secrets if secret in logs] == []


def wait_until_expired(scene: Scene) -> None:
    token = scene.read_token()["access_token"]
    wait_for(lambda: not scene.server.describe(token)["active"], what="the access token has expired")


def run_schedule(scene: Scene) -> None:
    """Its next minute comes now."""
    scene.keepsync.fetch("UPDATE django_q_schedule SET next_run = now() WHERE name = 'refresh_tokens' RETURNING id")


def test_a_refused_consent_is_told_in_words(visitor: Page, scene: Scene) -> None:
    before = scene.read_connection()
    go_to_the_server(visitor, scene)
    visitor.get_by_role("link", name="Cancel").click()
    visitor.wait_for_url(re.compile("/admin/integrations/connection/"))
    expect(visitor.locator("body")).to_contain_text("Pipedrive did not authorise it (access_denied)")
    expect(visitor.locator("body")).to_contain_text("it was refused there")
    assert scene.read_connection()[0] == before[0]


def test_an_answer_works_once(visitor: Page, scene: Scene) -> None:
    address = authorise(visitor, scene)
    _, generation = scene.read_connection()
    visitor.goto(address)
    expect(visitor.locator("body")).to_contain_text("This authorisation was finished already")
    expect(visitor.locator("body")).to_contain_text("Press Authorise on the connection's page again.")
    status, after = scene.read_connection()
    assert (status, after >= generation) == ("active", True)


def test_an_answer_is_worth_nothing_in_another_session(visitor: Page, scene: Scene) -> None:
    """Another browser's cookie jar, as of somebody who was lured to the address."""
    before = scene.read_connection()
    go_to_the_server(visitor, scene)
    sign_in_there(visitor)
    with visitor.expect_request(re.compile("/oauth/callback/")) as back:
        visitor.route(re.compile("/oauth/callback/"), refuse)
        visitor.get_by_role("button", name="Continue").click()
    visitor.unroute(re.compile("/oauth/callback/"))
    visitor.context.clear_cookies(name="sessionid")
    visitor.goto(back.value.url)
    expect(visitor.locator("body")).to_contain_text("You were signed out on the way")
    assert scene.read_connection()[0] == before[0]
