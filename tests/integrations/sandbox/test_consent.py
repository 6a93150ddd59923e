"""The page on which a person lets Keepsync in, or does not."""

from urllib.parse import quote

import pytest
from django.test import Client

from tests.integrations.sandbox.authorising import CHALLENGE, PLACES, Walk, read_answer


@pytest.mark.parametrize("name", PLACES)
def test_the_page_shows_who_asks_for_what_and_leads_back_with_a_code(client: Client, name: str) -> None:
    walk = Walk(client, PLACES[name])
    page = client.get(walk.consent_url()).content.decode()
    assert "&lt;app&gt;" in page
    assert "Ada Ops at Acme" in page
    assert "Somebody Else at Elsewhere" in page
    for scope in PLACES[name].scope.replace(",", " ").split():
        assert f"<code>{scope}</code>" in page
    given = walk.choose()
    assert (given["a"], given["state"]) == ("b", "s&t")
    assert given["code"]


def test_what_the_application_was_registered_with_is_shown_where_it_asks_for_nothing(client: Client) -> None:
    assert "meeting:write:meeting" in client.get(Walk(client, PLACES["zoom"]).consent_url()).content.decode()


def test_who_refuses_is_led_back_without_a_code(client: Client) -> None:
    walk = Walk(client, PLACES["zoom"])
    refused = walk.choose("refuse")
    assert (refused["error"], refused["state"], "code" in refused) == ("access_denied", "s&t", False)
    assert walk.choose(chooses="yes")["error"] == "access_denied"


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": ""},
        {"redirect_uri": "https://a.example/#b"},
        {"client_id": ""},
    ],
)
def test_a_request_that_cannot_be_trusted_leads_nowhere(client: Client, change: dict[str, str]) -> None:
    walk = Walk(client, PLACES["zoom"], changes=change)
    for answer in (client.get(walk.consent_url()), client.post(walk.consent_url(), {"choice": "allow"})):
        assert answer.status_code == 400
        assert "Location" not in answer


@pytest.mark.parametrize(
    ("name", "change", "error"),
    [
        ("zoom", {"response_type": "token"}, "unsupported_response_type"),
        ("zoom", {"code_challenge_method": "plain"}, "invalid_request"),
        ("calendar_live", {"code_challenge": ""}, "invalid_request"),
        ("calendar_live", {"code_challenge_method": ""}, "invalid_request"),
        ("calendar_live", {"state": ""}, "invalid_request"),
        ("calendar_live", {"scope": ""}, "invalid_request"),
        ("calendar_live", {"scope": "events.read everything"}, "invalid_scope"),
    ],
)
def test_another_fault_is_told_to_the_application(
    client: Client, name: str, change: dict[str, str], error: str
) -> None:
    walk = Walk(client, PLACES[name], changes=change)
    answers = [read_answer(client.get(walk.consent_url())), walk.choose()]
    assert [(answer["error"], "code" in answer) for answer in answers] == [(error, False)] * 2
    assert answers[0]["error_description"]


def test_a_person_can_leave_scopes_out_and_add_none(client: Client) -> None:
    walk = Walk(client, PLACES["calendar_live"])
    answer = walk.authorise(chooses="yes", scope=["events.read", "free_busy.read"])
    assert answer["scope"] == "events.read"
    assert walk.authorise()["scope"] == "events.read events.write"


def test_pkce_is_asked_of_those_who_began_with_it_only(client: Client) -> None:
    without = Walk(client, PLACES["zoom"], changes={"code_challenge": "", "code_challenge_method": ""})
    assert without.exchange(without.choose()["code"], code_verifier="").status_code == 200
    # A verifier without a challenge: somebody took the challenge out of the address.
    assert without.exchange(without.choose()["code"]).status_code == 400
    assert quote(CHALLENGE) not in without.consent_url()


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
