"""What the authorisation servers of all providers answer, for the tests of authorising."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integrations.models import Connection
from tests.factories import make_connection

CLIENT_ID, CLIENT_SECRET = "client-7f3a", "client-secret-91bd"
ACCESS, REFRESH = "access-token-55c0", "refresh-token-e2aa"
CODE = "code-0d41c8"
ORIGIN = "https://api.calendar.live"
TOKEN_URL, REVOKE_URL, CALENDARS_URL = f"{ORIGIN}/oauth/token", f"{ORIGIN}/oauth/revoke", f"{ORIGIN}/v1/calendars"

# Provider → its own addresses for authorising, for tokens, and for revoking.
ADDRESSES = {
    "calendar_live": (f"{ORIGIN}/oauth/authorize", TOKEN_URL, REVOKE_URL),
    "hubspot": (
        "https://app.hubspot.com/oauth/authorize",
        "https://api.hubapi.com/oauth/2026-03/token",
        "https://api.hubapi.com/oauth/2026-03/token/revoke",
    ),
    "salesforce": tuple(
        f"https://login.salesforce.com/services/oauth2/{name}" for name in ("authorize", "token", "revoke")
    ),
    "pipedrive": tuple(f"https://oauth.pipedrive.com/oauth/{name}" for name in ("authorize", "token", "revoke")),
    "zoom": tuple(f"https://zoom.us/oauth/{name}" for name in ("authorize", "token", "revoke")),
    "slack": (
        "https://slack.com/oauth/v2/authorize",
        "https://slack.com/api/oauth.v2.access",
        "https://slack.com/api/auth.revoke",
    ),
}
TOKENS: dict[str, dict[str, Any]] = {
    "calendar_live": {"token_type": "Bearer", "expires_in": 900, "scope": "events.read events.write"},
    "hubspot": {"token_type": "bearer", "expires_in": 1800, "hub_id": 62515, "scopes": ["oauth", "crm.objects.x"]},
    "salesforce": {
        "token_type": "Bearer",
        "instance_url": "https://acme.my.salesforce.com",
        "id": "https://login.salesforce.com/id/00D1/0051",
        "issued_at": "1795359060000",
        "signature": "c2lnbmF0dXJl",
        "scope": "refresh_token api",
    },
    "pipedrive": {
        "token_type": "Bearer",
        "expires_in": 3599,
        "scope": "base,contacts:full",
        "api_domain": "https://acme.pipedrive.com",
    },
    "zoom": {"token_type": "bearer", "expires_in": 3599, "scope": "meeting:read:meeting user:read:user"},
    "slack": {
        "ok": True,
        "token_type": "bot",
        "scope": "chat:write",
        "bot_user_id": "U0KRQLJ9H",
        "app_id": "A0KRD7HC3",
        "team": {"id": "T9TK3CUKW", "name": "Acme"},
        "authed_user": {"id": "U1234"},
    },
}
CALENDAR = {"id": "cal_1", "name": "Sales demos", "timezone": "Europe/Paris", "owner_email": "ops@example.com"}


def answer_of(provider: str, **changed: Any) -> dict[str, Any]:
    """A token endpoint's good answer."""
    return {"access_token": ACCESS, "refresh_token": REFRESH, **TOKENS[provider], **changed}


def connect(provider: str = "calendar_live", *, base_url: str = "", **options: str) -> Connection:
    """A connection whose application is known, and that is not authorised yet."""
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    slug = provider.replace("_", "-")
    return make_connection(slug, provider=provider, base_url=base_url, options={**client, **options})


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def form_of(call: Any) -> dict[str, str]:
    """What a recorded call sent as a form."""
    body = call.request.body
    return dict(parse_qsl(body if isinstance(body, str) else body.decode(), keep_blank_values=True))
