"""The wire of OAuth 2.1: where a provider's authorisation server is, and what its endpoints are asked.

RFC 6749 (codes and refreshes), RFC 7636 (PKCE, S256), RFC 7009 (revocation). Nothing here is asked twice by itself: a
code and a rotating refresh token work once. Nothing here writes to the database: integrations/authorisations.py and
integrations/tokens.py do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from django.conf import settings
from requests.auth import HTTPBasicAuth

from integrations import http
from integrations.exceptions import GrantError, LostAnswerError, PayloadError, ReauthoriseError, SetupError
from integrations.models import Connection, Token
from integrations.oauth_errors import explain, explain_code, read_code
from integrations.payloads import PayloadReader
from integrations.providers import PROVIDERS, get_provider
from integrations.providers.oauth import Grant, OAuth

type Endpoint = Literal["authorize_url", "token_url", "revoke_url"]

# Scopes are separated by spaces (RFC 6749 3.3), by some providers with commas.
SEPARATORS = re.compile(r"[\s,]+")
# The database's, see Token.api_url.
URL_LENGTH = 200
# A revoked, expired or unknown token is what was wanted (RFC 7009 2.2).
GONE = frozenset({"invalid_grant", "invalid_token"})


@dataclass(frozen=True, slots=True)
class Client:
    """What the application is known as over there. The secret is empty for a public client (RFC 6749 2.1)."""

    id: str
    secret: str


# --- What a connection's authorisation server is ----------------------------------------------------------------------


def find_oauth(connection: Connection) -> OAuth:
    """Raises SetupError for a provider that is not authorised in the browser."""
    adapter = get_provider(connection.provider)
    if adapter.oauth is None:
        raise SetupError(f"{adapter.name} is not authorised in the browser: set its credentials on the connection.")
    return adapter.oauth


def find_url(connection: Connection, endpoint: Endpoint) -> str:
    """Its option, else the path of the provider's own address at the connection's base URL. Empty: there is none."""
    declared: str = getattr(find_oauth(connection), endpoint)
    if given := connection.options.get(endpoint):
        return str(given)
    return f"{connection.base_url}{urlsplit(declared).path}" if declared and connection.base_url else declared


def read_client(connection: Connection) -> Client:
    """Raises SetupError where the connection has no client_id."""
    client_id = connection.credentials.get("client_id", "")
    if not client_id:
        name = get_provider(connection.provider).name
        raise SetupError(
            f"{connection} has no client_id: register Keepsync as an application at {name} with the redirect address "
            f"{redirect_uri()}, then set client_id and client_secret as the connection's credentials."
        )
    return Client(client_id, connection.credentials.get("client_secret", ""))


def redirect_uri() -> str:
    """Compared exactly by every provider, when asking for a code and when exchanging it."""
    return f"{settings.BASE_URL}/oauth/callback/"


def wanted_scopes(connection: Connection) -> tuple[str, ...]:
    """The connection's option `scope`, else what the adapter needs."""
    return split_scopes(connection.options.get("scope", "")) or find_oauth(connection).scopes


def asks_scopes(connection: Connection) -> bool:
    """Whether the scopes are asked for; else the provider gives those that the application was registered with."""
    return find_oauth(connection).asks_scopes or bool(connection.options.get("scope"))


def split_scopes(text: str) -> tuple[str, ...]:
    return tuple(filter(None, SEPARATORS.split(text)))


def compare_scopes(wanted: tuple[str, ...], granted: str) -> list[str]:
    """Those that were not granted. A narrower one stands in, such as Zoom's meeting:read:meeting for meeting:read."""
    found = split_scopes(granted)
    return [scope for scope in wanted if not any(one == scope or one.startswith(f"{scope}:") for one in found)]


# --- The browser's way there ------------------------------------------------------------------------------------------


def make_consent_url(connection: Connection, *, state: str, verifier: str) -> str:
    """Where the browser is led to ask for a code. Raises SetupError, naming what is missing."""
    oauth, client, url = find_oauth(connection), read_client(connection), find_url(connection, "authorize_url")
    http.read_host(url)
    return str(
        prepare_grant_uri(
            url,
            client.id,
            "code",
            redirect_uri=redirect_uri(),
            scope=oauth.scope_separator.join(wanted_scopes(connection)) if asks_scopes(connection) else None,
            state=state,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            **oauth.parameters,
        )
    )


# --- Tokens -----------------------------------------------------------------------------------------------------------


def exchange_code(connection: Connection, *, code: str, verifier: str) -> Grant:
    """What the code is good for (RFC 6749 4.1.3, RFC 7636 4.5). Raises as `request_grant` does."""
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri()}
    return request_grant(connection, {**asked, "code_verifier": verifier})


def refresh_grant(connection: Connection, token: Token) -> Grant:
    """A new access token (RFC 6749 6); a server-to-server application gets it by its account.

    Raises as `request_grant` does, and ReauthoriseError where there is nothing to ask with. A refresh token that was
    sent may be used up, whatever comes of it: the caller sees that it is asked once.
    """
    if token.refresh_token:
        return request_grant(connection, {"grant_type": "refresh_token", "refresh_token": token.refresh_token})
    option = find_oauth(connection).account_option
    if account_id := connection.options.get(option):
        return request_grant(connection, {"grant_type": "account_credentials", option: str(account_id)})
    raise ReauthoriseError(f"{connection} has no refresh token: authorise it again.")


def can_refresh(connection: Connection, token: Token) -> bool:
    """Whether a new access token can be had without a person."""
    adapter = PROVIDERS.get(connection.provider)
    if adapter is None or adapter.oauth is None or not connection.credentials.get("client_id"):
        return False
    return bool(token.refresh_token or connection.options.get(adapter.oauth.account_option))


def request_grant(connection: Connection, form: Mapping[str, str]) -> Grant:
    """One call of the token endpoint.

    Raises GrantError with the RFC 6749 5.2 code where it is refused, LostAnswerError where an answer cannot be read,
    SetupError where something has to be set first, and what `http.request` raises: outages are never a GrantError.
    """
    adapter = get_provider(connection.provider)
    answer = read_answer(post(connection, "token_url", form), adapter.name)
    try:
        return check_grant(adapter.read_grant(PayloadReader(answer, "its answer")))
    except PayloadError as error:
        raise LostAnswerError(
            f"{adapter.name}'s token endpoint answers something else than a token: {error}"
        ) from error


def check_grant(grant: Grant) -> Grant:
    """With the origin of its API without a slash at the end. Raises PayloadError for what cannot be used."""
    if not grant.access_token:
        raise PayloadError("its answer.access_token", "is empty.")
    try:
        parts = urlsplit(grant.api_url)
    except ValueError:
        raise PayloadError("its answer", "names no address for the API.") from None
    is_address = parts.scheme in ("http", "https") and parts.hostname and len(grant.api_url) <= URL_LENGTH
    if grant.api_url and not is_address:
        raise PayloadError("its answer", "names no address for the API.")
    return replace(grant, api_url=grant.api_url.rstrip("/"))


def revoke_token(connection: Connection, token: str) -> None:
    """Let an access or refresh token be worth nothing from now on (RFC 7009); one that is so already is no error.

    Without token_type_hint, which is optional and not known to all. Raises as `request_grant` does.
    """
    name = get_provider(connection.provider).name
    try:
        check_ok(http.read_error(post(connection, "revoke_url", {"token": token})), name)
    except GrantError as error:
        if error.code not in GONE:
            raise


# --- Calls ------------------------------------------------------------------------------------------------------------


def post(connection: Connection, endpoint: Endpoint, form: Mapping[str, str]) -> requests.Response:
    """A form to one of the server's endpoints, with the client's own credentials (RFC 6749 2.3.1)."""
    oauth, client, name = find_oauth(connection), read_client(connection), get_provider(connection.provider).name
    sent, auth = dict(form), None
    if oauth.has_basic_auth and client.secret:
        auth = HTTPBasicAuth(client.id.encode(), client.secret.encode())
    else:
        sent |= {"client_id": client.id} | ({"client_secret": client.secret} if client.secret else {})
    return http.request(
        "POST",
        find_url(connection, endpoint),
        provider=name,
        is_repeatable=False,
        data=sent,
        auth=auth,
        headers={"Accept": "application/json"},
        explain=partial(explain, name=name),
    )


def read_answer(response: requests.Response, name: str) -> Any:
    """A 2xx answer's JSON value; None for what is none."""
    answer = http.read_error(response)
    check_ok(answer, name)
    return answer


def check_ok(answer: Any, name: str) -> None:
    """Slack reports failures with status 200 as {"ok": false, "error": code}."""
    if isinstance(answer, dict) and answer.get("ok") is False:
        raise explain_code(read_code(answer.get("error")) or "unknown_error", name)
