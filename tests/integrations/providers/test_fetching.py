"""Contacts, meetings and owners by their ids: the same cases for each CRM, with requests and answers held to its
specification."""

from datetime import UTC, datetime
from typing import Any

import pytest
from responses import RequestsMock

from integrations.exceptions import OutageError, PayloadError, RateLimitedError, ReauthoriseError, SetupError
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.crm import Crm, FoundContact, MeetingRecord
from integrations.providers.pipedrive import fields
from tests.integrations.providers import test_hubspot, test_pipedrive_listing, test_pipedrive_meetings
from tests.integrations.providers.salesforce_stubs import EVENT_ID, ID_1, ID_2, QUERY, account, asked, rows

HUBSPOT = "https://api.hubapi.com/crm"
ASSOCIATIONS = f"{HUBSPOT}/associations/2026-03/meetings/contacts/batch/read"
CHANGED = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOTE = (
    "<p>Price &amp; terms<br>soon</p><p><br></p><p>Calendar event: evt_1</p><p>Keepsync id: m-1</p>"
    "<p>Called her on Monday</p>"
)


class HubSpotCase:
    name, meeting_ids, contact_ids, owner_id = "hubspot", ("31", "32"), ("7", "8"), "71"
    account: Account = test_hubspot.account()
    calls = {"meetings": 2, "contacts": 1}
    meeting_values = {
        "hs_meeting_title": "Sales call",
        "hs_meeting_start_time": "2026-11-24T13:00:00Z",
        "hs_meeting_end_time": "2026-11-24T13:30:00Z",
        "hs_meeting_outcome": "SCHEDULED",
        "hs_meeting_body": "Price & terms\nsoon",
        "calendar_event_id": None,
    }
    contact_values = {"firstname": "Zoe", "phone": "+12125550123", "company": None}

    def meeting(self, number: int = 0, **changes: Any) -> dict[str, Any]:
        properties = {
            "keepsync_id": f"m-{number + 1}",
            "hs_meeting_title": "Sales call",
            "hs_meeting_start_time": "2026-11-24T13:00:00.000Z",
            "hs_meeting_end_time": "2026-11-24T13:30:00Z",
            "hs_meeting_outcome": "SCHEDULED",
            "hs_meeting_body": "<div>Price &amp; terms<br/>soon</div>",
            "hubspot_owner_id": "71",
        }
        return test_hubspot.record(self.meeting_ids[number], **{**properties, **changes})

    def cancelled(self) -> dict[str, Any]:
        return {"hs_meeting_outcome": "CANCELED"}

    def nobodys(self) -> dict[str, Any]:
        return {"keepsync_id": "", "hubspot_owner_id": ""}

    def contact(self, number: int = 0) -> dict[str, Any]:
        properties = {"firstname": "Zoe", "phone": "+12125550123", "email": "zoe@example.com"}
        return test_hubspot.record(self.contact_ids[number], **properties)

    def stub_meetings(self, http: RequestsMock, *records: Any, attended: bool = True, status: int = 200) -> None:
        http.post(f"{test_hubspot.MEETINGS}/batch/read", status=status, json=test_hubspot.batch(*records))
        kind = [{"category": "HUBSPOT_DEFINED", "typeId": 200}]
        results = [
            {"from": {"id": each["id"]}, "to": [{"toObjectId": key, "associationTypes": kind} for key in ("7", "8")]}
            for each in records
        ]
        http.post(ASSOCIATIONS, json=test_hubspot.batch(*(results if attended else ())))

    def stub_contacts(self, http: RequestsMock, *records: Any, status: int = 200) -> None:
        http.post(f"{test_hubspot.CONTACTS}/batch/read", status=status, json=test_hubspot.batch(*records))

    def stub_owner(self, http: RequestsMock, status: int = 200, **shown: Any) -> None:
        times = {"createdAt": test_hubspot.NOW, "updatedAt": test_hubspot.NOW}
        owner = {"id": "71", "archived": False, "type": "PERSON", **times, **shown}
        http.get(f"{HUBSPOT}/owners/2026-03/71", status=status, json=owner)


class SalesforceCase:
    name, meeting_ids, contact_ids = "salesforce", (EVENT_ID, "00U000000000002AAA"), (ID_1, ID_2)
    owner_id = "005000000000002AAA"
    account: Account = account()
    calls = {"meetings": 1, "contacts": 1}
    meeting_values = {
        "Subject": "Sales call",
        "StartDateTime": "2026-11-24T13:00:00Z",
        "ActivityDateTime": "2026-11-24T13:00:00Z",
        "EndDateTime": "2026-11-24T13:30:00Z",
        "Description": "Price & terms\nsoon",
        "Cal_Event_Id__c": None,
    }
    contact_values = {"FirstName": "Zoe", "Phone": "+12125550123", "Company": None}

    def meeting(self, number: int = 0, **changes: Any) -> dict[str, Any]:
        values = {
            "Id": self.meeting_ids[number],
            "SystemModstamp": "2026-11-20T12:00:00.000+0000",
            "Keepsync_Id__c": f"m-{number + 1}",
            "Subject": "Sales call",
            "StartDateTime": "2026-11-24T13:00:00.000+0000",
            "ActivityDateTime": "2026-11-24T13:00:00.000+0000",
            "EndDateTime": "2026-11-24T13:30:00.000+0000",
            "Description": "Price & terms\nsoon",
            "Cal_Event_Id__c": None,
            "WhoId": ID_1,
            "OwnerId": self.owner_id,
        }
        return {"attributes": {"type": "Event"}, **values, **changes}

    def cancelled(self) -> dict[str, Any]:
        return {"Subject": "CANCELED: Sales call"}

    def nobodys(self) -> dict[str, Any]:
        return {"Keepsync_Id__c": None, "OwnerId": None, "WhoId": None}

    def contact(self, number: int = 0) -> dict[str, Any]:
        stamps = dict.fromkeys(("SystemModstamp", "CreatedDate"), "2026-11-20T12:00:00.000+0000")
        values = {"FirstName": "Zoe", "Phone": "+12125550123", "Email": "zoe@example.com", "Account": None}
        return {"Id": self.contact_ids[number], **stamps, **values}

    def stub_meetings(self, http: RequestsMock, *records: Any, attended: bool = True, status: int = 200) -> None:
        http.get(QUERY, status=status, json=rows(*records) if status == 200 else [])

    stub_contacts = stub_meetings

    def stub_owner(self, http: RequestsMock, status: int = 200, **shown: Any) -> None:
        error = [{"message": "no", "errorCode": "INVALID_TYPE", "fields": []}]
        found = rows({"Email": shown.get("email")}) if status == 200 else rows()
        http.get(QUERY, status=400 if status == 403 else 200, json=error if status == 403 else found)


class PipedriveCase:
    name, meeting_ids, contact_ids, owner_id = "pipedrive", ("31", "32"), ("7", "8"), "18"
    account: Account = test_pipedrive_meetings.ACCOUNT
    calls = {"meetings": 1, "contacts": 2}
    meeting_values = {
        "subject": "Sales call",
        "due_date": "2026-11-24",
        "due_time": "13:00",
        "duration": "00:30",
        "note": "Price & terms\nsoon",
        "location": "https://zoom.example/j/1",
        "owner_id": "18",
        "done": False,
        "note:Calendar event": "evt_1",
        "note:Calendar event uid": None,
    }
    contact_values = {"name": "Zoe", "phones": "+12125550123", "Lead source": "fair", "job_title": None}

    def meeting(self, number: int = 0, **changes: Any) -> dict[str, Any]:
        values = {
            "id": int(self.meeting_ids[number]),
            "update_time": "2026-11-20T12:00:00Z",
            "subject": "Sales call",
            "due_date": "2026-11-24",
            "due_time": "13:00:00",
            "duration": "00:30:00",
            "location": {"value": "https://zoom.example/j/1"},
            "done": False,
            "owner_id": 18,
            "note": NOTE.replace("m-1", f"m-{number + 1}"),
            "participants": [{"person_id": 8, "primary": False}, {"person_id": 7, "primary": True}],
            "is_deleted": False,
        }
        return {**values, **changes}

    def cancelled(self) -> dict[str, Any]:
        return {"subject": "Cancelled: Sales call"}

    def nobodys(self) -> dict[str, Any]:
        return {"note": "Price &amp; terms<br>soon", "owner_id": None, "participants": []}

    def contact(self, number: int = 0) -> dict[str, Any]:
        return test_pipedrive_listing.person(
            int(self.contact_ids[number]),
            name="Zoe",
            phones=test_pipedrive_listing.ways("+12125550123"),
            emails=test_pipedrive_listing.ways("zoe@example.com"),
            custom_fields={test_pipedrive_listing.SOURCE_CODE: "fair"},
        )

    def stub_meetings(self, http: RequestsMock, *records: Any, attended: bool = True, status: int = 200) -> None:
        shown = {"success": True, "data": list(records)}
        http.get(test_pipedrive_meetings.ACTIVITIES, status=status, json=shown)

    def stub_contacts(self, http: RequestsMock, *records: Any, status: int = 200) -> None:
        test_pipedrive_listing.stub_fields(http)
        shown = {"success": True, "data": list(records)}
        http.get(test_pipedrive_listing.PERSONS, status=status, json=shown)

    def stub_owner(self, http: RequestsMock, status: int = 200, **shown: Any) -> None:
        user = {"id": 18, "name": "Lea", "active_flag": True, "email": "", **shown}
        answer = {"success": True, "data": user} if status == 200 else {"success": False, "error": "no"}
        http.get("https://api.pipedrive.com/api/v1/users/18", status=status, json=answer)


CASES = [HubSpotCase(), SalesforceCase(), PipedriveCase()]


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


def test_pipedrives_activity_may_have_no_time_and_never_have_been_changed(faulty_http):
    case = PipedriveCase()
    shown = case.meeting(due_time="", duration=None, update_time=None, add_time="2026-11-20T12:00:00Z", location=None)
    case.stub_meetings(faulty_http, shown)
    (found,) = fetch_meetings(case)
    assert [found.values[name] for name in ("due_time", "duration", "location")] == [None, None, None]
    assert found.changed_at == CHANGED
