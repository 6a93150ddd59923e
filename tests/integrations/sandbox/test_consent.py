"""The page on which a person lets Keepsync in, and the code that comes of it."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client

from tests.integrations.sandbox.playing import ACCESS_TOKEN

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": "<app>",
    "redirect_uri": "http://127.0.0.1:8000/oauth/callback/?a=b",
    "state": "s&t",
    "scope": "read write",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
PLACES = {
    "/hubspot/oauth/authorize": "/hubspot/oauth/2026-03/token",
    "/zoom/oauth/authorize": "/zoom/oauth/token",
    "/salesforce/services/oauth2/authorize": "/salesforce/services/oauth2/token",
    "/pipedrive/oauth/authorize": "/pipedrive/oauth/token",
}


def choose(client: Client, path: str, choice: str) -> dict[str, list[str]]:
    """What the application is led back with."""
    answer = client.post(f"{path}?{urlencode(ASKED)}", {"choice": choice})
    assert answer.status_code == 302
    address = urlsplit(answer["Location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == "http://127.0.0.1:8000/oauth/callback/"
    return parse_qs(address.query)


@pytest.mark.parametrize("path", PLACES)
def test_who_allows_gives_a_code_that_is_worth_a_token_once(client: Client, path: str) -> None:
    page = client.get(f"{path}?{urlencode(ASKED)}").content.decode()
    assert "&lt;app&gt;" in page
    given = choose(client, path, "allow")
    assert (given["a"], given["state"]) == (["b"], ["s&t"])
    form = {
        "grant_type": "authorization_code",
        "code": given["code"][0],
        "redirect_uri": ASKED["redirect_uri"],
        "code_verifier": VERIFIER,
        "client_id": "app",
        "client_secret": "secret",
    }
    answers = [client.post(PLACES[path], form, headers={"Authorization": "Basic eDp5"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[0].json()["access_token"] == ACCESS_TOKEN
    assert answers[0].json()["refresh_token"]


def test_who_refuses_is_led_back_without_a_code(client: Client) -> None:
    assert choose(client, "/zoom/oauth/authorize", "refuse") == {
        "a": ["b"],
        "error": ["access_denied"],
        "state": ["s&t"],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": ""},
        {"client_id": ""},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
    ],
)
def test_a_request_that_cannot_be_trusted_leads_nowhere(client: Client, change: dict[str, str]) -> None:
    answer = client.post(f"/zoom/oauth/authorize?{urlencode(ASKED | change)}", {"choice": "allow"})
    assert answer.status_code == 400


def test_hubspots_refresh_token_stays_and_is_in_every_answer(client: Client) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "c", "client_secret": "s"}
    for _ in range(2):
        answer = client.post("/hubspot/oauth/2026-03/token", form).json()
        assert (answer["refresh_token"], answer["expires_in"]) == ("r", 1800)
    client.put("/hubspot/_sandbox/knobs", '{"is_revoked": true}', content_type="application/json")
    refused = client.post("/hubspot/oauth/2026-03/token", form)
    assert (refused.status_code, refused.json()["category"]) == (400, "BAD_REFRESH_TOKEN")
    client.post("/hubspot/_sandbox/reset")
    assert client.post("/hubspot/oauth/2026-03/token/revoke", {"token": "r"}).status_code == 200


def test_the_home_page_leads_to_every_provider_and_tells_of_faults(client: Client) -> None:
    page = client.get("/").content.decode()
    names = ("calendar-live", "hubspot", "salesforce", "pipedrive", "zoom", "stripe", "slack", "mail")
    for name in names:
        assert f'href="/{name}/"' in page
        assert client.get(f"/{name}/").status_code == 200
    assert "faults on" not in page
    client.put("/mail/_sandbox/knobs", '{"rate_4xx": 0.5}', content_type="application/json")
    assert "faults on" in client.get("/").content.decode()
    client.post("/mail/_sandbox/reset")
