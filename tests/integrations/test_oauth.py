"""The wire of OAuth: addresses, codes, refreshes and revocations, and what refusals mean."""

import base64
from typing import Any

import pytest
import requests
import responses
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from integrations import oauth
from integrations.exceptions import (
    GrantError,
    KeepsyncError,
    LostAnswerError,
    MissingError,
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.models import Token
from integrations.oauth_errors import describe_refusal
from integrations.providers import PROVIDERS
from integrations.providers.oauth import Grant
from tests.contract_check import check_calls
from tests.integrations.oauth_answers import (
    ACCESS,
    ADDRESSES,
    CLIENT_ID,
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

VERIFIER = "v" * 64
STATE = "state-b1f0"
BASIC = {"pipedrive", "zoom"}
# Slack's specification knows a GET with the secret in its address only; Pipedrive's knows no PKCE.
IN_CONTRACT = ["calendar_live", "hubspot", "salesforce", "zoom"]
SECRETS = (ACCESS, REFRESH, CODE, VERIFIER, CLIENT_SECRET)


def old_token(connection: Any, refresh_token: str = REFRESH) -> Token:
    return Token(connection=connection, access_token=ACCESS, refresh_token=refresh_token)


def refresh(connection: Any) -> Grant:
    return oauth.refresh_grant(connection, old_token(connection))


# --- Addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ADDRESSES)
def test_addresses_are_the_providers_own(provider: str) -> None:
    connection = connect(provider)
    assert (
        oauth.find_url(connection, "authorize_url"),
        oauth.find_url(connection, "token_url"),
        oauth.find_url(connection, "revoke_url"),
    ) == ADDRESSES[provider]


@pytest.mark.parametrize("provider", ADDRESSES)
def test_base_url_stands_for_all_hosts(provider: str) -> None:
    connection = connect(provider, base_url="http://127.0.0.1:8001/")
    endpoints: list[oauth.Endpoint] = ["authorize_url", "token_url", "revoke_url"]
    for endpoint, own in zip(endpoints, ADDRESSES[provider], strict=True):
        path = own.split("/", 3)[3]
        assert oauth.find_url(connection, endpoint) == f"http://127.0.0.1:8001/{path}"


def test_options_name_other_addresses() -> None:
    connection = connect(base_url="http://127.0.0.1:1", token_url="http://127.0.0.1:2/token")
    assert oauth.find_url(connection, "token_url") == "http://127.0.0.1:2/token"
    assert oauth.find_url(connection, "revoke_url") == "http://127.0.0.1:1/oauth/revoke"


def test_providers_with_keys_are_not_authorised_in_the_browser() -> None:
    assert {key for key, provider in PROVIDERS.items() if provider.oauth is None} == {"stripe", "email"}
    with pytest.raises(SetupError, match="Stripe is not authorised in the browser"):
        oauth.find_oauth(connect("stripe"))


# --- The consent page's address ---------------------------------------------------------------------------------------


def consent(connection: Any) -> dict[str, str]:
    return query_of(oauth.make_consent_url(connection, state=STATE, verifier=VERIFIER))


@pytest.mark.parametrize("provider", ADDRESSES)
def test_consent_is_asked_for_with_pkce_and_the_exact_address(provider: str, settings: Any) -> None:
    settings.BASE_URL = "https://keepsync.example.com"
    asked = consent(connect(provider))
    asked.pop("scope", None)
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "https://keepsync.example.com/oauth/callback/",
        "state": STATE,
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
    }


def test_needed_scopes_are_asked_for() -> None:
    assert consent(connect())["scope"] == "events.read events.write free_busy.read webhooks.read"
    assert consent(connect("slack"))["scope"] == "chat:write"


def test_option_names_other_scopes() -> None:
    assert consent(connect("slack", scope="chat:write, channels:read"))["scope"] == "chat:write,channels:read"


def test_scopes_that_the_application_is_registered_with_are_not_asked_for() -> None:
    assert "scope" not in consent(connect("zoom"))
    assert consent(connect("pipedrive", scope="deals:read"))["scope"] == "deals:read"


def test_missing_client_is_named() -> None:
    connection = connect(client_id="")
    with pytest.raises(SetupError, match=r"no client_id.*/oauth/callback/"):
        consent(connection)


def test_consent_page_is_a_web_address() -> None:
    with pytest.raises(SetupError):
        consent(connect(authorize_url="javascript:alert(1)"))


def test_narrower_scope_stands_for_the_wanted_one() -> None:
    granted = "meeting:read:meeting meeting:write user:readers"
    assert oauth.compare_scopes(("meeting:read", "meeting:write", "user:read"), granted) == ["user:read"]


def test_scopes_may_be_separated_by_commas() -> None:
    assert oauth.compare_scopes(("base", "contacts:full"), "base,contacts:full") == []


# --- Codes and refreshes ----------------------------------------------------------------------------------------------


def sent_client(call: Any) -> tuple[str, str]:
    """The client's id and secret, and that they stand in one place only."""
    form, header = form_of(call), call.request.headers.get("Authorization", "")
    if header:
        assert not form.keys() & {"client_id", "client_secret"}
        name, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return name, secret
    return form["client_id"], form["client_secret"]


@pytest.mark.parametrize("provider", ADDRESSES)
def test_code_is_exchanged_with_its_verifier(provider: str, settings: Any) -> None:
    settings.BASE_URL = "https://keepsync.example.com"
    connection = connect(provider)
    with responses.RequestsMock() as http:
        http.post(ADDRESSES[provider][1], json=answer_of(provider))
        grant = oauth.exchange_code(connection, code=CODE, verifier=VERIFIER)
        call = http.calls[0]
        if provider in IN_CONTRACT:
            check_calls(http.calls)
    assert {name: value for name, value in form_of(call).items() if not name.startswith("client_")} == {
        "grant_type": "authorization_code",
        "code": CODE,
        "redirect_uri": "https://keepsync.example.com/oauth/callback/",
        "code_verifier": VERIFIER,
    }
    assert bool(call.request.headers.get("Authorization")) == (provider in BASIC)
    assert sent_client(call) == (CLIENT_ID, CLIENT_SECRET)
    assert (grant.access_token, grant.refresh_token) == (ACCESS, REFRESH)


@pytest.mark.parametrize("provider", ADDRESSES)
def test_token_is_refreshed(provider: str) -> None:
    connection = connect(provider)
    with responses.RequestsMock() as http:
        http.post(ADDRESSES[provider][1], json=answer_of(provider, refresh_token="next"))
        grant = refresh(connection)
        call = http.calls[0]
        if provider in IN_CONTRACT:
            check_calls(http.calls)
    form = form_of(call)
    assert (form["grant_type"], form["refresh_token"]) == ("refresh_token", REFRESH)
    assert sent_client(call) == (CLIENT_ID, CLIENT_SECRET)
    assert grant.refresh_token == "next"


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("calendar_live", Grant(ACCESS, REFRESH, 900, "events.read events.write")),
        ("hubspot", Grant(ACCESS, REFRESH, 1800, "oauth crm.objects.x")),
        ("salesforce", Grant(ACCESS, REFRESH, None, "refresh_token api", "https://acme.my.salesforce.com")),
        ("pipedrive", Grant(ACCESS, REFRESH, 3599, "base,contacts:full", "https://acme.pipedrive.com")),
        ("zoom", Grant(ACCESS, REFRESH, 3599, "meeting:read:meeting user:read:user")),
        ("slack", Grant(ACCESS, REFRESH, None, "chat:write")),
    ],
)
def test_grant_is_read(provider: str, expected: Grant) -> None:
    connection = connect(provider)
    with responses.RequestsMock() as http:
        http.post(ADDRESSES[provider][1], json=answer_of(provider))
        assert refresh(connection) == expected


def test_slack_rotates_where_the_application_does() -> None:
    connection = connect("slack")
    with responses.RequestsMock() as http:
        http.post(ADDRESSES["slack"][1], json=answer_of("slack", expires_in=43200))
        assert refresh(connection).expires_in_s == 43200


def test_public_client_sends_its_id_only() -> None:
    for connection in (connect(client_secret=""), connect("zoom", client_secret="")):
        with responses.RequestsMock() as http:
            http.post(oauth.find_url(connection, "token_url"), json=answer_of(connection.provider))
            refresh(connection)
            form = form_of(http.calls[0])
        assert form["client_id"] == CLIENT_ID
        assert "client_secret" not in form


def test_server_to_server_application_gets_its_token_by_its_account() -> None:
    connection = connect("zoom", account_id="acct-1")
    token = old_token(connection, refresh_token="")
    assert oauth.can_refresh(connection, token)
    with responses.RequestsMock() as http:
        http.post(ADDRESSES["zoom"][1], json=answer_of("zoom"))
        oauth.refresh_grant(connection, token)
        assert form_of(http.calls[0]) == {"grant_type": "account_credentials", "account_id": "acct-1"}
        check_calls(http.calls)


def test_refreshing_needs_a_refresh_token_and_a_client() -> None:
    connection = connect()
    assert oauth.can_refresh(connection, old_token(connection))
    assert not oauth.can_refresh(connection, old_token(connection, refresh_token=""))
    with pytest.raises(ReauthoriseError, match="authorise it again"):
        oauth.refresh_grant(connection, old_token(connection, refresh_token=""))
    connection.credentials = {}
    assert not oauth.can_refresh(connection, old_token(connection))
    connection.credentials, connection.provider = {"client_id": CLIENT_ID}, "unheard_of"
    assert not oauth.can_refresh(connection, old_token(connection))
    connection.provider = "stripe"
    assert not oauth.can_refresh(connection, old_token(connection))


# --- What is answered instead -----------------------------------------------------------------------------------------


def catch(caplog: pytest.LogCaptureFixture, provider: str = "calendar_live", **answer: Any) -> KeepsyncError:
    """The error of a refresh that is answered so. It was asked once; nothing secret is in the error or in the log."""
    connection = connect(provider)
    with responses.RequestsMock() as http, caplog.at_level("DEBUG"):
        http.post(ADDRESSES[provider][1], **answer)
        with pytest.raises(KeepsyncError) as caught:
            refresh(connection)
        assert len(http.calls) == 1
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    assert not [secret for secret in SECRETS if secret in f"{caught.value} {logged}"]
    return caught.value


@pytest.mark.parametrize(
    ("provider", "status", "body", "code"),
    [
        ("calendar_live", 400, {"error": "invalid_grant", "error_description": REFRESH}, "invalid_grant"),
        ("calendar_live", 401, {"error": "invalid_client"}, "invalid_client"),
        ("calendar_live", 400, {"error": "unauthorized_client"}, "unauthorized_client"),
        ("hubspot", 400, {"status": "BAD_REFRESH_TOKEN", "message": REFRESH}, "invalid_grant"),
        ("hubspot", 400, {"status": "BAD_CLIENT_SECRET"}, "invalid_client"),
        ("salesforce", 400, {"error": "invalid_grant", "error_description": "expired"}, "invalid_grant"),
        ("salesforce", 400, {"error": "inactive_user"}, "invalid_grant"),
        ("zoom", 400, {"reason": "Invalid Token!", "error": "invalid_grant"}, "invalid_grant"),
        ("pipedrive", 400, {"success": False, "error": "invalid_grant"}, "invalid_grant"),
        ("slack", 200, {"ok": False, "error": "invalid_refresh_token"}, "invalid_grant"),
        ("slack", 200, {"ok": False, "error": "token_revoked"}, "invalid_grant"),
        ("slack", 200, {"ok": False, "error": "bad_client_secret"}, "invalid_client"),
        ("zoom", 400, {"error": "a_code_of_its_own"}, "a_code_of_its_own"),
    ],
)
def test_refusal_has_the_standards_code(
    caplog: pytest.LogCaptureFixture, provider: str, status: int, body: Any, code: str
) -> None:
    error = catch(caplog, provider, status=status, json=body)
    assert isinstance(error, GrantError)
    assert error.code == code


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 500}, OutageError),
        ({"status": 503, "json": {"error": "invalid_grant"}}, OutageError),
        ({"status": 408}, LostAnswerError),
        ({"status": 504}, LostAnswerError),
        ({"status": 429, "json": {"error": "invalid_grant"}}, RateLimitedError),
        ({"status": 400, "json": {"error": "temporarily_unavailable"}}, OutageError),
        ({"status": 400, "json": {"error": "server_error"}}, LostAnswerError),
        ({"status": 400, "json": {"error": "slow_down"}}, RateLimitedError),
        ({"status": 400, "body": "<html>Proxy</html>"}, PermanentError),
        ({"status": 400, "json": {"error": {"code": 1}}}, PermanentError),
        ({"status": 400, "json": ["invalid_grant"]}, PermanentError),
        ({"status": 401, "body": ""}, ReauthoriseError),
        ({"status": 404, "body": ""}, MissingError),
        ({"body": requests.ReadTimeout(REFRESH)}, LostAnswerError),
        ({"body": requests.ConnectTimeout(REFRESH)}, OutageError),
        ({"status": 200, "body": "<html></html>"}, LostAnswerError),
        ({"status": 200, "body": ""}, LostAnswerError),
        ({"status": 200, "json": []}, LostAnswerError),
        ({"status": 200, "json": {"access_token": ""}}, LostAnswerError),
        ({"status": 200, "json": {"refresh_token": REFRESH}}, LostAnswerError),
        ({"status": 200, "json": {"access_token": ACCESS, "expires_in": "soon"}}, LostAnswerError),
        ({"status": 200, "json": {"ok": False}}, LostAnswerError),
    ],
)
def test_outages_and_unreadable_answers_are_no_refusals(
    caplog: pytest.LogCaptureFixture, answer: Any, expected: type[KeepsyncError]
) -> None:
    assert type(catch(caplog, **answer)) is expected


@pytest.mark.parametrize("url", ["ftp://acme.example", "https://[", "acme", "https://" + "a" * 300])
def test_api_address_that_is_none_is_not_taken(caplog: pytest.LogCaptureFixture, url: str) -> None:
    error = catch(caplog, "pipedrive", json=answer_of("pipedrive", api_domain=url))
    assert type(error) is LostAnswerError


def test_slack_that_limits_the_rate_is_asked_later(caplog: pytest.LogCaptureFixture) -> None:
    assert type(catch(caplog, "slack", json={"ok": False, "error": "ratelimited"})) is RateLimitedError
    assert type(catch(caplog, "zoom", status=429)) is RateLimitedError


# --- Revocations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ADDRESSES)
def test_token_is_revoked(provider: str) -> None:
    connection = connect(provider)
    with responses.RequestsMock() as http:
        http.post(ADDRESSES[provider][2], json={"ok": True})
        oauth.revoke_token(connection, REFRESH)
        assert form_of(http.calls[0])["token"] == REFRESH
        assert sent_client(http.calls[0]) == (CLIENT_ID, CLIENT_SECRET)
        if provider in ("calendar_live", "hubspot"):
            check_calls(http.calls)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": ""},
        {"status": 200, "body": "<html>bye</html>"},
        {"status": 400, "json": {"error": "invalid_token"}},
        {"status": 200, "json": {"ok": False, "error": "token_revoked"}},
    ],
)
def test_token_that_is_worth_nothing_already_is_revoked(answer: Any) -> None:
    connection = connect()
    with responses.RequestsMock() as http:
        http.post(REVOKE_URL, **answer)
        oauth.revoke_token(connection, REFRESH)
        assert len(http.calls) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 503}, OutageError),
        ({"status": 401, "json": {"error": "invalid_client"}}, GrantError),
        ({"status": 400, "json": {"error": "unsupported_token_type"}}, GrantError),
    ],
)
def test_revocation_that_failed_is_an_error(answer: Any, expected: type[KeepsyncError]) -> None:
    connection = connect()
    with responses.RequestsMock() as http:
        http.post(REVOKE_URL, **answer)
        with pytest.raises(expected):
            oauth.revoke_token(connection, REFRESH)


# --- Refusals through the browser -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("access_denied", "it was refused there"),
        ("invalid_request", "does not understand"),
        ("unauthorized_client", "may not ask for this"),
        ("unsupported_response_type", "look at its settings"),
        ("invalid_scope", "correct the option scope"),
        ("server_error", "try again later"),
        ("temporarily_unavailable", "try again later"),
        ("consent_required", "a reason of its own"),
    ],
)
def test_refusal_is_told_in_words(code: str, words: str) -> None:
    told = describe_refusal(code, "", name="Zoom", secrets=[])
    assert words in told
    assert f"({code})" in told


def test_refusals_own_words_are_cleaned_and_short() -> None:
    text = f"<b>No</b>\n\u202e\x00 {STATE} ana@example.com {CODE} " + "x" * 1000
    told = describe_refusal("<script>", text, name="Zoom", secrets=[STATE, CODE, ""])
    assert told.startswith("Zoom did not authorise it (unknown_error): it gives a reason of its own. It says: “<b>No")
    assert all(letter.isprintable() for letter in told)
    assert len(told) < 330
    assert not [secret for secret in (STATE, CODE, "ana@", "script") if secret in told]


def test_token_url_is_the_one_that_is_asked() -> None:
    connection = connect(token_url="https://login.example.com/oidc/token")
    with responses.RequestsMock() as http:
        http.post("https://login.example.com/oidc/token", json=answer_of("calendar_live"))
        assert refresh(connection).access_token == ACCESS
    assert oauth.find_url(connection, "token_url") != TOKEN_URL
