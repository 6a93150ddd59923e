"""The walk to a consent page and back, whose account it leads to, and how a grant ends."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from django.contrib.auth.models import User
from django.db import connection as database
from django.utils import timezone

from integrations import authorisations, tokens
from integrations.authorisations import finish, forget, missing_scopes, revoke, start
from integrations.connections import set_status
from integrations.exceptions import AuthorisationError, GrantError, OutageError, SetupError, StateError
from integrations.models import Authorisation, Connection, Token
from integrations.providers.oauth import Grant, Identity
from tests.integrations.oauth_answers import (
    ACCESS,
    CALENDAR,
    CALENDARS_URL,
    CLIENT_SECRET,
    CODE,
    REFRESH,
    REVOKE_URL,
    TOKEN_URL,
    answer_of,
    connect,
    form_of,
    query_of,
)

pytestmark = pytest.mark.django_db

SESSION = "session-key-1"
Outcome = Authorisation.Outcome
Status = Connection.Status


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    """calendar.live, which grants everything; a test may say otherwise before it asks."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        yield stubs


@pytest.fixture
def server(http: responses.RequestsMock) -> responses.RequestsMock:
    http.post(TOKEN_URL, json=answer_of("calendar_live"))
    http.get(CALENDARS_URL, json={"items": [CALENDAR]})
    return http


def begin(connection: Connection, user: User, **arguments: Any) -> dict[str, str]:
    """What the browser asks the provider for."""
    return query_of(start(connection, user=user, session_key=SESSION, **arguments))


def come_back(asked: dict[str, str], user: User, session_key: str = SESSION, **answer: str) -> authorisations.Result:
    return finish({"state": asked["state"], **(answer or {"code": CODE})}, session_key=session_key, user=user)


def authorise(connection: Connection, user: User, **arguments: Any) -> authorisations.Result:
    return come_back(begin(connection, user, **arguments), user)


def give_token(connection: Connection, account_id: str = "", **grant: Any) -> None:
    values = {"access_token": ACCESS, "refresh_token": REFRESH, "scope": "", **grant}
    tokens.store_grant(connection, Grant(**values), identity=Identity(account_id, "Former account"))


# --- There ------------------------------------------------------------------------------------------------------------


def test_walk_is_remembered_without_its_secrets(admin_user: User) -> None:
    asked = begin(connect(), admin_user)
    walk = Authorisation.objects.get()
    assert bytes(walk.state_digest) == hashlib.sha256(asked["state"].encode()).digest()
    assert bytes(walk.session_digest) == hashlib.sha256(SESSION.encode()).digest()
    assert create_s256_code_challenge(walk.verifier) == asked["code_challenge"]
    assert 64 <= len(walk.verifier) <= 128
    assert len(asked["state"]) >= 43
    assert walk.user == admin_user
    assert (walk.outcome, walk.finished_at, walk.may_change_account) == (Outcome.STARTED, None, False)
    with database.cursor() as cursor:
        cursor.execute("SELECT integrations_authorisation::text FROM integrations_authorisation")
        row = cursor.fetchone()[0]
    assert asked["state"] not in row
    assert walk.verifier.encode().hex() not in row


def test_each_walk_has_a_state_and_a_verifier_of_its_own(admin_user: User) -> None:
    connection = connect()
    first, second = begin(connection, admin_user), begin(connection, admin_user)
    assert first["state"] != second["state"]
    assert first["code_challenge"] != second["code_challenge"]


def test_verifiers_of_walks_that_nobody_came_back_from_are_forgotten(admin_user: User) -> None:
    connection = connect()
    begin(connection, admin_user)
    Authorisation.objects.update(started_at=timezone.now() - timedelta(minutes=11))
    begin(connection, admin_user)
    assert [bool(walk.verifier) for walk in Authorisation.objects.order_by("pk")] == [False, True]


def test_walk_that_cannot_begin_is_not_remembered(admin_user: User) -> None:
    with pytest.raises(SetupError):
        begin(connect(client_id=""), admin_user)
    with pytest.raises(SetupError):
        begin(connect("stripe"), admin_user)
    assert not Authorisation.objects.exists()


# --- And back ---------------------------------------------------------------------------------------------------------


def test_connection_is_authorised(admin_user: User, server: responses.RequestsMock) -> None:
    connection = connect()
    asked = begin(connection, admin_user)
    result = come_back(asked, admin_user)
    form = form_of(server.calls[0])
    assert create_s256_code_challenge(form["code_verifier"]) == asked["code_challenge"]
    assert form["redirect_uri"] == asked["redirect_uri"]
    assert form["code"] == CODE
    assert server.calls[1].request.headers["Authorization"] == f"Bearer {ACCESS}"
    token = Token.objects.get(connection=connection)
    assert (token.access_token, token.refresh_token, token.scope) == (ACCESS, REFRESH, "events.read events.write")
    assert token.account_id
    assert token.account_name == "Sales demos"
    assert result.is_granted
    assert "calendar-live is authorised for the account Sales demos" in result.message


def test_walk_that_ended_keeps_no_secret(admin_user: User, server: responses.RequestsMock) -> None:
    authorise(connect(), admin_user)
    walk = Authorisation.objects.get()
    assert (walk.outcome, walk.verifier, walk.error) == (Outcome.GRANTED, "", "")
    assert walk.finished_at is not None


def test_scopes_that_were_not_granted_are_named(admin_user: User, server: responses.RequestsMock) -> None:
    connection = connect()
    assert missing_scopes(connection) == []
    result = authorise(connection, admin_user)
    assert "It was not given the scopes free_busy.read, webhooks.read" in result.message
    assert missing_scopes(connection) == ["free_busy.read", "webhooks.read"]


def test_scope_that_is_not_answered_is_the_one_asked_for(admin_user: User, http: responses.RequestsMock) -> None:
    answer = answer_of("calendar_live")
    del answer["scope"]
    http.post(TOKEN_URL, json=answer)
    http.get(CALENDARS_URL, json={"items": [CALENDAR]})
    connection = connect()
    assert "not given" not in authorise(connection, admin_user).message
    assert Token.objects.get().scope == "events.read events.write free_busy.read webhooks.read"
    assert missing_scopes(connection) == []


def test_scopes_that_were_neither_asked_for_nor_answered_are_not_known(
    admin_user: User, http: responses.RequestsMock
) -> None:
    answer = answer_of("zoom")
    del answer["scope"]
    http.post("https://zoom.us/oauth/token", json=answer)
    http.get("https://api.zoom.us/v2/users/me", json={"id": "u1", "first_name": "Ana", "last_name": "Roe"})
    connection = connect("zoom")
    assert authorise(connection, admin_user).is_granted
    assert Token.objects.get().scope == ""
    assert missing_scopes(connection) == []


def test_scopes_of_a_provider_with_keys_are_not_missed() -> None:
    connection = connect("stripe")
    give_token(connection, scope="read_only")
    assert missing_scopes(connection) == []


# --- Whose walk it is -------------------------------------------------------------------------------------------------


def assert_refused(asked: dict[str, str], user: User, match: str, **arguments: str) -> None:
    with pytest.raises(AuthorisationError, match=match) as caught:
        come_back(asked, user, **arguments)
    assert "Press Authorise" in str(caught.value)
    assert not [secret for secret in filter(None, (CODE, asked["state"])) if secret in str(caught.value)]


def test_state_that_nobody_made_is_refused(admin_user: User, server: responses.RequestsMock) -> None:
    begin(connect(), admin_user)
    assert_refused({"state": "made-up"}, admin_user, "belongs to no authorisation")
    assert_refused({"state": ""}, admin_user, "belongs to no authorisation")
    assert not server.calls


def test_another_session_is_refused_and_does_not_use_it_up(admin_user: User, server: responses.RequestsMock) -> None:
    asked = begin(connect(), admin_user)
    assert_refused(asked, admin_user, "in this session", session_key="session-key-2")
    assert not server.calls
    assert come_back(asked, admin_user).is_granted


def test_another_administrator_is_refused(admin_user: User, server: responses.RequestsMock) -> None:
    asked = begin(connect(), admin_user)
    nora = User.objects.create_superuser("nora")
    assert_refused(asked, nora, "in this session")
    assert not server.calls


def test_state_works_once(admin_user: User, server: responses.RequestsMock) -> None:
    asked = begin(connect(), admin_user)
    come_back(asked, admin_user)
    assert_refused(asked, admin_user, "finished already")
    assert [call.request.method for call in server.calls] == ["POST", "GET"]


def test_state_is_used_up_by_a_walk_that_failed(admin_user: User, server: responses.RequestsMock) -> None:
    asked = begin(connect(), admin_user)
    come_back(asked, admin_user, error="access_denied")
    assert_refused(asked, admin_user, "finished already")
    assert not server.calls


def test_state_lives_ten_minutes(admin_user: User, server: responses.RequestsMock) -> None:
    asked = begin(connect(), admin_user)
    Authorisation.objects.update(started_at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert_refused(asked, admin_user, "more than ten minutes")
    assert not server.calls


def test_state_leads_to_its_own_connection(admin_user: User, server: responses.RequestsMock) -> None:
    first = connect()
    asked = begin(first, admin_user)
    begin(connect("zoom"), admin_user)
    assert come_back(asked, admin_user).authorisation.connection == first
    assert list(Token.objects.values_list("connection__slug", flat=True)) == ["calendar-live"]


@pytest.mark.django_db(transaction=True)
def test_of_two_answers_at_the_same_moment_one_counts(admin_user: User, server: responses.RequestsMock) -> None:
    asked = begin(connect(), admin_user)
    barrier, outcomes = threading.Barrier(2), []

    def come() -> None:
        barrier.wait()
        try:
            outcomes.append(come_back(asked, admin_user).authorisation.outcome)
        except AuthorisationError:
            outcomes.append("too late")
        finally:
            database.close()

    threads = [threading.Thread(target=come) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(outcomes) == ["granted", "too late"]
    assert [call.request.method for call in server.calls].count("POST") == 1


# --- What comes back instead of a grant -------------------------------------------------------------------------------


def test_refusal_is_told_in_words_and_kept(admin_user: User, server: responses.RequestsMock) -> None:
    connection = connect()
    asked = begin(connection, admin_user)
    answer = {"error": "access_denied", "error_description": f"<i>Not today</i> {asked['state']}"}
    result = come_back(asked, admin_user, **answer)
    assert result.message.startswith("calendar.live did not authorise it (access_denied): it was refused there")
    assert "<i>Not today</i>" in result.message
    assert asked["state"] not in result.message
    walk = Authorisation.objects.get()
    assert (walk.outcome, walk.error, walk.verifier) == (Outcome.REFUSED, result.message, "")
    assert not server.calls
    assert not Token.objects.exists()


def test_answer_without_a_code_fails(admin_user: User) -> None:
    asked = begin(connect(), admin_user)
    result = finish({"state": asked["state"]}, session_key=SESSION, user=admin_user)
    assert result.authorisation.outcome == Outcome.FAILED
    assert "without a code" in result.message


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 400, "json": {"error": "invalid_grant", "error_description": CODE}}, "(invalid_grant)"),
        ({"status": 401, "json": {"error": "invalid_client"}}, "correct them"),
        ({"status": 503}, "answers 503"),
        ({"status": 200, "body": "{}"}, "access_token is missing"),
        ({"body": requests.ReadTimeout(CODE)}, "no whole answer"),
    ],
)
def test_code_that_gives_no_token_fails_and_is_not_tried_again(
    admin_user: User, http: responses.RequestsMock, caplog: pytest.LogCaptureFixture, answer: Any, told: str
) -> None:
    http.post(TOKEN_URL, **answer)
    connection = connect()
    give_token(connection, access_token="kept")
    with caplog.at_level("DEBUG"):
        result = authorise(connection, admin_user)
    assert len(http.calls) == 1
    assert result.authorisation.outcome == Outcome.FAILED
    assert result.message.startswith("Nothing was authorised.")
    assert told in result.message
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    assert not [secret for secret in (CODE, CLIENT_SECRET, ACCESS) if secret in f"{result.message} {logged}"]
    assert Token.objects.get().access_token == "kept"


# --- Whose account ----------------------------------------------------------------------------------------------------


def test_another_account_is_not_taken_over(admin_user: User, server: responses.RequestsMock) -> None:
    connection = connect()
    give_token(connection, "account-1", access_token="former")
    result = authorise(connection, admin_user)
    assert result.authorisation.outcome == Outcome.FAILED
    assert "Another account was authorised (Sales demos" in result.message
    assert "Former account, account-1" in result.message
    assert "allow another account" in result.message
    walk = Authorisation.objects.get()
    assert walk.error
    assert not [name for name in ("Sales demos", "Former account") if name in walk.error]
    token = Token.objects.get()
    assert (token.access_token, token.account_id) == ("former", "account-1")


def test_another_account_is_taken_where_that_is_meant(admin_user: User, server: responses.RequestsMock) -> None:
    connection = connect()
    give_token(connection, "account-1")
    assert authorise(connection, admin_user, may_change_account=True).is_granted
    assert Token.objects.get().account_name == "Sales demos"


def test_same_account_is_authorised_again(admin_user: User, server: responses.RequestsMock) -> None:
    connection = connect()
    authorise(connection, admin_user)
    before = Token.objects.get().account_id
    assert authorise(connection, admin_user).is_granted
    token = Token.objects.get()
    assert token.account_id == before
    assert token.generation == 2


def test_account_that_was_not_known_is_learnt(admin_user: User, server: responses.RequestsMock) -> None:
    connection = connect()
    give_token(connection)
    assert authorise(connection, admin_user).is_granted
    assert Token.objects.get().account_id


def test_grant_is_kept_where_the_account_cannot_be_seen(
    admin_user: User, http: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.http.REPEAT_PAUSE_S", 0)
    http.post(TOKEN_URL, json=answer_of("calendar_live"))
    http.get(CALENDARS_URL, status=503)
    result = authorise(connect(), admin_user)
    assert result.is_granted
    assert "Whose account it is could not be seen: calendar.live answers 503." in result.message
    token = Token.objects.get()
    assert (token.access_token, token.account_id) == (ACCESS, "")


def test_account_is_looked_for_where_the_grant_says(admin_user: User, http: responses.RequestsMock) -> None:
    http.post("https://login.salesforce.com/services/oauth2/token", json=answer_of("salesforce"))
    org = {"Id": "00D1", "Name": "Acme"}
    http.get("https://acme.my.salesforce.com/services/data/v59.0/query", json={"done": True, "records": [org]})
    result = authorise(connect("salesforce"), admin_user)
    assert "for the account Acme, 00D1" in result.message
    assert Token.objects.get().api_url == "https://acme.my.salesforce.com"


# --- Revoking ---------------------------------------------------------------------------------------------------------


def test_grant_is_revoked_refresh_token_first(http: responses.RequestsMock) -> None:
    http.post(REVOKE_URL)
    connection = connect()
    give_token(connection, "account-1")
    told = revoke(connection)
    assert [form_of(call)["token"] for call in http.calls] == [REFRESH, ACCESS]
    assert "calendar.live has revoked the grant" in told
    token = Token.objects.get()
    assert (token.access_token, token.refresh_token, token.account_id) == ("", "", "account-1")
    assert token.generation == 2
    connection.refresh_from_db()
    assert connection.status == Status.NEEDS_REAUTHORISATION


def test_paused_connection_stays_paused_when_it_is_revoked(http: responses.RequestsMock) -> None:
    http.post(REVOKE_URL)
    connection = connect()
    give_token(connection)
    set_status(connection, Status.PAUSED)
    revoke(connection)
    connection.refresh_from_db()
    assert connection.status == Status.PAUSED


@pytest.mark.parametrize("outage", [{"status": 503}, {"body": requests.ReadTimeout(REFRESH)}])
def test_nothing_is_revoked_while_the_provider_is_away(http: responses.RequestsMock, outage: Any) -> None:
    http.post(REVOKE_URL, **outage)
    connection = connect()
    give_token(connection)
    with pytest.raises(OutageError, match="its tokens are kept: revoke it again later") as caught:
        revoke(connection)
    assert REFRESH not in str(caught.value)
    assert Token.objects.get().refresh_token == REFRESH
    connection.refresh_from_db()
    assert connection.status == Status.ACTIVE


def test_client_that_is_not_accepted_revokes_nothing(http: responses.RequestsMock) -> None:
    http.post(REVOKE_URL, status=401, json={"error": "invalid_client"})
    connection = connect()
    give_token(connection)
    with pytest.raises(GrantError, match="client_id and client_secret"):
        revoke(connection)
    assert Token.objects.get().refresh_token == REFRESH


def test_access_token_that_cannot_be_revoked_goes_with_the_grant(http: responses.RequestsMock) -> None:
    http.post(REVOKE_URL, match=[responses.matchers.urlencoded_params_matcher(sent(REFRESH))])
    http.post(REVOKE_URL, status=400, json={"error": "unsupported_token_type"})
    connection = connect()
    give_token(connection)
    assert "has revoked the grant" in revoke(connection)
    assert Token.objects.get().access_token == ""


def sent(token: str) -> dict[str, str]:
    return {"token": token, "client_id": "client-7f3a", "client_secret": CLIENT_SECRET}


def test_provider_without_revocation_is_left_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect()
    give_token(connection)
    monkeypatch.setattr("integrations.oauth.find_url", lambda connection, endpoint: "")
    assert "remove Keepsync there by hand" in revoke(connection)
    assert Token.objects.get().access_token == ""


def test_nothing_to_revoke_is_said() -> None:
    connection = connect()
    with pytest.raises(StateError, match="no token"):
        revoke(connection)
    with pytest.raises(SetupError, match="not authorised in the browser"):
        revoke(connect("stripe"))


# --- Forgetting -------------------------------------------------------------------------------------------------------


def assert_forgotten(connection: Connection) -> None:
    connection.refresh_from_db()
    assert connection.status == Status.DISABLED
    assert connection.credentials == {}
    assert not Token.objects.exists()
    assert [(secret.secret, secret.retired_at is None) for secret in connection.webhook_secrets.all()] == [("", False)]
    assert not any(Authorisation.objects.values_list("verifier", flat=True))


def test_forgotten_connection_keeps_no_secret(admin_user: User, http: responses.RequestsMock) -> None:
    http.post(REVOKE_URL)
    connection = connect()
    generation = connection.generation
    give_token(connection)
    begin(connection, admin_user)
    told = forget(connection)
    assert "has revoked the grant" in told
    assert_forgotten(connection)
    assert connection.generation > generation


def test_connection_is_forgotten_though_the_provider_is_away(http: responses.RequestsMock) -> None:
    http.post(REVOKE_URL, status=503)
    connection = connect()
    give_token(connection)
    told = forget(connection)
    assert "could not be revoked: calendar.live answers 503." in told
    assert "Remove Keepsync's access at calendar.live by hand" in told
    assert "kept" not in told
    assert_forgotten(connection)


def test_connection_with_a_key_is_forgotten() -> None:
    connection = connect("stripe", api_key="rk_live_1")
    assert "Remove Keepsync's access at Stripe by hand" in forget(connection)
    assert_forgotten(connection)


# --- Where the encryption key is lost ---------------------------------------------------------------------------------


def lose_key(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = {"other": bytes(32)}


def test_connection_whose_key_is_lost_is_forgotten(settings: Any) -> None:
    connection = connect()
    give_token(connection)
    lose_key(settings)
    assert "missing from FIELD_ENCRYPTION_KEYS" in forget(Connection.objects.get())
    assert_forgotten(connection)


def test_lost_key_is_named_when_a_walk_begins_or_a_grant_is_revoked(admin_user: User, settings: Any) -> None:
    give_token(connect())
    lose_key(settings)
    connection = Connection.objects.get()
    with pytest.raises(SetupError, match="FIELD_ENCRYPTION_KEYS"):
        begin(connection, admin_user)
    with pytest.raises(SetupError, match="FIELD_ENCRYPTION_KEYS"):
        revoke(connection)


def test_token_whose_key_is_lost_is_replaced(admin_user: User, server: responses.RequestsMock, settings: Any) -> None:
    connection = connect()
    authorise(connection, admin_user)
    account_id = Token.objects.get().account_id
    lose_key(settings)
    Connection.objects.update(credentials={"client_id": "client-7f3a", "client_secret": CLIENT_SECRET})
    assert authorise(Connection.objects.get(), admin_user).is_granted
    token = Token.objects.get()
    assert (token.access_token, token.account_id) == (ACCESS, account_id)
