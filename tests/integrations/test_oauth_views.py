"""/oauth/…: who may authorise, what the browser is led to, and what nobody else gets to see."""

import importlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from integrations.models import Authorisation, Connection, Token
from integrations.privacy.logs import RedactedJsonFormatter
from tests.integrations.admin.support import get_page, make_effect, page_address, read_log, read_messages, sign_in
from tests.integrations.oauth_answers import (
    ACCESS,
    CALENDAR,
    CALENDARS_URL,
    CLIENT_SECRET,
    CODE,
    REFRESH,
    TOKEN_URL,
    answer_of,
    connect,
    query_of,
)

pytestmark = pytest.mark.django_db

START, CALLBACK = "/oauth/calendar-live/start/", "/oauth/callback/"
CHANGE = "integrations.change_connection"
VIEW = "integrations.view_connection"


@pytest.fixture(autouse=True)
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        http.post(TOKEN_URL, json=answer_of("calendar_live"))
        http.get(CALENDARS_URL, json={"items": [CALENDAR]})
        yield http


@pytest.fixture
def connection(db: None) -> Connection:
    return connect()


def begin(client: Client, address: str = START) -> dict[str, str]:
    response = client.get(address)
    assert response.status_code == 302, response.status_code
    assert response["Location"].startswith("https://api.calendar.live/oauth/authorize?")
    return query_of(response["Location"])


def walk(client: Client, **answer: str) -> Any:
    """There and back; the page that follows."""
    state = begin(client)["state"]
    return client.get(CALLBACK, {"state": state, **(answer or {"code": CODE})}, follow=True)


# --- Who may ----------------------------------------------------------------------------------------------------------


def test_anonymous_visitors_log_in_first(client: Client, connection: Connection) -> None:
    response = client.get(START)
    assert response.status_code == 302
    assert response["Location"] == f"{reverse('admin:login')}?next={START}"
    assert not Authorisation.objects.exists()


def test_answer_to_a_session_that_has_ended_is_not_carried_through_the_log_in(client: Client) -> None:
    response = client.get(CALLBACK, {"state": "s", "code": CODE})
    assert response.status_code == 302
    assert CODE not in response["Location"]
    assert response["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("address", [START, CALLBACK, "/oauth/unheard-of/start/"])
def test_permission_is_needed(connection: Connection, address: str) -> None:
    assert sign_in(VIEW).get(address).status_code == 403
    assert not Authorisation.objects.exists()


def test_permission_without_the_admin_is_not_enough(client: Client, connection: Connection) -> None:
    client.force_login(User.objects.create_user("zoe", is_superuser=True))
    assert client.get(START).status_code == 403


def test_permission_suffices(connection: Connection) -> None:
    client = sign_in(VIEW, CHANGE)
    assert "is authorised" in read_messages(walk(client))


def test_unknown_connection_is_not_found(admin_client: Client) -> None:
    assert admin_client.get("/oauth/unheard-of/start/").status_code == 404


@pytest.mark.parametrize("method", ["post", "head", "put"])
def test_only_get_is_taken(admin_client: Client, connection: Connection, method: str) -> None:
    for address in (START, CALLBACK):
        assert getattr(admin_client, method)(address).status_code == 405


def test_intake_processes_do_not_serve_it() -> None:
    patterns = importlib.import_module("config.intake_urls").urlpatterns
    assert not [pattern for pattern in patterns if str(pattern.pattern).startswith("oauth")]


# --- There ------------------------------------------------------------------------------------------------------------


def test_browser_is_led_to_the_provider(admin_client: Client, connection: Connection, settings: Any) -> None:
    settings.BASE_URL = "https://keepsync.example.com"
    asked = begin(admin_client)
    assert asked["redirect_uri"] == "https://keepsync.example.com/oauth/callback/"
    assert not Authorisation.objects.get().may_change_account


def test_another_account_may_be_allowed(admin_client: Client, connection: Connection) -> None:
    begin(admin_client, f"{START}?other_account=1")
    assert Authorisation.objects.get().may_change_account


def test_what_is_missing_is_said_on_the_connections_page(admin_client: Client) -> None:
    for connection in (connect(client_id=""), connect("stripe")):
        response = admin_client.get(f"/oauth/{connection.slug}/start/", follow=True)
        assert response.redirect_chain[-1][0] == page_address(connection)
        assert read_messages(response)
    assert not Authorisation.objects.exists()


def test_another_site_cannot_begin_it(admin_client: Client, connection: Connection) -> None:
    response = admin_client.get(START, follow=True, headers={"Sec-Fetch-Site": "cross-site"})
    assert "press Authorise" in read_messages(response)
    assert response.redirect_chain[-1][0] == page_address(connection)
    assert not Authorisation.objects.exists()


# --- And back ---------------------------------------------------------------------------------------------------------


def test_authorised_connection_shows_whose_it_is(admin_client: Client, connection: Connection) -> None:
    response = walk(admin_client)
    told = read_messages(response)
    assert "calendar-live is authorised for the account Sales demos" in told
    assert "not given the scopes free_busy.read, webhooks.read" in told
    assert response.redirect_chain[-1][0] == page_address(connection)
    assert read_log(connection) == [("admin", "Authorisation granted.")]


def test_what_waited_goes_on(admin_client: Client, connection: Connection) -> None:
    Connection.objects.update(status="needs_reauthorisation")
    effect = make_effect(connection, status="waiting", cause="reauthorise")
    assert "It is active again." in read_messages(walk(admin_client))
    connection.refresh_from_db()
    effect.refresh_from_db()
    assert (connection.status, effect.status) == ("active", "pending")


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_what_a_person_has_stopped_stays_so(admin_client: Client, connection: Connection, status: str) -> None:
    Connection.objects.update(status=status)
    assert f"It stays {status}." in read_messages(walk(admin_client))
    connection.refresh_from_db()
    assert connection.status == status
    assert Token.objects.get().access_token == ACCESS


def test_refusal_is_shown_in_words_and_as_text(admin_client: Client, connection: Connection) -> None:
    response = walk(admin_client, error="access_denied", error_description="<script>alert(1)</script>")
    assert "it was refused there" in read_messages(response)
    assert b"<script>alert(1)" not in response.content
    assert read_log(connection)[0][1].startswith("Authorisation refused.")
    connection.refresh_from_db()
    assert connection.status == "active"


def test_failure_is_shown_and_logged(
    admin_client: Client, connection: Connection, server: responses.RequestsMock
) -> None:
    server.replace(responses.POST, TOKEN_URL, status=400, json={"error": "invalid_grant"})
    Connection.objects.update(status="needs_reauthorisation")
    assert "Nothing was authorised." in read_messages(walk(admin_client))
    assert read_log(connection)[0][1].startswith("Authorisation failed. Nothing was authorised.")
    connection.refresh_from_db()
    assert connection.status == "needs_reauthorisation"


def test_answer_works_once(admin_client: Client, connection: Connection, server: responses.RequestsMock) -> None:
    state = begin(admin_client)["state"]
    for _ in range(2):
        response = admin_client.get(CALLBACK, {"state": state, "code": CODE}, follow=True)
    assert "finished already" in read_messages(response)
    assert len(server.calls) == 2
    assert len(read_log(connection)) == 1


def test_answer_belongs_to_its_session(admin_client: Client, connection: Connection) -> None:
    state = begin(admin_client)["state"]
    other = sign_in(VIEW, CHANGE)
    response = other.get(CALLBACK, {"state": state, "code": CODE}, follow=True)
    assert "no authorisation that you began in this session" in read_messages(response)
    assert not Token.objects.exists()
    again = Client()
    again.force_login(User.objects.get(username="admin"))
    assert "in this session" in read_messages(again.get(CALLBACK, {"state": state, "code": CODE}, follow=True))
    assert not Token.objects.exists()


@pytest.mark.parametrize("answer", [{}, {"code": "c"}, {"state": "x\0", "code": "c"}, {"error": "access_denied"}])
def test_answer_without_a_walk_is_refused(admin_client: Client, answer: dict[str, str]) -> None:
    response = admin_client.get(CALLBACK, answer, follow=True)
    assert "belongs to no authorisation" in read_messages(response)


# --- What nobody else sees --------------------------------------------------------------------------------------------


def test_answers_are_not_kept_and_name_no_address(admin_client: Client, connection: Connection) -> None:
    state = begin(admin_client)["state"]
    responses_seen = [
        admin_client.get(START),
        admin_client.get(CALLBACK, {"state": state, "code": CODE}),
        admin_client.get(CALLBACK, {"state": state, "code": CODE}),
        Client().get(CALLBACK, {"state": state, "code": CODE}),
    ]
    for response in responses_seen:
        assert response["Cache-Control"] == "no-store"
        assert response["Referrer-Policy"] == "no-referrer"
        assert CODE not in response["Location"]


def test_no_secret_is_left_behind(
    admin_client: Client, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        asked = begin(admin_client)
        verifier = Authorisation.objects.get().verifier
        pages = [admin_client.get(CALLBACK, {"state": asked["state"], "code": CODE}, follow=True).content.decode()]
        pages += [
            get_page(admin_client, page_address(connection)),
            get_page(admin_client, page_address(connection, "history")),
        ]
    logged = [str(record.__dict__) for record in caplog.records if record.name.startswith("integrations")]
    printed = [RedactedJsonFormatter().format(record) for record in caplog.records]
    session = [str(session.get_decoded()) for session in Session.objects.all()]
    kept = [str(row) for row in connection.history.values()] + [str(entry) for entry in read_log(connection)]
    seen = " ".join([*pages, *logged, *printed, *session, *kept])
    secrets = {"code": CODE, "state": asked["state"], "verifier": verifier, "access": ACCESS, "refresh": REFRESH}
    assert [name for name, secret in {**secrets, "client": CLIENT_SECRET}.items() if secret in seen] == []


def test_server_logs_hide_the_address_after_its_question_mark() -> None:
    line = f'"GET {CALLBACK}?code={CODE}&state=s HTTP/1.1" 302 0'
    record = logging.LogRecord("django.server", logging.INFO, __file__, 1, line, None, None)
    assert CODE not in json.loads(RedactedJsonFormatter().format(record))["message"]
    gunicorn = importlib.import_module("config.gunicorn")
    assert not {"%(r)s", "%(q)s", "%(f)s"} & set(gunicorn.access_log_format.split())
