"""What a sales rep does in the played CRMs: meetings and contacts on their pages, or over the API with an own token."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.sandbox.runtime import get_sender
from integrations.sandbox.staff import LEA, SAM
from tests.integrations.sandbox.playing import Played

OBJECTS, PROPERTIES = "/crm/objects/2026-03", "hs_meeting_title,hs_meeting_start_time,hubspot_owner_id"
DATA = "/services/data/v59.0"
ADD = {"hubspot": "meetings/add/", "salesforce": "events/add/", "pipedrive": "activities/add/"}
KINDS = {"hubspot": "meetings", "salesforce": "Event", "pipedrive": "activities"}
RECORDS = {"hubspot": "records", "salesforce": "rows/Event", "pipedrive": "activity"}
CONTACTS = {"hubspot": "records", "salesforce": "rows/Contact", "pipedrive": "person"}
NEW = {"title": "Sales call", "start": "2026-12-01T10:00", "end": "2026-12-01T10:45", "owner": "1", "contact": ""}


@pytest.fixture(params=["hubspot", "salesforce", "pipedrive"])
def crm(request: pytest.FixtureRequest) -> Played:
    played: Played = request.getfixturevalue(request.param)
    return played


def add_contact(crm: Played) -> str:
    fields = {
        "hubspot": {"firstname": "Zoë", "email": "zoe@example.com"},
        "salesforce": {"LastName": "Zoë", "Email": "zoe@example.com"},
        "pipedrive": {"name": "Zoë", "email": "zoe@example.com"},
    }
    assert crm.press("people/add/", **fields[crm.prefix]).status_code == 302
    kind = {"hubspot": "contacts", "salesforce": "Contact", "pipedrive": "persons"}[crm.prefix]
    return read_id(crm.state()["records"][kind][-1])


def add_meeting(crm: Played, **changes: str) -> str:
    answer = crm.press(ADD[crm.prefix], **{**NEW, **changes})
    assert answer.status_code == 302, answer.content
    return read_id(meetings(crm)[-1])


def meetings(crm: Played) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = crm.state()["records"][KINDS[crm.prefix]]
    return found


def read_id(record: Mapping[str, Any]) -> str:
    return str(record.get("Id") or record["id"])


def act(crm: Played, meeting_id: str, what: str, **fields: str) -> int:
    return crm.press(f"{RECORDS[crm.prefix]}/{meeting_id}/{what}/", **fields).status_code


def told(crm: Played) -> list[Any]:
    """What the webhooks said, oldest first."""
    return [json.loads(item.body) for item in reversed(get_sender(crm.prefix).deliveries())]


# --- On the pages -----------------------------------------------------------------------------------------------------


def test_the_page_offers_what_a_rep_does(crm: Played) -> None:
    add_contact(crm)
    add_meeting(crm)
    page = crm.page()
    for words in ("New meeting", "Move: Sales call", "Cancel: Sales call", "Edit contact: Zoë"):
        assert words in page
    assert f">{LEA.name}</option>" in page
    assert SAM.token in page
    assert ">Zoë</option>" in page
    assert 'type="datetime-local" name="start" value="2026-12-01T10:00"' in page


def test_a_new_meeting_of_hubspots_has_its_owner_and_its_contact(hubspot: Played) -> None:
    contact_id = add_contact(hubspot)
    meeting_id = add_meeting(hubspot, contact=contact_id, owner="2")
    path, params = f"{OBJECTS}/meetings/{meeting_id}", {"properties": PROPERTIES, "associations": "contacts"}
    shown = hubspot.json("GET", path, params=params)
    assert shown["properties"]["hs_meeting_title"] == "Sales call"
    assert shown["properties"]["hs_meeting_start_time"] == "2026-12-01T10:00:00.000Z"
    assert [each["id"] for each in shown["associations"]["contacts"]["results"]] == [contact_id]
    owner = hubspot.json("GET", f"/crm/owners/2026-03/{shown['properties']['hubspot_owner_id']}")
    assert (owner["email"], owner["userId"]) == (SAM.email, 8)


def test_a_new_meeting_of_salesforces_has_its_owner_and_its_contact(salesforce: Played) -> None:
    contact_id = add_contact(salesforce)
    row = salesforce.json("GET", f"{DATA}/sobjects/Event/{add_meeting(salesforce, contact=contact_id)}")
    assert (row["Subject"], row["WhoId"], row["DurationInMinutes"]) == ("Sales call", contact_id, 45)
    soql = f"SELECT Email FROM User WHERE Id = '{row['OwnerId']}'"
    (user,) = salesforce.json("GET", f"{DATA}/query", params={"q": soql})["records"]
    assert user["Email"] == LEA.email
    assert row["CreatedById"] == row["LastModifiedById"] == row["OwnerId"]


def test_a_new_meeting_of_pipedrives_has_its_owner_and_its_contact(pipedrive: Played) -> None:
    contact_id = add_contact(pipedrive)
    shown = pipedrive.json("GET", f"/api/v2/activities/{add_meeting(pipedrive, contact=contact_id)}")["data"]
    assert (shown["due_date"], shown["due_time"], shown["duration"]) == ("2026-12-01", "10:00", "00:45")
    assert shown["participants"] == [{"person_id": int(contact_id), "primary": True}]
    assert shown["owner_id"] == shown["creator_user_id"]
    assert pipedrive.json("GET", f"/api/v1/users/{shown['owner_id']}")["data"]["email"] == LEA.email


def test_a_meeting_is_moved_and_cancelled(crm: Played) -> None:
    meeting_id = add_meeting(crm)
    assert act(crm, meeting_id, "move", start="2026-12-02T08:30", end="2026-12-02T09:00") == 302
    assert act(crm, meeting_id, "cancel") == 302
    (meeting,) = meetings(crm)
    match crm.prefix:
        case "hubspot":
            values = meeting["properties"]
            assert values["hs_meeting_start_time"] == values["hs_timestamp"] == "2026-12-02T08:30:00.000Z"
            assert values["hs_meeting_outcome"] == "CANCELED"
        case "salesforce":
            assert meeting["EndDateTime"] == "2026-12-02T09:00:00.000+0000"
            assert (meeting["Subject"], meeting["ShowAs"]) == ("Cancelled: Sales call", "Free")
        case "pipedrive":
            assert (meeting["due_date"], meeting["due_time"], meeting["duration"]) == ("2026-12-02", "08:30", "00:30")
            assert (meeting["subject"], meeting["done"]) == ("Cancelled: Sales call", True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": " "},
        {"title": "x" * 256},
        {"start": "tomorrow"},
        {"end": ""},
        {"end": "2026-12-01T10:00"},
        {"owner": "9"},
        {"owner": ""},
        {"contact": "4711"},
    ],
)
def test_a_meeting_that_cannot_be_is_refused_with_the_reason(crm: Played, wrong: dict[str, str]) -> None:
    answer = crm.press(ADD[crm.prefix], **{**NEW, **wrong})
    assert answer.status_code == 409
    assert not meetings(crm)


@pytest.mark.parametrize(("what", "fields"), [("move", {"start": "2026-12-02T08:30", "end": "soon"}), ("cancel", {})])
def test_what_is_no_meeting_or_no_time_is_refused(crm: Played, what: str, fields: dict[str, str]) -> None:
    contact_id = add_contact(crm)
    if what == "move":
        assert act(crm, add_meeting(crm), what, **fields) == 409
    assert crm.press(f"{CONTACTS[crm.prefix]}/{contact_id}/{what}/", **fields).status_code in (404, 409)


def test_a_contacts_address_and_number_are_changed_and_the_others_stay(pipedrive: Played) -> None:
    contact_id = add_contact(pipedrive)
    path = f"/api/v2/persons/{contact_id}"
    emails = [{"value": "zoe@example.com", "primary": True}, {"value": "home@example.com", "primary": False}]
    pipedrive.json("PATCH", path, json={"emails": emails})
    fields = {"name": "Zoé", "email": "z@example.com", "phone": "+33612345678"}
    assert pipedrive.press(f"person/{contact_id}/edit/", **fields).status_code == 302
    shown = pipedrive.json("GET", path)["data"]
    assert [(way["value"], way["primary"]) for way in shown["emails"]] == [
        ("z@example.com", True),
        ("home@example.com", False),
    ]
    assert ([way["value"] for way in shown["phones"]], shown["name"]) == (["+33612345678"], "Zoé")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("hubspot", {"email": "z@example.com", "phone": "+33612345678", "company": "Hooli"}),
        ("salesforce", {"Email": "z@example.com", "Phone": "+33612345678", "LastName": "Zoé"}),
    ],
)
def test_a_contact_is_edited(request: pytest.FixtureRequest, name: str, fields: dict[str, str]) -> None:
    crm: Played = request.getfixturevalue(name)
    contact_id = add_contact(crm)
    assert crm.press(f"{CONTACTS[name]}/{contact_id}/edit/", **fields).status_code == 302
    (held,) = crm.state()["records"][{"hubspot": "contacts", "salesforce": "Contact"}[name]]
    values = held["properties"] if name == "hubspot" else held
    assert {field: values[field] for field in fields} == fields


# --- Who did it -------------------------------------------------------------------------------------------------------


def test_hubspots_webhooks_say_who_did_it_and_tell_times_in_milliseconds(hubspot: Played) -> None:
    meeting_id = add_meeting(hubspot, owner="2")
    body = {"properties": {"hs_meeting_title": "Changed"}}
    path = f"{OBJECTS}/meetings/{meeting_id}"
    hubspot.json("PATCH", path, json=body)
    hubspot.json("PATCH", path, json={"properties": {"hs_meeting_title": "Again"}}, headers=bearer(LEA.token))
    by_hand, by_app, by_rep = told(hubspot)
    assert {(event["changeSource"], event["sourceId"]) for event in by_hand} == {("CRM_UI", "userId:8")}
    assert [(events[0]["changeSource"], events[0]["sourceId"]) for events in (by_app, by_rep)] == [
        ("INTEGRATION", "5"),
        ("INTEGRATION", "6"),
    ]
    times = {event["propertyName"]: event["propertyValue"] for event in by_hand if "propertyName" in event}
    start = datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert times["hs_meeting_start_time"] == str(round(start.timestamp() * 1000))
    assert times["hs_meeting_end_time"] == str(round((start + timedelta(minutes=45)).timestamp() * 1000))


def test_pipedrives_webhooks_say_who_did_it(pipedrive: Played) -> None:
    meeting_id = add_meeting(pipedrive, owner="2")
    path = f"/api/v2/activities/{meeting_id}"
    pipedrive.json("PATCH", path, json={"subject": "Changed"})
    pipedrive.json("PATCH", path, json={"subject": "Again"}, headers=bearer(LEA.token))
    pipedrive.json("PATCH", path, json={"subject": "And again"}, headers={"x-api-token": SAM.token, **bearer("")})
    assert [(item["meta"]["user_id"], item["meta"]["change_source"]) for item in told(pipedrive)] == [
        ("3", "app"),
        ("1", "api"),
        ("2", "api"),
        ("3", "api"),
    ]


def test_salesforces_records_say_who_changed_them(salesforce: Played) -> None:
    path = f"{DATA}/sobjects/Event/{add_meeting(salesforce, owner='2')}"
    made = salesforce.json("GET", path)
    salesforce.json("PATCH", path, status=204, json={"Subject": "Changed"}, headers=bearer(LEA.token))
    by_rep = salesforce.json("GET", path)
    salesforce.json("PATCH", path, status=204, json={"Subject": "Again"})
    by_app = salesforce.json("GET", path)
    names = {"005000000000001AAA": "app", "005000000000002AAA": "Lea", "005000000000003AAA": "Sam"}
    assert [names[row["LastModifiedById"]] for row in (made, by_rep, by_app)] == ["Sam", "Lea", "app"]
    assert {names[row["CreatedById"]] for row in (made, by_rep, by_app)} == {"Sam"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}" if token else ""}


def test_a_record_made_with_a_reps_token_is_the_reps(pipedrive: Played, salesforce: Played) -> None:
    made = pipedrive.json("POST", "/api/v2/activities", json={"subject": "Call"}, headers=bearer(SAM.token))["data"]
    assert (made["owner_id"], made["creator_user_id"]) == (3, 3)
    times = {"StartDateTime": "2026-12-01T10:00:00Z", "EndDateTime": "2026-12-01T11:00:00Z"}
    row = salesforce.json("POST", f"{DATA}/sobjects/Event", status=201, json=times, headers=bearer(SAM.token))
    assert salesforce.json("GET", f"{DATA}/sobjects/Event/{row['id']}")["OwnerId"] == "005000000000003AAA"


# --- What the API tells of owners and attendees -----------------------------------------------------------------------


def test_owners_that_are_not_known_are_not_found(hubspot: Played, pipedrive: Played) -> None:
    assert hubspot.json("GET", "/crm/owners/2026-03/99", status=404)["category"] == "OBJECT_NOT_FOUND"
    assert pipedrive.call("GET", "/api/v1/users/99").status_code == 404


def test_hubspots_attendees_are_told_for_several_meetings_at_once(hubspot: Played) -> None:
    contact_id = add_contact(hubspot)
    attended, lonely = add_meeting(hubspot, contact=contact_id), add_meeting(hubspot)
    body = {"inputs": [{"id": attended}, {"id": lonely}, {"id": "99"}]}
    path = "/crm/associations/2026-03/meetings/contacts/batch/read"
    answer = hubspot.json("POST", path, status=207, json=body)
    (result,) = answer["results"]
    assert (result["from"]["id"], [each["toObjectId"] for each in result["to"]]) == (attended, [contact_id])
    assert answer["numErrors"] == 2
