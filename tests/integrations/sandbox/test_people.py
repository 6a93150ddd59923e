"""Made-up people, with whom a played CRM is filled."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations.sandbox.people import MOST, make_person
from integrations.sandbox.runtime import get_sender
from tests.integrations.sandbox.playing import Played

COUNTED = {"hubspot": "contacts", "salesforce": "Contact", "pipedrive": "persons"}


def read_emails(provider: str, record: dict[str, Any]) -> list[str]:
    read: dict[str, Callable[[], list[Any]]] = {
        "hubspot": lambda: [record["properties"].get("email")],
        "salesforce": lambda: [record.get("Email")],
        "pipedrive": lambda: [way["value"] for way in record["emails"]],
    }
    return [email for email in read[provider]() if email]


@pytest.mark.parametrize("provider", COUNTED)
def test_a_button_adds_as_many_people_as_are_asked_for_and_tells_nobody(
    provider: str, request: pytest.FixtureRequest
) -> None:
    played: Played = request.getfixturevalue(provider)
    assert "Add made-up people" in played.page()
    for count in ("30", "5"):
        assert played.press("people/make/", count=count).status_code == 302
    state = played.state()
    assert state["counts"][COUNTED[provider]] == 35
    emails = [email for each in state["records"][COUNTED[provider]] for email in read_emails(provider, each)]
    assert len(emails) == len(set(emails)) > 25
    assert provider == "salesforce" or get_sender(provider).deliveries() == []


@pytest.mark.parametrize("provider", COUNTED)
@pytest.mark.parametrize("count", ["", "0", "-1", "many", str(MOST + 1)])
def test_no_other_number_is_taken(provider: str, count: str, request: pytest.FixtureRequest) -> None:
    played: Played = request.getfixturevalue(provider)
    refused = played.press("people/make/", count=count)
    assert refused.status_code == 409
    assert "From 1 to 20,000" in refused.content.decode()
    assert played.state()["counts"][COUNTED[provider]] == 0


def test_the_same_numbers_are_the_same_people() -> None:
    assert [make_person(number) for number in range(40)] == [make_person(number) for number in range(40)]


def test_some_people_are_there_twice_under_another_address_and_have_their_say_about_marketing() -> None:
    one, two = make_person(9), make_person(19)
    assert (one.company, one.phone) == (two.company, two.phone)
    assert one.last_name.upper() == two.last_name
    assert one.email != two.email
    assert {make_person(number).has_agreed for number in range(100)} == {True, False, None}
