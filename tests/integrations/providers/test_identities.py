"""Whose account a token opens, as each provider tells it."""

from typing import Any

import pytest
import responses

from integrations.exceptions import KeepsyncError, LostAnswerError, PayloadError, ReauthoriseError, SetupError
from integrations.providers import PROVIDERS, get_provider
from integrations.providers.base import Account
from integrations.providers.oauth import Identity
from tests.contract_check import check_calls
from tests.integrations.oauth_answers import CALENDAR, form_of

CREDENTIALS = {"client_id": "client-1", "client_secret": "client-secret", "access_token": "token-1"}
OWNER_DIGEST = "af3c82544f648b38"
ORGANISATION = {"attributes": {"type": "Organization"}, "Id": "00D000000000001EAA", "Name": "Acme"}
# Provider → method, address, answer, whose it is, and whether the specification describes the address.
KNOWN: dict[str, tuple[str, str, Any, Identity, bool]] = {
    "calendar_live": (
        "GET",
        "https://api.calendar.live/v1/calendars",
        {"items": [CALENDAR, {**CALENDAR, "id": "cal_2", "name": "Onboarding"}]},
        Identity(OWNER_DIGEST, "Sales demos, Onboarding"),
        True,
    ),
    "hubspot": (
        "POST",
        "https://api.hubapi.com/oauth/2026-03/token/introspect",
        {"active": True, "hub_id": 62515, "hub_domain": "acme.example"},
        Identity("62515", "acme.example"),
        True,
    ),
    "salesforce": (
        "GET",
        "https://acme.my.salesforce.com/services/data/v59.0/query",
        {"totalSize": 1, "done": True, "records": [ORGANISATION]},
        Identity("00D000000000001EAA", "Acme"),
        True,
    ),
    "pipedrive": (
        "GET",
        "https://acme.pipedrive.com/api/v1/users/me",
        {"success": True, "data": {"id": 777, "name": "Ana", "company_id": 977, "company_name": "Acme"}},
        Identity("977", "Acme"),
        False,
    ),
    "zoom": (
        "GET",
        "https://api.zoom.us/v2/users/me",
        {"id": "KDcuGIm1QgePTO8WbOqwIQ", "first_name": "Ana", "last_name": "Roe", "account_id": "a1"},
        Identity("KDcuGIm1QgePTO8WbOqwIQ", "Ana Roe"),
        False,
    ),
    "slack": (
        "GET",
        "https://slack.com/api/auth.test",
        {
            "ok": True,
            "url": "https://acme.slack.com/",
            "team": "Acme",
            "user": "keepsync",
            "team_id": "T12345678",
            "user_id": "W12345678",
        },
        Identity("T12345678", "Acme"),
        True,
    ),
}


def account(url: str) -> Account:
    return Account("/".join(url.split("/")[:3]), credentials=CREDENTIALS)


def identify(provider: str, **answer: Any) -> Identity:
    method, url, _, _, is_in_contract = KNOWN[provider]
    with responses.RequestsMock() as http:
        http.add(method, url, **answer)
        found = get_provider(provider).identify(account(url))
        if is_in_contract:
            check_calls(http.calls)
        if provider != "hubspot":
            assert http.calls[0].request.headers["Authorization"] == "Bearer token-1"
    return found


def test_every_provider_with_oauth_says_whose_token_it_is() -> None:
    assert {key for key, provider in PROVIDERS.items() if provider.oauth} == KNOWN.keys()


@pytest.mark.parametrize("provider", KNOWN)
def test_account_is_named(provider: str) -> None:
    assert identify(provider, json=KNOWN[provider][2]) == KNOWN[provider][3]


@pytest.mark.parametrize("provider", KNOWN)
@pytest.mark.parametrize(
    "answer", [{"status": 401, "body": ""}, {"status": 200, "json": {"data": []}}, {"status": 200}]
)
def test_unreadable_answer_is_an_error_of_ours(provider: str, answer: Any) -> None:
    method, url, *_ = KNOWN[provider]
    with responses.RequestsMock() as http:
        http.add(method, url, **answer)
        with pytest.raises(KeepsyncError) as caught:
            get_provider(provider).identify(account(url))
    expected = ReauthoriseError if answer["status"] == 401 else LostAnswerError | PayloadError
    assert isinstance(caught.value, expected)
    assert "token-1" not in str(caught.value)


# --- What is special --------------------------------------------------------------------------------------------------


def test_calendar_lives_account_stays_the_same_when_calendars_are_added() -> None:
    more = {"items": [CALENDAR, {**CALENDAR, "id": "cal_9", "name": "New", "owner_email": "other@example.com"}]}
    assert identify("calendar_live", json=more).account_id == OWNER_DIGEST
    other = {"items": [{**CALENDAR, "owner_email": "other@example.com"}]}
    assert identify("calendar_live", json=other).account_id != OWNER_DIGEST


def test_calendar_live_without_calendars_is_not_known() -> None:
    assert identify("calendar_live", json={"items": []}) == Identity("", "an account without calendars")


def test_hubspot_is_asked_about_the_token_as_its_application() -> None:
    _, url, answer, *_ = KNOWN["hubspot"]
    with responses.RequestsMock() as http:
        http.post(url, json=answer)
        get_provider("hubspot").identify(account(url))
        assert form_of(http.calls[0]) == {
            "client_id": "client-1",
            "client_secret": "client-secret",
            "token": "token-1",
            "token_type_hint": "access_token",
        }


def test_token_that_hubspot_does_not_know_is_to_be_authorised_again() -> None:
    with pytest.raises(ReauthoriseError):
        identify("hubspot", json={"active": False})


def test_hubspot_account_without_a_domain_is_named_by_its_number() -> None:
    assert identify("hubspot", json={"active": True, "hub_id": 7}) == Identity("7", "HubSpot account 7")


def test_hubspot_does_not_say_whose_a_private_applications_token_is() -> None:
    with pytest.raises(SetupError, match="no client_id"):
        get_provider("hubspot").identify(Account("https://api.hubapi.com", credentials={"access_token": "pat"}))


def test_salesforce_org_that_hides_itself_is_an_error() -> None:
    with pytest.raises(PayloadError):
        identify("salesforce", json={"totalSize": 0, "done": True, "records": []})


def test_slack_bot_is_called_with_the_token_that_was_authorised() -> None:
    for credentials in (
        {"access_token": "xoxb-1"},
        {"bot_token": "xoxb-1"},
        {"access_token": "xoxb-1", "bot_token": "x"},
    ):
        _, url, answer, *_ = KNOWN["slack"]
        with responses.RequestsMock() as http:
            http.get(url, json=answer)
            told = get_provider("slack").test(Account("https://slack.com", {"channel": "C1"}, credentials))
            assert http.calls[0].request.headers["Authorization"] == "Bearer xoxb-1"
        assert told == "Slack answers: the bot is keepsync in Acme."
