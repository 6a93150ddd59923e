"""The benchmark's CRM: HubSpot's adapter works with it, and it answers as HubSpot's specification says."""

import json
import re
from urllib.parse import urlsplit

import pytest
import requests
import responses

from integrations.providers.base import Account
from integrations.providers.crm import CrmContact, CrmMeeting, Saved
from integrations.providers.hubspot import client
from integrations.providers.hubspot.provider import HubSpot
from tests.benchmarks.crm import World
from tests.contract_check import check_calls

HUBSPOT = HubSpot()
ACCOUNT = Account("https://api.hubapi.com", credentials={"access_token": "token-1"})
ANN = CrmContact("contact-1", {"email": "ann@x.example", "lastname": "Arden"}, email="ann@x.example")
CALL = {"hs_meeting_title": "Trial call", "hs_meeting_start_time": "2026-11-24T13:00:00Z"}


@pytest.fixture
def world():
    """Every request and every answer is held to the specification."""
    played = World()

    def answer(request: requests.PreparedRequest):
        body = json.loads(request.body or b"{}")
        status, value = played.answer(str(request.method), urlsplit(str(request.url)).path, body)
        return status, {"Content-Type": "application/json"}, json.dumps(value)

    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        for method in ("GET", "POST", "PUT"):
            stubs.add_callback(method, re.compile(".*"), answer)
        yield played
        check_calls(stubs.calls)


def save_ann() -> str:
    [saved] = HUBSPOT.save_contacts(ACCOUNT, [ANN])
    assert isinstance(saved, Saved)
    return saved.external_id


def test_properties_are_made_once(world):
    assert "keepsync_id of contacts" in HUBSPOT.test(ACCOUNT)
    assert "has all properties" in HUBSPOT.test(ACCOUNT)


def test_a_contact_that_comes_twice_is_one_record(world):
    assert save_ann() == save_ann()
    assert world.show()["contacts"] == 1


def test_a_meeting_is_made_with_those_who_attend(world):
    meeting = CrmMeeting("meeting-1", CALL, contact_ids=(save_ann(),))
    [made] = HUBSPOT.save_meetings(ACCOUNT, [meeting])
    assert made == Saved("1002", is_new=True)
    assert (world.show()["meetings"], world.show()["attending"]) == (1, 1)


def test_a_meeting_whose_answer_was_lost_is_found_and_not_made_again(world):
    [made] = HUBSPOT.save_meetings(ACCOUNT, [CrmMeeting("meeting-1", CALL)])
    again = CrmMeeting("meeting-1", CALL, may_exist=True, contact_ids=(save_ann(),))
    [found] = HUBSPOT.save_meetings(ACCOUNT, [again])
    assert found.external_id == made.external_id
    assert (world.show()["meetings"], world.show()["attending"]) == (1, 1)


def test_a_meeting_that_is_made_twice_is_refused_the_second_time(world):
    inputs = [{"properties": {"keepsync_id": "meeting-1", **CALL}, "associations": []}]
    assert len(client.create_batch(ACCOUNT, "meetings", inputs).found) == 1
    assert len(client.create_batch(ACCOUNT, "meetings", inputs).errors) == 1
    assert world.show()["meetings"] == 1


def test_it_counts_its_calls_and_answers_nothing_while_it_is_down(world):
    save_ann()
    world.is_down = True
    assert world.answer("GET", "/crm/objects/2026-03/contacts", {})[0] == 503
    assert world.show()["calls"] == {"POST upsert": 1, "GET list_contacts": 1}
    assert world.show()["most_calls"] == 2
