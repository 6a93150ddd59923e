"""The way to a token at a played provider: over the consent page, with the code to the token endpoint."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from django.test import Client

from tests.integrations.sandbox.playing import Played

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT_URI = "http://127.0.0.1:8000/oauth/callback/?a=b"
CLIENT_ID, CLIENT_SECRET = "<app>", "client-secret"


@dataclass(frozen=True)
class Place:
    """One authorisation server: `host` is the real one's, `probe` an address of the API that needs a token."""

    prefix: str
    host: str
    authorize: str
    token: str
    revoke: str
    probe: str
    scope: str = ""
    has_basic: bool = False

    @property
    def root(self) -> str:
        return f"/{self.prefix}" if self.prefix else ""


PLACES = {
    "calendar_live": Place(
        "",
        "https://api.calendar.live",
        "/oauth/authorize",
        "/oauth/token",
        "/oauth/revoke",
        "/v1/calendars",
        scope="events.read events.write",
    ),
    "hubspot": Place(
        "hubspot",
        "https://api.hubapi.com",
        "/oauth/authorize",
        "/oauth/2026-03/token",
        "/oauth/2026-03/token/revoke",
        "/crm/objects/2026-03/contacts",
        scope="oauth crm.objects.contacts.read",
    ),
    "salesforce": Place(
        "salesforce",
        "https://login.salesforce.com",
        "/services/oauth2/authorize",
        "/services/oauth2/token",
        "/services/oauth2/revoke",
        "/services/oauth2/userinfo",
        scope="api refresh_token",
    ),
    "pipedrive": Place(
        "pipedrive",
        "https://oauth.pipedrive.com",
        "/oauth/authorize",
        "/oauth/token",
        "/oauth/revoke",
        "/v1/users/me",
        has_basic=True,
    ),
    "zoom": Place(
        "zoom", "https://zoom.us", "/oauth/authorize", "/oauth/token", "/oauth/revoke", "/v2/users/me", has_basic=True
    ),
    "slack": Place(
        "slack",
        "https://slack.com",
        "/oauth/v2/authorize",
        "/api/oauth.v2.access",
        "/api/auth.revoke",
        "/api/auth.test",
        scope="chat:write,chat:write.public",
    ),
}
REFRESHING = [name for name in PLACES if name != "slack"]
# Whose published specification knows the token endpoint by POST and with PKCE.
SPECIFIED = [PLACES[name] for name in ("calendar_live", "hubspot", "salesforce", "zoom")]


@dataclass(frozen=True)
class Walk:
    """An application's way; `client_id` is how it names itself at the token endpoint."""

    client: Client
    place: Place
    client_id: str = CLIENT_ID
    changes: dict[str, str] = field(default_factory=dict)

    def asked(self) -> dict[str, str]:
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "state": "s&t",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return asked | ({"scope": self.place.scope} if self.place.scope else {}) | self.changes

    def consent_url(self) -> str:
        return f"{self.place.root}{self.place.authorize}?{urlencode(self.asked())}"

    def choose(self, choice: str = "allow", **fields: Any) -> dict[str, str]:
        """What the application is led back with."""
        return read_answer(self.client.post(self.consent_url(), {"choice": choice, **fields}))

    def exchange(self, code: str, **changes: str) -> requests.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
        return self.post(self.place.token, {**form, "code_verifier": VERIFIER, **changes})

    def refresh(self, token: str) -> requests.Response:
        return self.post(self.place.token, {"grant_type": "refresh_token", "refresh_token": token})

    def revoke(self, token: str) -> requests.Response:
        return self.post(self.place.revoke, {"token": token})

    def post(self, path: str, form: dict[str, str]) -> requests.Response:
        auth = (self.client_id, CLIENT_SECRET) if self.place.has_basic and self.client_id else None
        if not self.place.has_basic and self.client_id:
            form = form | {"client_id": self.client_id, "client_secret": CLIENT_SECRET}
        is_checked = self.place in SPECIFIED and path == self.place.token and bool(self.client_id)
        played = Played(self.client, self.place.prefix, self.place.host, {})
        return played.call("POST", path, data=form, auth=auth, is_checked=is_checked)

    def authorise(self, **fields: Any) -> dict[str, Any]:
        """The whole way: the token answer."""
        answer = self.exchange(self.choose(**fields)["code"])
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    def call(self, token: str, path: str = "") -> tuple[bool, Any]:
        """Whether an API takes the token, and its answer."""
        address = f"{self.place.root}{path or self.place.probe}"
        answer = self.client.get(address, headers={"Authorization": f"Bearer {token}"})
        is_taken = answer.status_code == 200 and answer.json().get("ok") is not False
        assert is_taken or answer.status_code in (200, 401), answer.content
        return is_taken, answer.json()


def read_answer(answer: Any) -> dict[str, str]:
    assert answer.status_code == 302, answer.content
    address = urlsplit(answer["Location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == "http://127.0.0.1:8000/oauth/callback/"
    return {name: values[0] for name, values in parse_qs(address.query).items()}
