"""Authorising in the admin: what is said before and after, what stops without it, and who may press what."""

from datetime import timedelta
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import escape
from django_q.models import OrmQ

from integrations import tokens
from integrations.connections import set_credentials, set_status
from integrations.jobs import beat, check_alerts
from integrations.models import Alert, Authorisation, Connection, Effect, Token, WebhookSecret
from integrations.operations.alert_messages import tell_due
from integrations.operations.alerts import open_alert
from integrations.operations.rules import Finding
from integrations.providers import PROVIDERS
from integrations.providers.oauth import Grant, Identity, OAuth
from tests.factories import SECRET, make_connection
from tests.integrations.admin.support import (
    get_page,
    list_address,
    make_effect,
    page_address,
    press,
    read_log,
    read_messages,
    sign_in,
)
from tests.integrations.oauth_answers import (
    ACCESS,
    CALENDARS_URL,
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH,
    REVOKE_URL,
    TOKEN_URL,
    answer_of,
    connect,
)

pytestmark = pytest.mark.django_db

VIEW = "integrations.view_connection"
BUTTONS = ["refresh_token", "revoke", "forget"]
BY_BROWSER = [key for key, provider in PROVIDERS.items() if provider.oauth]
SECRETS = (ACCESS, REFRESH, CLIENT_ID, CLIENT_SECRET, SECRET)
VERIFIER = "verifier-77aa"


def declared_of(provider: str) -> OAuth:
    declared = PROVIDERS[provider].oauth
    assert declared is not None
    return declared


def authorise(connection: Connection, user: User | None = None, **fields: Any) -> Connection:
    """With a good token, and with the walk by which the user obtained it."""
    scope = " ".join(declared_of(connection.provider).scopes)
    grant = Grant(access_token=ACCESS, refresh_token=REFRESH, expires_in_s=3600, scope=scope)
    tokens.store_grant(connection, grant, identity=Identity("62515", "Acme Inc."))
    if user:
        make_walk(connection, user, outcome="granted", finished_at=timezone.now())
    Token.objects.filter(pk=connection.pk).update(**fields)
    return Connection.objects.get(pk=connection.pk)


def make_walk(connection: Connection, user: User, **fields: Any) -> Authorisation:
    number = Authorisation.objects.count().to_bytes(32)
    return Authorisation.objects.create(
        connection=connection, user=user, state_digest=number, session_digest=number, verifier=VERIFIER, **fields
    )


def refuse(connection: Connection) -> Connection:
    authorise(connection, failures=2, error="invalid_grant", failed_at=timezone.now(), retry_at=None)
    set_status(connection, Connection.Status.NEEDS_REAUTHORISATION)
    return connection


def fail(connection: Connection, *, expires_in_s: float) -> Connection:
    now = timezone.now()
    error: dict[str, Any] = {"failures": 2, "error": "outage", "failed_at": now}
    ends: dict[str, Any] = {
        "retry_at": now + timedelta(seconds=90),
        "expires_at": now + timedelta(seconds=expires_in_s),
    }
    return authorise(connection, **error, **ends)


def read_page(client: Client, row: Any, page: str = "change") -> str:
    return " ".join(get_page(client, page_address(row, page)).split())


def read_list(client: Client) -> str:
    return " ".join(get_page(client, list_address(Connection)).split())


# --- Before -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", BY_BROWSER)
def test_the_page_before_names_scopes_redirect_address_and_client(
    provider: str, admin_client: Client, settings: Any
) -> None:
    settings.BASE_URL = "https://keepsync.example"
    connection = connect(provider)
    page = read_page(admin_client, connection, "authorise")

    assert "https://keepsync.example/oauth/callback/" in page
    assert f"{CLIENT_ID[:4]}…" in page
    for scope, purpose in declared_of(provider).purposes.items():
        assert escape(scope) in page
        assert escape(purpose) in page
    for secret in SECRETS:
        assert secret not in page
    assert not Authorisation.objects.exists()


def test_the_page_is_not_cached(admin_client: Client) -> None:
    assert "no-store" in admin_client.get(page_address(connect(), "authorise"))["Cache-Control"]


def test_it_leads_to_where_the_walk_begins(admin_client: Client) -> None:
    response = admin_client.post(page_address(connect("hubspot"), "authorise"))

    assert response["Location"] == "/oauth/hubspot/start/"
    assert Token.objects.count() == 0


def test_another_account_is_allowed_where_it_is_asked_for(admin_client: Client) -> None:
    hubspot = authorise(connect("hubspot"))
    page = read_page(admin_client, hubspot, "authorise")

    assert "Acme Inc., 62515" in page
    response = admin_client.post(page_address(hubspot, "authorise"), {"other_account": "on"})
    assert response["Location"] == "/oauth/hubspot/start/?other_account=1"
    assert "other_account" not in get_page(admin_client, page_address(connect("zoom"), "authorise"))


def test_a_missing_client_is_asked_for_and_kept_and_never_shown(admin_client: Client) -> None:
    hubspot = make_connection("hubspot", provider="hubspot")
    address = page_address(hubspot, "authorise")
    assert "Missing: enter it below" in get_page(admin_client, address)
    assert "This field is required" in admin_client.post(address).content.decode()

    response = admin_client.post(address, {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
    hubspot.refresh_from_db()
    assert response["Location"] == "/oauth/hubspot/start/"
    assert hubspot.credentials == {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    assert read_log(hubspot) == [("admin", "Set client_id and client_secret")]
    for page in ("authorise", "change", "set_credentials", "history"):
        for secret in SECRETS:
            assert secret not in get_page(admin_client, page_address(hubspot, page))


def test_a_client_that_is_left_empty_is_kept(admin_client: Client) -> None:
    hubspot = authorise(connect("hubspot"))
    admin_client.post(page_address(hubspot, "authorise"), {"client_secret": "newer"})
    hubspot.refresh_from_db()

    assert hubspot.credentials == {"client_id": CLIENT_ID, "client_secret": "newer"}
    assert hubspot.token.access_token == ACCESS


def test_a_client_that_no_header_could_hold_is_refused(admin_client: Client) -> None:
    response = admin_client.post(page_address(connect("hubspot"), "authorise"), {"client_secret": "with spaces"})

    assert "without spaces or line breaks" in response.content.decode()
    assert "with spaces" not in response.content.decode()


@pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - set(BY_BROWSER)))
def test_a_provider_that_is_called_with_a_key_has_no_such_page(provider: str, admin_client: Client) -> None:
    connection = make_connection("one", provider=provider)

    assert admin_client.get(page_address(connection, "authorise")).status_code == 404
    assert "uthorise" not in " ".join(list_titles(admin_client, connection))


def list_titles(client: Client, connection: Connection) -> list[str]:
    return [action["title"] for action in client.get(page_address(connection)).context["actions_detail"]]


def test_the_button_says_whether_it_is_the_first_time(admin_client: Client) -> None:
    hubspot = connect("hubspot")
    assert "Authorise" in list_titles(admin_client, hubspot)

    authorise(hubspot)
    assert "Reauthorise" in list_titles(admin_client, hubspot)


# --- After ------------------------------------------------------------------------------------------------------------


def test_the_panel_names_account_scopes_author_and_times(admin_client: Client, admin_user: User) -> None:
    hubspot = authorise(connect("hubspot"), admin_user)
    make_walk(hubspot, admin_user, outcome="refused", error="HubSpot did not authorise it (access_denied).")
    page = read_page(admin_client, hubspot)

    for shown in (
        "Acme Inc., 62515",
        "By admin, ",
        "oauth, crm.objects.contacts.read",
        "Runs out in 59 minutes",
        "in 44 minutes",
        "Granted",
        "Refused",
        "HubSpot did not authorise it (access_denied).",
    ):
        assert shown in page
    for secret in (*SECRETS, VERIFIER):
        assert secret not in page


def test_a_connection_that_was_never_authorised_says_so(admin_client: Client) -> None:
    assert "It was not authorised yet." in read_page(admin_client, connect("hubspot"))


def test_missing_scopes_are_named_with_what_fails(admin_client: Client) -> None:
    zoom = authorise(connect("zoom"), scope="meeting:read")

    assert "meeting:write: without it fails making, moving and cancelling meetings" in read_page(admin_client, zoom)


def test_failed_refreshes_are_shown_with_the_error_in_words(admin_client: Client) -> None:
    zoom = fail(connect("zoom"), expires_in_s=1200)
    page = read_page(admin_client, zoom)

    assert "2 in a row, lately just now. Zoom gives out no new token at the moment (outage)" in page
    assert "What will stop" in page
    assert "Not yet: the token runs out in 19 minutes" in page


def test_a_token_that_a_person_has_set_says_that_it_is_not_refreshed(admin_client: Client) -> None:
    hubspot = make_connection("hubspot", provider="hubspot", options={"access_token": ACCESS, "expires_in": "3600"})
    page = read_page(admin_client, hubspot)

    assert "Not in the browser" in page
    assert "Never: nothing but a person can renew it" in page


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_rows_as_for_two(
    count: int, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        authorise(make_connection(f"hubspot-{number}", provider="hubspot", options={"client_id": "c"}))
    with django_assert_max_num_queries(6):
        page = read_list(admin_client)
    assert "in 59 minutes" in page


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"error": "invalid_grant", "failures": 1}, "Refused"),
        ({"error": "outage", "failures": 1, "retry_at": timezone.now()}, "Refresh fails"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "Ran out"),
        ({}, "in 59 minutes"),
    ],
)
def test_the_list_shows_how_a_token_stands(fields: dict[str, Any], label: str, admin_client: Client) -> None:
    authorise(connect("hubspot"), **fields)

    assert label in read_list(admin_client)


# --- What stops -------------------------------------------------------------------------------------------------------


def test_what_stops_is_said_with_the_effects_that_wait(calendar_live: Connection, admin_client: Client) -> None:
    hubspot = refuse(connect("hubspot"))
    calendar_live.crm_pairs.create(crm=hubspot, pattern="in")
    for kind in ("contact.upsert", "contact.upsert", "meeting.upsert"):
        make_effect(hubspot, kind=kind, status="waiting", cause="reauthorise")
    make_effect(hubspot, status="waiting", cause="unknown_outcome")
    page = read_page(admin_client, hubspot)

    for shown in (
        "It needs to be authorised again",
        "HubSpot does not refresh the grant (invalid_grant): authorise the connection again.",
        "Contacts are not brought there.",
        "It is paired with calendar-live.",
        "3 effects wait: 2 contact.upsert, 1 meeting.upsert.",
        "Webhooks still come in",
    ):
        assert shown in page
    waiting = f"connection__id__exact={hubspot.pk}&status__exact=waiting&kind=contact.upsert"
    assert f'href="{escape(f"{list_address(Effect)}?{waiting}")}"' in page
    assert page.count(f'href="{page_address(hubspot, "authorise")}"') == 4
    for secret in SECRETS:
        assert secret not in page


@pytest.mark.parametrize("provider", BY_BROWSER)
def test_every_provider_says_what_stops(provider: str, admin_client: Client) -> None:
    page = read_page(admin_client, refuse(connect(provider)))

    for flow in PROVIDERS[provider].flows:
        assert escape(flow) in page


def test_a_connection_in_order_says_nothing_of_the_kind(admin_client: Client) -> None:
    page = read_page(admin_client, authorise(connect("hubspot")))

    assert "What stops" not in page
    assert 'role="alert"' not in page


def test_a_viewer_sees_what_stops_and_no_button(admin_client: Client) -> None:
    hubspot = refuse(connect("hubspot"))
    viewer = sign_in(VIEW)
    page = read_page(viewer, hubspot)

    assert "What stops" in page
    assert "authorise/" not in page
    assert "revoke/" not in page
    for button in ("authorise", *BUTTONS):
        assert viewer.get(page_address(hubspot, button)).status_code == 403
        assert viewer.post(page_address(hubspot, button)).status_code == 403


def test_open_alerts_stand_on_the_start_page_and_on_the_connections(admin_client: Client) -> None:
    zoom = authorise(connect("zoom"))
    open_alert("missing_scopes", Finding(zoom, "zoom lacks scopes", Alert.Level.WARNING, "meeting:write is missing."))

    assert "zoom lacks scopes" in get_page(admin_client, "/admin/")
    assert "meeting:write is missing." in get_page(admin_client, page_address(zoom))
    assert "zoom lacks scopes" not in get_page(sign_in(VIEW), "/admin/")


def test_alerts_are_listed_the_open_ones_first_and_can_be_filtered(admin_client: Client) -> None:
    slack = make_connection("slack", provider="slack")
    Alert.objects.create(kind="one", connection=slack, title="Over by now", level="info", closed_at=timezone.now())
    hubspot = refuse(connect("hubspot"))
    open_alert("two", Finding(hubspot, "Open still", Alert.Level.CRITICAL, "First line\nSecond line"))
    tell_due()
    page = get_page(admin_client, list_address(Alert))
    assert page.index("Open still") < page.index("Over by now")

    only_over = get_page(admin_client, list_address(Alert), state="over")
    assert "Over by now" in only_over
    assert "Open still" not in only_over
    alert = Alert.objects.get(kind="two")
    detail = get_page(admin_client, page_address(alert))
    assert "<p>First line</p><p>Second line</p>" in detail
    assert "alert.slack" in detail
    effect = Effect.objects.get(kind="alert.slack")
    assert page_address(alert) in get_page(admin_client, page_address(effect))
    assert admin_client.post(page_address(alert), {"title": "x"}).status_code == 403


@pytest.mark.parametrize("count", [2, 30])
def test_the_alerts_list_needs_as_many_queries_for_thirty_rows_as_for_two(
    count: int, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        connection = make_connection(f"crm-{number}", provider="hubspot")
        open_alert("one", Finding(connection, "Something", Alert.Level.INFO))
    with django_assert_max_num_queries(5):
        get_page(admin_client, list_address(Alert))
    with django_assert_max_num_queries(20):
        get_page(admin_client, "/admin/")


def test_the_start_page_names_the_worst_alerts_and_counts_the_others(admin_client: Client) -> None:
    for number in range(10):
        connection = make_connection(f"crm-{number}", provider="hubspot")
        open_alert("one", Finding(connection, f"Alert {number}", Alert.Level.INFO))
    open_alert("two", Finding(None, "The worst", Alert.Level.CRITICAL))
    beat()
    page = get_page(admin_client, "/admin/")

    assert page.count('role="alert"') == 9
    assert page.index("The worst") < page.index("Alert 9") < page.index("3 more alerts")


@pytest.mark.parametrize("make", [authorise, refuse, lambda connection: fail(connection, expires_in_s=60)])
def test_a_lost_encryption_key_breaks_no_page_and_no_check(make: Any, admin_client: Client, settings: Any) -> None:
    connection = make(connect())
    settings.FIELD_ENCRYPTION_KEYS = {"other": b"k" * 32}
    check_alerts()

    assert "unreadable" in read_page(admin_client, connection)
    for page in ("authorise", "revoke", "forget", "set_credentials"):
        assert "Cancel" in read_page(admin_client, connection, page)
    assert "calendar-live" in read_list(admin_client)
    assert "is missing from FIELD_ENCRYPTION_KEYS" in read_messages(press(admin_client, connection, "revoke"))


# --- Buttons ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("button", BUTTONS)
def test_asking_for_confirmation_changes_nothing_and_shows_no_secret(button: str, admin_client: Client) -> None:
    connection = authorise(connect())
    page = read_page(admin_client, connection, button)

    assert "Cancel" in page
    assert connection.token.access_token == ACCESS
    assert read_log(connection) == []
    for secret in SECRETS:
        assert secret not in page


@responses.activate
def test_refresh_now_says_when_the_new_token_runs_out(admin_client: Client) -> None:
    connection = authorise(connect())
    responses.post(TOKEN_URL, json=answer_of("calendar_live", access_token="access-new"))
    response = press(admin_client, connection, "refresh_token")

    assert "The token is refreshed: it runs out in 14 minutes." in " ".join(read_messages(response).split())
    assert Token.objects.get().access_token == "access-new"
    assert read_log(connection) == [("admin", "Refreshed the token")]
    assert "access-new" not in response.content.decode()


@responses.activate
def test_refresh_now_says_what_the_provider_refuses(admin_client: Client) -> None:
    connection = authorise(connect())
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    response = press(admin_client, connection, "refresh_token")
    connection.refresh_from_db()

    assert "(invalid_grant): authorise the connection again." in read_messages(response)
    assert connection.status == "needs_reauthorisation"
    assert "does not fit" in read_messages(press(admin_client, connection, "refresh_token"))


@responses.activate
def test_revoke_says_what_stops_and_ends_the_grant(admin_client: Client) -> None:
    connection = authorise(connect())
    assert "Calendars are not read" in read_page(admin_client, connection, "revoke")
    responses.post(REVOKE_URL, status=200)
    response = press(admin_client, connection, "revoke")
    connection.refresh_from_db()

    assert "calendar.live has revoked the grant." in read_messages(response)
    assert connection.status == "needs_reauthorisation"
    assert (connection.token.access_token, connection.token.refresh_token) == ("", "")
    assert read_log(connection) == [("admin", "Revoked the grant")]
    assert "does not fit" in read_messages(press(admin_client, connection, "revoke"))


@responses.activate
def test_a_grant_that_cannot_be_revoked_now_is_kept(admin_client: Client) -> None:
    connection = authorise(connect())
    responses.post(REVOKE_URL, status=503)

    assert "revoke it again later" in read_messages(press(admin_client, connection, "revoke"))
    assert Token.objects.get().access_token == ACCESS
    assert read_log(connection) == []


@responses.activate
def test_forget_says_what_is_deleted_and_leaves_no_secret(admin_client: Client) -> None:
    connection = authorise(connect())
    page = read_page(admin_client, connection, "forget")
    assert "Deleted here: the tokens" in page
    assert "history stay" in page
    responses.post(REVOKE_URL, status=200)
    response = press(admin_client, connection, "forget")
    connection.refresh_from_db()

    assert "is disabled" in read_messages(response)
    assert (connection.status, connection.credentials) == ("disabled", {})
    assert not Token.objects.exists()
    assert set(WebhookSecret.objects.values_list("secret", flat=True)) == {""}
    assert read_log(connection) == [("admin", "Forgot tokens, credentials and webhook secrets")]


def test_a_key_based_connection_is_forgotten_too(admin_client: Client) -> None:
    stripe = make_connection("stripe", provider="stripe", options={"api_key": "sk_1"})
    assert f'href="{page_address(stripe, "forget")}"' in get_page(admin_client, page_address(stripe))
    press(admin_client, stripe, "forget")
    stripe.refresh_from_db()

    assert (stripe.status, stripe.credentials) == ("disabled", {})


# --- A client in the place of a refused one ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"), [("invalid_client", "active"), ("invalid_grant", "needs_reauthorisation")]
)
def test_a_new_client_resumes_what_waited_for_nothing_else(error: str, status: str, admin_client: Client) -> None:
    connection = authorise(connect(), error=error, failures=1)
    set_status(connection, Connection.Status.NEEDS_REAUTHORISATION)
    make_effect(connection, status="waiting", cause="reauthorise")
    response = press(admin_client, connection, "set_credentials", client_secret="newer")
    connection.refresh_from_db()

    assert connection.status == status
    assert connection.credentials == {"client_id": CLIENT_ID, "client_secret": "newer"}
    assert connection.token.access_token == ACCESS
    assert ("Authorise the connection next" in read_messages(response)) == (status != "active")
    assert OrmQ.objects.exists() == (status == "active")


@responses.activate
def test_a_token_that_is_set_takes_the_place_of_the_old_one_and_leaves_the_client(admin_client: Client) -> None:
    connection = authorise(connect())
    responses.get(CALENDARS_URL, json={"items": []})
    press(admin_client, connection, "set_credentials", access_token="by-hand")
    connection.refresh_from_db()

    assert connection.credentials == {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    assert (connection.token.access_token, connection.token.refresh_token) == ("by-hand", "")


def test_a_client_alone_leaves_the_token(admin_client: Client) -> None:
    connection = authorise(connect("hubspot"))
    set_credentials(connection, {"client_id": "other"})

    assert Connection.objects.get().token.access_token == ACCESS
    assert Connection.objects.get().credentials == {"client_id": "other", "client_secret": CLIENT_SECRET}
