"""An update leaves out what the linked record holds already; who makes a record, or makes it anew, sends all.

Requests and answers are held to each CRM's specification.
"""

import json
from typing import Any

import pytest
from responses import RequestsMock

from integrations.exceptions import ConflictError, PermanentError
from integrations.providers.crm import CrmContact, CrmMeeting, Saved
from integrations.providers.pipedrive import fields
from tests.integrations.providers import salesforce_stubs as salesforce
from tests.integrations.providers import test_hubspot as hubspot
from tests.integrations.providers import test_pipedrive as pipedrive
from tests.integrations.providers import test_pipedrive_meetings as activities


@pytest.fixture(autouse=True)
def _forget_fields():
    fields._known.clear()


def bodies(stubs: RequestsMock, method: str, part: str = "") -> list[Any]:
    """What was sent with this method to addresses that hold the part."""
    calls = [call.request for call in stubs.calls if call.request.method == method and part in str(call.request.url)]
    return [json.loads(request.body or b"null") for request in calls]


# --- Names that belong together ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unchanged", "sent"),
    [
        ((), "abcd"),
        (("a", "b", "c", "d"), ""),
        (("b", "c", "d"), "a"),
        (("a", "b", "d"), "bc"),
        (("a", "unknown"), "bcd"),
    ],
)
def test_of_names_that_belong_together_all_go_where_one_does(unchanged, sent):
    record = CrmContact("c-1", dict.fromkeys("abcd"), unchanged=frozenset(unchanged))
    assert list(record.list_changed(frozenset({"b", "c", "nowhere"}))) == list(sent)


# --- HubSpot ----------------------------------------------------------------------------------------------------------


def hubspot_contact(**changes: Any) -> CrmContact:
    values = {"email": hubspot.EMAIL, "firstname": "Zoe", "lastname": "Okafor"}
    settings = {"external_id": "11", "email": hubspot.EMAIL, "unchanged": frozenset({"email", "lastname"})}
    return CrmContact("contact-1", values, **{**settings, **changes})


def hubspot_meeting(*unchanged: str, **changes: Any) -> CrmMeeting:
    made = hubspot.meeting(external_id="31")
    settings = {"external_id": "31", "contact_ids": made.contact_ids, "unchanged": frozenset(unchanged)}
    return CrmMeeting(made.key, made.values, **{**settings, **changes})


def test_hubspots_contact_is_sent_what_has_changed(provider_http):
    provider_http.post(f"{hubspot.CONTACTS}/batch/update", json=hubspot.batch(hubspot.record("11")))
    assert hubspot.HUBSPOT.save_contacts(hubspot.account(), [hubspot_contact()]) == [Saved("11")]
    assert hubspot.sent(provider_http)["inputs"][0]["properties"] == {"keepsync_id": "contact-1", "firstname": "Zoe"}


def test_hubspots_contact_that_is_gone_is_made_anew_with_all(provider_http):
    missing = hubspot.part("Could not get some CONTACT objects", "OBJECT_NOT_FOUND")
    provider_http.post(f"{hubspot.CONTACTS}/batch/update", status=207, json=hubspot.batch(errors=[missing]))
    made = hubspot.upserted("12", is_new=True, email=hubspot.EMAIL)
    provider_http.post(f"{hubspot.CONTACTS}/batch/upsert", json=hubspot.batch(made))
    result = hubspot.HUBSPOT.save_contacts(hubspot.account(), [hubspot_contact()])
    assert result == [Saved("12", is_new=True)]
    assert hubspot.sent(provider_http)["inputs"][0]["properties"].keys() == {
        "keepsync_id",
        "email",
        "firstname",
        "lastname",
    }


@pytest.mark.parametrize(
    ("unchanged", "sent"),
    [
        (("hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome"), {"hs_meeting_title"}),
        (
            ("hs_meeting_title", "hs_meeting_end_time", "hs_meeting_outcome"),
            {"hs_meeting_start_time", "hs_timestamp"},
        ),
        (("hs_meeting_title", "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome"), set()),
    ],
)
def test_hubspots_meeting_is_sent_what_has_changed_and_its_contacts(provider_http, unchanged, sent):
    provider_http.post(f"{hubspot.MEETINGS}/batch/update", json=hubspot.batch(hubspot.record("31")))
    provider_http.put(f"{hubspot.MEETINGS}/31/associations/default/contacts/7", json=hubspot.batch())
    assert hubspot.HUBSPOT.save_meetings(hubspot.account(), [hubspot_meeting(*unchanged)]) == [Saved("31")]
    (body,) = bodies(provider_http, "POST")
    assert body["inputs"][0]["properties"].keys() == {"keepsync_id", *sent}
    assert hubspot.paths(provider_http)[-1] == "PUT meetings/31/associations/default/contacts/7"


def test_hubspots_meeting_that_is_gone_is_made_anew_with_all(provider_http):
    missing = hubspot.part("Could not get some MEETING objects", "OBJECT_NOT_FOUND")
    provider_http.post(f"{hubspot.MEETINGS}/batch/update", status=207, json=hubspot.batch(errors=[missing]))
    provider_http.post(f"{hubspot.MEETINGS}/batch/read", json=hubspot.batch())
    made = hubspot.record("32", keepsync_id="meeting-1")
    provider_http.post(f"{hubspot.MEETINGS}/batch/create", status=201, json=hubspot.batch(made))
    meeting = hubspot_meeting(*hubspot.meeting().values)
    assert hubspot.HUBSPOT.save_meetings(hubspot.account(), [meeting]) == [Saved("32", is_new=True)]
    assert set(hubspot.meeting().values) < hubspot.sent(provider_http)["inputs"][0]["properties"].keys()


def test_hubspots_other_record_with_our_key_is_sent_all(provider_http):
    missing = hubspot.part("Could not get some MEETING objects", "OBJECT_NOT_FOUND")
    provider_http.post(f"{hubspot.MEETINGS}/batch/update", status=207, json=hubspot.batch(errors=[missing]))
    provider_http.post(
        f"{hubspot.MEETINGS}/batch/read", json=hubspot.batch(hubspot.record("33", keepsync_id="meeting-1"))
    )
    provider_http.post(f"{hubspot.MEETINGS}/batch/update", json=hubspot.batch(hubspot.record("33")))
    meeting = hubspot_meeting("hs_meeting_title", contact_ids=())
    assert hubspot.HUBSPOT.save_meetings(hubspot.account(), [meeting]) == [Saved("33")]
    assert "hs_meeting_title" in hubspot.sent(provider_http)["inputs"][0]["properties"]


# --- Salesforce -------------------------------------------------------------------------------------------------------

KEY = {"Keepsync_Id__c": "m-1"}
TIMES = {"StartDateTime": "2026-11-24T09:00:00Z", "EndDateTime": "2026-11-24T09:30:00Z"}
WHO = {"WhoId": salesforce.ID_1}


def event(subject: str = "Demo", key: str = "m-1") -> dict[str, Any]:
    return {"Id": salesforce.EVENT_ID, "Keepsync_Id__c": key, "Subject": subject}


def salesforce_meeting(*unchanged: str, **changes: Any) -> CrmMeeting:
    settings = {"external_id": salesforce.EVENT_ID, "contact_ids": (salesforce.ID_1,), "keeps_status": True}
    return CrmMeeting("m-1", {"Subject": "Demo", **TIMES}, **{**settings, "unchanged": frozenset(unchanged), **changes})


def send_event(stubs: RequestsMock, meeting: CrmMeeting, row: dict[str, Any] | None = None) -> dict[str, Any]:
    """The record that is sent, without what says its type."""
    salesforce.stub_query(stubs, row or event())
    stub = salesforce.stub_upsert(stubs, salesforce.saved(salesforce.EVENT_ID, is_new=False), sobject="Event")
    assert salesforce.SALESFORCE.save_meetings(salesforce.account(), [meeting]) == [Saved(salesforce.EVENT_ID)]
    record: dict[str, Any] = salesforce.sent(stub)["records"][0]
    return {name: value for name, value in record.items() if name != "attributes"}


@pytest.mark.parametrize(
    ("unchanged", "sent"),
    [
        (("StartDateTime", "EndDateTime"), {"Subject": "Demo"}),
        (("Subject", "StartDateTime"), TIMES),
        (("Subject", "EndDateTime"), TIMES),
        (("Subject", "StartDateTime", "EndDateTime"), {}),
    ],
)
def test_salesforces_event_is_sent_what_has_changed_with_its_start_and_end_together(provider_http, unchanged, sent):
    assert send_event(provider_http, salesforce_meeting(*unchanged)) == {**sent, **KEY, **WHO}


@pytest.mark.parametrize(
    ("is_cancelled", "held", "marks"),
    [
        (True, "What a rep called it", {"Subject": "Cancelled: What a rep called it", "ShowAs": "Free"}),
        (True, "CANCELED: Demo", {"ShowAs": "Free"}),
        (False, "canceled: Demo", {"Subject": "Demo", "ShowAs": "Busy"}),
        (False, "What a rep called it", {"ShowAs": "Busy"}),
    ],
)
def test_salesforces_title_that_is_not_ours_to_write_is_only_marked(provider_http, is_cancelled, held, marks):
    meeting = salesforce_meeting("Subject", *TIMES, is_cancelled=is_cancelled, keeps_status=False)
    assert send_event(provider_http, meeting, event(held)) == {**marks, **KEY, **WHO}


def test_salesforces_title_is_left_as_a_rep_has_marked_it(provider_http):
    assert send_event(provider_http, salesforce_meeting("Subject", *TIMES), event("canceled: Call")) == {**KEY, **WHO}


def test_salesforces_mark_of_a_rep_stays_on_a_title_that_changes(provider_http):
    meeting = salesforce_meeting(*TIMES)
    sent = send_event(provider_http, meeting, event("Cancelled: Call"))
    assert sent == {"Subject": "Cancelled: Demo", **KEY, **WHO}


def test_salesforces_marked_title_is_as_long_as_it_may_be(provider_http):
    meeting = salesforce_meeting("Subject", *TIMES, is_cancelled=True, keeps_status=False)
    sent = send_event(provider_http, meeting, event("x" * 255))
    assert (len(sent["Subject"]), sent["Subject"][:12]) == (255, "Cancelled: x")


def test_salesforces_record_of_another_key_is_given_ours_and_what_has_changed(provider_http):
    update = salesforce.stub_update(provider_http, salesforce.EVENT_ID, "Event")
    assert "Subject" not in send_event(provider_http, salesforce_meeting("Subject", *TIMES), event(key=""))
    assert salesforce.sent(update) == KEY


def test_salesforces_event_that_is_gone_is_made_anew_with_all(provider_http):
    salesforce.stub_query(provider_http)
    stub = salesforce.stub_upsert(provider_http, salesforce.saved("00U000000000009AAA"), sobject="Event")
    meeting = salesforce_meeting("Subject", *TIMES)
    assert salesforce.SALESFORCE.save_meetings(salesforce.account(), [meeting]) == [
        Saved("00U000000000009AAA", is_new=True)
    ]
    assert salesforce.sent(stub)["records"][0].keys() >= {"Subject", *TIMES}


CONTACT_ROW = {"Id": salesforce.ID_1, "Keepsync_Id__c": "c-1", "Email": "zoe@example.com"}


def salesforce_contact(*unchanged: str) -> CrmContact:
    return CrmContact(
        "c-1", salesforce.VALUES, salesforce.ID_1, email="zoe@example.com", unchanged=frozenset(unchanged)
    )


def test_salesforces_contact_is_sent_what_has_changed(provider_http):
    salesforce.stub_query(provider_http, CONTACT_ROW)
    stub = salesforce.stub_upsert(provider_http, salesforce.saved(is_new=False))
    changed = salesforce_contact("Email", "LastName", "Phone")
    salesforce.SALESFORCE.save_contacts(salesforce.account(), [changed])
    (record,) = salesforce.sent(stub)["records"]
    assert record == {"attributes": {"type": "Contact"}, "FirstName": "Zoe", "Keepsync_Id__c": "c-1"}


@pytest.mark.parametrize("first", [salesforce.saved(), salesforce.failed("REQUIRED_FIELD_MISSING", "", ["LastName"])])
def test_salesforces_contact_that_was_deleted_on_the_way_is_sent_whole(faulty_http, first):
    salesforce.stub_query(faulty_http, CONTACT_ROW)
    salesforce.stub_upsert(faulty_http, first, salesforce.saved(salesforce.ID_2, is_new=False))
    whole = salesforce.stub_upsert(faulty_http, salesforce.saved())
    other = CrmContact("c-2", salesforce.VALUES, email="lea@example.com")
    results = salesforce.SALESFORCE.save_contacts(salesforce.account(), [salesforce_contact("LastName"), other])
    assert results == [Saved(salesforce.ID_1, is_new=True), Saved(salesforce.ID_2)]
    (record,) = salesforce.sent(whole)["records"]
    assert record["LastName"] == "Okafor"


def test_salesforces_whole_record_that_lacks_a_field_is_sent_once(faulty_http):
    salesforce.stub_query(faulty_http, CONTACT_ROW)
    stub = salesforce.stub_upsert(faulty_http, salesforce.failed("REQUIRED_FIELD_MISSING", "", ["Title"]))
    (error,) = salesforce.SALESFORCE.save_contacts(salesforce.account(), [salesforce_contact()])
    assert isinstance(error, PermanentError)
    assert not isinstance(error, ConflictError)
    assert stub.call_count == 1


# --- Pipedrive --------------------------------------------------------------------------------------------------------


def pipedrive_body(stubs: RequestsMock, *unchanged: str, **held: Any) -> dict[str, Any]:
    """What a person that is linked is sent."""
    pipedrive.stub_fields(stubs)
    pipedrive.stub_person(stubs, 7, **held)
    stub = pipedrive.stub_done(stubs, "PATCH", f"{pipedrive.PERSONS}/7")
    assert pipedrive.save(external_id="7", unchanged=frozenset(unchanged)) == Saved("7")
    body: dict[str, Any] = pipedrive.sent(stub)
    return body


def test_pipedrives_person_is_sent_what_has_changed(provider_http):
    unchanged = pipedrive.VALUES.keys() - {"phones", "Lead score"}
    assert pipedrive_body(provider_http, *unchanged) == {
        "phones": [{"value": "+33612345678", "primary": True}],
        "custom_fields": {pipedrive.ID_CODE: "key-1", pipedrive.SCORE_CODE: 70},
    }


def test_pipedrives_person_keeps_the_addresses_that_it_has_beside(provider_http):
    had = [{"value": "z@example.org", "primary": True, "label": "home"}]
    body = pipedrive_body(provider_http, *(pipedrive.VALUES.keys() - {"emails"}), emails=had)
    assert [way["value"] for way in body["emails"]] == [pipedrive.EMAIL, "z@example.org"]


def test_pipedrives_deleted_person_is_made_anew_with_all(provider_http):
    pipedrive.stub_fields(provider_http)
    pipedrive.stub_search(provider_http)
    pipedrive.stub_person(provider_http, 7, is_deleted=True)
    stub = pipedrive.stub_done(provider_http, "POST", pipedrive.PERSONS, 8)
    assert pipedrive.save(external_id="7", unchanged=frozenset(pipedrive.VALUES)) == Saved("8", is_new=True)
    assert pipedrive.sent(stub)["name"] == "Zoe Okafor"


ALL = frozenset(activities.VALUES)
PARTICIPANTS = [{"person_id": 7, "primary": True}, {"person_id": 8, "primary": False}]


def activity_body(
    stubs: RequestsMock, changed: set[str], *, note: str = activities.NOTE, subject: str = "Call", **changes: Any
) -> dict[str, Any]:
    """What an activity that is linked is sent, without its participants."""
    stub = activities.stub_changed(stubs, subject=subject, note=note)
    settings = {"external_id": "5", "unchanged": ALL - changed, "keeps_status": True}
    assert activities.save(**{**settings, **changes}) == Saved("5")
    body: dict[str, Any] = activities.sent(stub)
    assert body.pop("participants") == PARTICIPANTS
    return body


@pytest.mark.parametrize(
    ("changed", "sent"),
    [
        ({"subject"}, {"subject": "Sales call"}),
        ({"due_time"}, {"due_date": "2026-11-24", "due_time": "13:00", "duration": "00:30"}),
        ({"location"}, {"location": {"value": "https://zoom.example/j/1"}}),
        (set(), {}),
    ],
)
def test_pipedrives_activity_is_sent_what_has_changed_with_all_of_its_time(provider_http, changed, sent):
    assert activity_body(provider_http, changed) == sent


@pytest.mark.parametrize(
    ("is_cancelled", "held", "sent"),
    [
        (True, "What a rep called it", {"subject": "Cancelled: What a rep called it", "done": True, "busy": False}),
        (False, "Cancelled: Call", {"subject": "Call", "done": False, "busy": True}),
    ],
)
def test_pipedrives_title_that_is_not_ours_to_write_is_only_marked(provider_http, is_cancelled, held, sent):
    body = activity_body(provider_http, set(), subject=held, is_cancelled=is_cancelled, keeps_status=False)
    assert body == sent


def test_pipedrives_title_is_left_as_a_rep_has_marked_it(provider_http):
    assert activity_body(provider_http, set(), subject="canceled: Call") == {}


def test_pipedrives_mark_of_a_rep_stays_on_a_title_that_changes(provider_http):
    body = activity_body(provider_http, {"subject"}, subject="Cancelled: Call")
    assert body == {"subject": "Cancelled: Sales call"}


def test_pipedrives_description_stays_as_people_have_it_where_another_line_changes(provider_http):
    note = "<p>A rep&#39;s own &lt;words&gt;</p><p>Calendar event: evt_0</p><p>Keepsync id: key-1</p><p>Called</p>"
    body = activity_body(provider_http, {"note:Calendar event uid"}, note=note)
    assert body == {
        "note": "A rep's own &lt;words&gt;<br><br>Calendar event: evt_1<br>"
        "Calendar event uid: 9f27@calendar.live<br>Keepsync id: key-1<p>Called</p>"
    }


@pytest.mark.parametrize(
    ("note", "sent"), [("A rep's words", "A rep's words<br>Keepsync id: key-1"), ("", "Keepsync id: key-1")]
)
def test_pipedrives_note_of_a_meeting_that_a_rep_made_is_given_our_key(provider_http, note, sent):
    assert activity_body(provider_http, set(), note=note) == {"note": sent}


def test_nothing_is_sent_to_pipedrive_where_nothing_has_changed(provider_http):
    stub = activities.stub_changed(provider_http, note=activities.NOTE)
    assert activities.save(external_id="5", unchanged=ALL, keeps_status=True, contact_ids=()) == Saved("5")
    assert stub.call_count == 0


def test_pipedrives_activity_that_is_gone_is_made_anew_with_all(provider_http):
    provider_http.get(f"{activities.ACTIVITIES}/5", json={"success": True, "data": {"id": 5, "is_deleted": True}})
    stub = activities.stub_made(provider_http, 6)
    assert activities.save(external_id="5", unchanged=ALL, keeps_status=True) == Saved("6", is_new=True)
    body = activities.sent(stub)
    assert (body["subject"], body["note"], body["done"]) == ("Sales call", activities.NOTE, False)
