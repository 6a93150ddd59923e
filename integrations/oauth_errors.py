"""What authorisation servers refuse, in words. Pure.

Their descriptions are written by somebody else, and one that comes through the browser may be written by anybody: it is
shown cleaned, and only where a person has to act on it.
"""

import re
from collections.abc import Collection
from typing import Any

import requests

from integrations import http
from integrations.exceptions import GrantError, KeepsyncError, LostAnswerError, OutageError, RateLimitedError
from integrations.privacy.logs import scrub

# Words only, as all that are known: what holds a digit may be a code or a token that was sent there.
CODE = re.compile(r"[A-Za-z][A-Za-z_.-]{0,63}")
DESCRIPTION_LENGTH = 200
UNKNOWN = "unknown_error"

# RFC 6749 4.1.2.1: what the authorisation endpoint answers through the browser.
REFUSALS = {
    "access_denied": "it was refused there, by you or by a rule of the account",
    "invalid_request": "it does not understand the request",
    "unauthorized_client": "the application may not ask for this: look at its settings there",
    "unsupported_response_type": "the application may not be authorised with a code: look at its settings there",
    "invalid_scope": "it does not know a scope, or the application may not ask for it: correct the option scope",
    "server_error": "it has a fault: try again later",
    "temporarily_unavailable": "it is away: try again later",
}
# RFC 6749 5.2: what the token endpoint answers.
GRANT_REFUSALS = {
    "invalid_grant": "the authorisation was revoked, has expired or was used up: authorise the connection again",
    "invalid_client": "it does not accept the connection's client_id and client_secret: correct them",
    "unauthorized_client": "the application may not do this: look at its settings there",
    "unsupported_grant_type": "the application may not do this: look at its settings there",
    "invalid_scope": "it does not know a scope: correct the option scope, and authorise the connection again",
    "invalid_request": "it does not understand the request: authorise the connection again",
}
# Codes of the providers' own. HubSpot's stand in `status`, in capitals.
SYNONYMS = {
    "bad_refresh_token": "invalid_grant",
    "bad_auth_code": "invalid_grant",
    "bad_client_id": "invalid_client",
    "bad_client_secret": "invalid_client",
    # Slack's: https://docs.slack.dev/reference/methods/oauth.v2.access
    "invalid_refresh_token": "invalid_grant",
    "token_revoked": "invalid_grant",
    "token_expired": "invalid_grant",
    "invalid_auth": "invalid_grant",
    "account_inactive": "invalid_grant",
    "invalid_code": "invalid_grant",
    "code_already_used": "invalid_grant",
    "bad_redirect_uri": "invalid_grant",
    "invalid_client_id": "invalid_client",
    # Salesforce's: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flow_errors.htm
    "inactive_user": "invalid_grant",
    "inactive_org": "invalid_grant",
    "invalid_app_access": "invalid_grant",
}
LIMITS = frozenset({"ratelimited", "rate_limited", "rate_limit_exceeded", "slow_down"})
OUTAGES = frozenset({"temporarily_unavailable", "service_unavailable"})
# It may have been done.
UNCLEAR = frozenset({"server_error", "internal_error", "fatal_error", "request_timeout", "unknown_error"})


def explain(response: requests.Response, name: str) -> KeepsyncError | None:
    """The meaning of an error answer of the provider of this name; None leaves it to its status."""
    if response.status_code in (408, 429) or not 400 <= response.status_code < 500:
        return None
    answer = http.read_error(response)
    code = find_code(answer) if isinstance(answer, dict) else ""
    return explain_code(code, name) if code else None


def find_code(answer: dict[str, Any]) -> str:
    """`error` of RFC 6749 5.2, else HubSpot's `status`; empty where neither is a code."""
    found = (answer.get(key) for key in ("error", "status"))
    return next((code for code in map(read_code, found) if code not in ("", "error")), "")


def read_code(value: Any) -> str:
    return value.lower() if isinstance(value, str) and CODE.fullmatch(value) else ""


def explain_code(code: str, name: str) -> KeepsyncError:
    if code in LIMITS:
        return RateLimitedError(f"{name} limits the rate ({code}).")
    if code in OUTAGES:
        return OutageError(f"{name}'s authorisation server is away ({code}).")
    if code in UNCLEAR:
        return LostAnswerError(f"{name}'s authorisation server does not say whether it was done ({code}).")
    known = SYNONYMS.get(code, code)
    words = GRANT_REFUSALS.get(known, "authorise the connection again, or look at the application's settings there")
    return GrantError(f"{name} refuses it ({code}): {words}.", code=known)


def describe_refusal(code: str, description: str, *, name: str, secrets: Collection[str]) -> str:
    """An error that came back through the browser, in words. What it says itself comes last, without our secrets."""
    known = read_code(code) or UNKNOWN
    words = REFUSALS.get(known, "it gives a reason of its own")
    told = clean_description(description, secrets)
    return f"{name} did not authorise it ({known}): {words}." + (f" It says: “{told}”" if told else "")


def clean_description(text: str, secrets: Collection[str]) -> str:
    """One short printable line, without addresses, numbers and whatever looks like a secret."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return scrub(line)[:DESCRIPTION_LENGTH].rstrip()
