"""Contacts, meetings and owners by their ids: the same cases for each CRM, with requests and answers held to its
specification."""

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.exceptions import OutageError, PayloadError, RateLimitedError, ReauthoriseError, SetupError
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.crm import Crm, FoundContact, MeetingRecord
from integrations.providers.pipedrive import fields
from tests.integrations.providers import test_hubspot
from tests.integrations.providers.fetching_cases import (
    ASSOCIATIONS,
    CASES,
    HubSpotCase,
    PipedriveCase,
    SalesforceCase,
)
from tests.integrations.providers.salesforce_stubs import EVENT_ID, QUERY, account, asked, rows

CHANGED = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Any:
    fields._known.clear()
    return request.param


def crm(case: Any) -> Crm:
    found = get_provider(case.name)
    assert isinstance(found, Crm)
    return found


def fetch_meetings(case: Any, *ids: str) -> list[MeetingRecord | None]:
    return crm(case).fetch_meetings(case.account, ids or case.meeting_ids[:1], fields=tuple(case.meeting_values))


def fetch_contacts(case: Any, *ids: str) -> list[FoundContact | None]:
    return crm(case).fetch_contacts(case.account, ids or case.contact_ids[:1], fields=tuple(case.contact_values))


# --- Meetings ---------------------------------------------------------------------------------------------------------


def test_a_meeting_is_told_in_the_form_in_which_it_is_saved(case, provider_http):
    case.stub_meetings(provider_http, case.meeting())
    assert fetch_meetings(case) == [
        MeetingRecord(
            case.meeting_ids[0],
            case.meeting_values,
            key="m-1",
            contact_ids=case.contact_ids[: 1 if case.name == "salesforce" else 2],
            owner_id=case.owner_id,
            changed_at=CHANGED,
        )
    ]
    assert len(provider_http.calls) == case.calls["meetings"]


def test_a_cancelled_meeting_says_so_and_its_title_is_without_the_mark(case, provider_http):
    case.stub_meetings(provider_http, case.meeting(**case.cancelled()))
    (found,) = fetch_meetings(case)
    assert found.is_cancelled
    assert "Sales call" in found.values.values()
    assert ("cancelled" in found.values.values()) is (case.name != "salesforce")


def test_a_meeting_that_somebody_made_there_has_no_key_and_may_have_nobody(case, faulty_http):
    case.stub_meetings(faulty_http, case.meeting(**case.nobodys()), attended=False)
    (found,) = fetch_meetings(case)
    assert (found.key, found.owner_id, found.contact_ids) == ("", "", ())
    assert "Price & terms\nsoon" in found.values.values()


def test_meetings_come_in_the_order_of_their_ids_and_one_that_is_not_there_is_none(case, provider_http):
    case.stub_meetings(provider_http, case.meeting(1), case.meeting(0))
    one, two = case.meeting_ids
    found = fetch_meetings(case, two, "no id", one, two)
    assert [each and each.external_id for each in found] == [two, None, one, two]
    assert len(provider_http.calls) == case.calls["meetings"]


def test_nothing_is_asked_for_what_is_no_id(case, provider_http):
    assert fetch_meetings(case, "", "no id") == [None, None]
    assert fetch_contacts(case, "", "no id") == [None, None]
    assert not provider_http.calls


# --- Contacts ---------------------------------------------------------------------------------------------------------


def test_a_contact_is_told_as_in_a_list(case, provider_http):
    case.stub_contacts(provider_http, case.contact())
    (found,) = fetch_contacts(case)
    assert (found.external_id, found.values, found.changed_at) == (case.contact_ids[0], case.contact_values, CHANGED)
    assert (found.emails, found.phones) == (("zoe@example.com",), ("+12125550123",))
    assert len(provider_http.calls) == case.calls["contacts"]


def test_contacts_come_in_the_order_of_their_ids_and_one_that_is_not_there_is_none(case, provider_http):
    case.stub_contacts(provider_http, case.contact(1))
    assert [each and each.external_id for each in fetch_contacts(case, *case.contact_ids)] == [
        None,
        case.contact_ids[1],
    ]


# --- Owners -----------------------------------------------------------------------------------------------------------


def find_owner_email(case: Any, owner_id: str = "") -> str:
    return crm(case).find_owner_email(case.account, owner_id or case.owner_id)


def test_an_owner_has_an_address(case, provider_http):
    case.stub_owner(provider_http, email="lea.martin@acme.example")
    assert find_owner_email(case) == "lea.martin@acme.example"


@pytest.mark.parametrize("status", [200, 403, 404])
def test_an_owner_who_cannot_be_looked_up_has_none(case, faulty_http, status):
    case.stub_owner(faulty_http, status)
    assert find_owner_email(case) == ""


def test_nobody_is_asked_about_no_owner(case, provider_http):
    assert crm(case).find_owner_email(case.account, "") == ""
    assert not provider_http.calls


# --- Troubles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "error"), [(401, ReauthoriseError), (429, RateLimitedError), (503, OutageError)])
def test_troubles_are_told(case, faulty_http, status, error):
    case.stub_meetings(faulty_http, status=status)
    with pytest.raises(error):
        fetch_meetings(case)


@pytest.mark.parametrize(("status", "error"), [(401, ReauthoriseError), (429, RateLimitedError), (503, OutageError)])
def test_troubles_with_contacts_are_told(case, faulty_http, status, error):
    case.stub_contacts(faulty_http, status=status)
    with pytest.raises(error):
        fetch_contacts(case)


def test_a_connection_without_credentials_is_not_called(case, provider_http):
    bare = Account(case.account.base_url)
    with pytest.raises(SetupError):
        crm(case).fetch_meetings(bare, case.meeting_ids, fields=tuple(case.meeting_values))
    with pytest.raises(SetupError):
        crm(case).fetch_contacts(bare, case.contact_ids, fields=tuple(case.contact_values))
    assert not provider_http.calls


# --- What is one CRM's own --------------------------------------------------------------------------------------------


def test_hubspots_merged_contact_is_the_one_that_it_went_into(provider_http):
    case = HubSpotCase()
    merged = case.contact(1)
    merged["properties"]["hs_merged_object_ids"] = "7;6"
    case.stub_contacts(provider_http, merged)
    assert [each and each.external_id for each in fetch_contacts(case, "7", "9")] == ["8", None]


def test_hubspot_tells_many_attendees_on_several_pages(provider_http):
    case = HubSpotCase()
    provider_http.post(f"{test_hubspot.MEETINGS}/batch/read", json=test_hubspot.batch(case.meeting()))
    for contact_id, more in (("7", {"paging": {"next": {"after": "x2", "link": ""}}}), ("8", {})):
        to = [{"toObjectId": contact_id, "associationTypes": []}]
        provider_http.post(ASSOCIATIONS, json=test_hubspot.batch({"from": {"id": "31"}, "to": to, **more}))
    (found,) = fetch_meetings(case)
    assert found.contact_ids == ("7", "8")
    assert test_hubspot.sent(provider_http) == {"inputs": [{"id": "31", "after": "x2"}]}


def test_hubspots_answer_of_another_shape_is_told(faulty_http):
    faulty_http.post(f"{test_hubspot.MEETINGS}/batch/read", json=test_hubspot.batch({"id": "31", "properties": {}}))
    faulty_http.post(ASSOCIATIONS, json=test_hubspot.batch())
    with pytest.raises(PayloadError, match="updatedAt"):
        fetch_meetings(HubSpotCase())


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("COMPLETED", "completed"), ("NO_SHOW", "no_show"), ("SCHEDULED", "SCHEDULED"), ("RESCHEDULED", "RESCHEDULED")],
)
def test_hubspots_outcome_is_our_status_where_it_means_one(provider_http, outcome, status):
    case = HubSpotCase()
    case.stub_meetings(provider_http, case.meeting(hs_meeting_outcome=outcome))
    (found,) = fetch_meetings(case)
    assert (found.values["hs_meeting_outcome"], found.is_cancelled) == (status, False)


def test_salesforce_asks_for_the_events_by_both_forms_of_their_ids(provider_http):
    case = SalesforceCase()
    stub = provider_http.get(QUERY, json=rows(case.meeting()))
    (found,) = fetch_meetings(case, EVENT_ID[:15])
    assert found.external_id == EVENT_ID
    assert asked(stub).endswith(f"FROM Event WHERE Id IN ('{EVENT_ID[:15]}')")


def test_salesforces_text_that_may_have_been_cut_is_left_out(provider_http):
    case = SalesforceCase()
    case.stub_meetings(provider_http, case.meeting(Subject=f"{'x' * 254}…"))
    (found,) = fetch_meetings(case)
    assert "Subject" not in found.values
    assert found.values["StartDateTime"] == "2026-11-24T13:00:00Z"


def test_salesforces_converted_lead_is_not_there(provider_http):
    stub = provider_http.get(QUERY, json=rows())
    lead = account(object="Lead")
    assert crm(SalesforceCase()).fetch_contacts(lead, ["00Q000000000001AAA"], fields=("Company",)) == [None]
    assert asked(stub).endswith("FROM Lead WHERE Id IN ('00Q000000000001AAA') AND IsConverted = false")


def test_salesforces_contact_is_told_without_the_fields_that_are_hidden_from_us(provider_http):
    case = SalesforceCase()
    message = "No such column 'MobilePhone' on entity 'Contact'."
    provider_http.get(QUERY, status=400, json=[{"message": message, "errorCode": "INVALID_FIELD", "fields": []}])
    case.stub_contacts(provider_http, case.contact())
    (found,) = fetch_contacts(case)
    assert found.phones == ("+12125550123",)


def test_pipedrives_deleted_records_are_not_there(provider_http):
    case = PipedriveCase()
    case.stub_meetings(provider_http, case.meeting(is_deleted=True))
    case.stub_contacts(provider_http, {**case.contact(), "is_deleted": True})
    assert (fetch_meetings(case), fetch_contacts(case)) == ([None], [None])


@pytest.mark.parametrize(
    ("case", "values", "is_meeting"),
    [
        (PipedriveCase(), {"type": "task"}, False),
        (PipedriveCase(), {"type": "call"}, False),
        (PipedriveCase(), {"type": "meeting"}, True),
        (PipedriveCase(), {"type": "our_own_demo"}, True),
        (SalesforceCase(), {"IsChild": True}, False),
        (SalesforceCase(), {"IsAllDayEvent": True}, False),
        (SalesforceCase(), {"IsChild": False, "IsAllDayEvent": False}, True),
    ],
)
def test_what_is_no_meeting_says_so(provider_http, case, values, is_meeting):
    case.stub_meetings(provider_http, case.meeting(**values))
    (found,) = fetch_meetings(case)
    assert found.is_meeting is is_meeting


def test_pipedrives_activity_may_have_no_time_and_never_have_been_changed(faulty_http):
    case = PipedriveCase()
    shown = case.meeting(due_time="", duration=None, update_time=None, add_time="2026-11-20T12:00:00Z", location=None)
    case.stub_meetings(faulty_http, shown)
    (found,) = fetch_meetings(case)
    assert [found.values[name] for name in ("due_time", "duration", "location")] == [None, None, None]
    assert found.changed_at == CHANGED
