"""The played HubSpot: its API, held to the published specification."""

import json
from typing import Any

import pytest

from integrations.sandbox.runtime import get_sender
from tests.contract_check import IS_HERE, WHY_NOT
from tests.integrations.sandbox.playing import Played

OBJECTS = "/crm/objects/2026-03"
CONTACTS, MEETINGS = f"{OBJECTS}/contacts", f"{OBJECTS}/meetings"
PROPERTIES = "/crm/properties/2026-03"
KEY = {
    "name": "calendar_attendee_id",
    "label": "Attendee",
    "type": "string",
    "fieldType": "text",
    "groupName": "contactinformation",
    "hasUniqueValue": True,
}


def create(hubspot: Played, **properties: str) -> str:
    body = {"properties": properties, "associations": []}
    record_id: str = hubspot.json("POST", CONTACTS, status=201, json=body)["id"]
    return record_id


def upsert(hubspot: Played, *inputs: dict[str, Any], status: int = 200) -> Any:
    return hubspot.json("POST", f"{CONTACTS}/batch/upsert", status=status, json={"inputs": list(inputs)})


def attendee(value: str, **properties: str) -> dict[str, Any]:
    return {"id": value, "idProperty": "calendar_attendee_id", "properties": properties}


def events() -> list[dict[str, Any]]:
    """What the webhooks said, oldest first."""
    return [event for item in reversed(get_sender("hubspot").deliveries()) for event in json.loads(item.body)]


def meeting(hubspot: Played, *contact_ids: str) -> str:
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 200}]
    body = {
        "properties": {"hs_timestamp": "2026-11-24T10:00:00Z", "hs_meeting_title": "Demo"},
        "associations": [{"to": {"id": contact_id}, "types": types} for contact_id in contact_ids],
    }
    record_id: str = hubspot.json("POST", MEETINGS, status=201, json=body)["id"]
    return record_id


@pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)
def test_the_specification_is_here_so_that_every_call_below_is_held_to_it() -> None:
    assert IS_HERE


def test_a_contact_is_created_read_changed_and_archived(hubspot: Played) -> None:
    contact_id = create(hubspot, email="Zoe@Example.com", firstname="Zoë")
    path = f"{CONTACTS}/{contact_id}"
    hubspot.json("PATCH", path, json={"properties": {"phone": "+33 1", "firstname": ""}})
    shown = hubspot.json("GET", path, params={"properties": "phone,firstname"})

    assert shown["properties"]["email"] == "zoe@example.com"
    assert shown["properties"]["phone"] == "+33 1"
    assert "firstname" not in shown["properties"]
    assert hubspot.json("GET", f"{CONTACTS}/zoe@example.com", params={"idProperty": "email"})["id"] == contact_id
    assert hubspot.call("DELETE", path).status_code == 204
    assert hubspot.json("GET", path, status=404)["category"] == "OBJECT_NOT_FOUND"
    assert hubspot.json("GET", path, params={"archived": "true"})["archived"] is True
    assert hubspot.call("DELETE", path).status_code == 204


def test_a_taken_address_is_refused_with_the_holders_id(hubspot: Played) -> None:
    holder = create(hubspot, email="zoe@example.com")
    body = {"properties": {"email": "ZOE@example.com"}, "associations": []}
    refused = hubspot.json("POST", CONTACTS, status=409, json=body)
    assert refused["message"] == f"Contact already exists. Existing ID: {holder}"
    assert refused["category"] == "CONFLICT"
    other = create(hubspot, email="noor@example.com")
    hubspot.json("PATCH", f"{CONTACTS}/{other}", status=409, json={"properties": {"email": "zoe@example.com"}})


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"nickname": "Z"}, "PROPERTY_DOESNT_EXIST"),
        ({"email": "no address"}, "INVALID_EMAIL"),
        ({"lifecyclestage": "friend"}, "INVALID_OPTION"),
        ({"hs_object_id": "1"}, "READ_ONLY_VALUE"),
    ],
)
def test_bad_values_are_refused_by_name(hubspot: Played, properties: dict[str, str], code: str) -> None:
    body = {"properties": properties, "associations": []}
    assert code in hubspot.json("POST", CONTACTS, status=400, json=body)["message"]
    assert hubspot.state()["counts"]["contacts"] == 0


@pytest.mark.parametrize(
    "body", [{"properties": {}}, {"associations": []}, {"properties": {"phone": 5}, "associations": []}]
)
def test_what_the_specification_requires_is_required(hubspot: Played, body: dict[str, Any]) -> None:
    hubspot.refuse("POST", CONTACTS, status=400, json=body)


@pytest.mark.parametrize("text", ["", "[", "[]", '"x"', "[" * 20_000])
def test_a_body_that_is_no_object_is_refused(hubspot: Played, text: str) -> None:
    hubspot.refuse("POST", CONTACTS, status=400, data=text, headers={"Content-Type": "application/json"})


def test_upserts_by_a_unique_property_create_once_and_then_update(hubspot: Played) -> None:
    hubspot.json("POST", f"{PROPERTIES}/contacts", status=201, json=KEY)
    first = upsert(hubspot, attendee("att_1", firstname="Zoë"), attendee("att_2", email="b@example.com"))
    again = upsert(hubspot, attendee("att_1", lastname="Roe"))

    assert [item["new"] for item in (*first["results"], *again["results"])] == [True, True, False]
    assert again["results"][0]["id"] == first["results"][0]["id"]
    assert again["results"][0]["properties"]["firstname"] == "Zoë"
    assert again["results"][0]["properties"]["calendar_attendee_id"] == "att_1"


def test_what_conflicts_in_a_batch_is_named_in_a_207_and_the_rest_is_done(hubspot: Played) -> None:
    hubspot.json("POST", f"{PROPERTIES}/contacts", status=201, json=KEY)
    holder = create(hubspot, email="zoe@example.com")
    answer = upsert(
        hubspot, attendee("att_1", email="zoe@example.com"), attendee("att_2", firstname="Noor"), status=207
    )

    assert [item["properties"]["firstname"] for item in answer["results"]] == ["Noor"]
    assert answer["numErrors"] == 1
    assert answer["errors"][0]["message"].endswith(holder)
    assert answer["errors"][0]["context"] == {"ids": ["att_1"]}


@pytest.mark.parametrize(
    "inputs",
    [
        [attendee("a", firstname="x"), attendee("A", firstname="y")],
        [attendee(str(number)) for number in range(101)],
        [{"id": "x", "idProperty": "firstname", "properties": {}}],
        [attendee("a", nickname="x"), attendee("b", firstname="y")],
    ],
)
def test_a_batch_that_breaks_a_rule_is_refused_as_a_whole(hubspot: Played, inputs: list[dict[str, Any]]) -> None:
    hubspot.json("POST", f"{PROPERTIES}/contacts", status=201, json=KEY)
    upsert(hubspot, *inputs, status=400)
    assert hubspot.state()["counts"]["contacts"] == 0


def test_batches_create_read_update_and_archive(hubspot: Played) -> None:
    body = {"inputs": [{"properties": {"firstname": name}, "associations": []} for name in ("A", "B")]}
    created = hubspot.json("POST", f"{CONTACTS}/batch/create", status=201, json=body)
    ids = [item["id"] for item in created["results"]]
    hubspot.json("POST", f"{CONTACTS}/batch/update", json={"inputs": [{"id": ids[0], "properties": {"phone": "1"}}]})
    read = {"inputs": [{"id": ids[0]}, {"id": "9999"}], "properties": ["phone"], "propertiesWithHistory": []}
    answer = hubspot.json("POST", f"{CONTACTS}/batch/read", status=207, json=read)
    assert answer["results"][0]["properties"]["phone"] == "1"
    assert answer["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    archive = {"inputs": [{"id": item} for item in ids]}
    assert hubspot.call("POST", f"{CONTACTS}/batch/archive", json=archive).status_code == 204
    assert hubspot.json("GET", CONTACTS)["results"] == []


def test_lists_go_on_where_the_last_page_ended(hubspot: Played) -> None:
    ids = [create(hubspot, firstname=str(number)) for number in range(5)]
    found, after = [], None
    for _ in range(3):
        page = hubspot.json("GET", CONTACTS, params={"limit": 2, **({"after": after} if after else {})})
        found += [item["id"] for item in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after")
    assert found == ids
    assert after is None


def search(hubspot: Played, *filters: dict[str, Any], **changes: Any) -> Any:
    body = {
        "filterGroups": [{"filters": list(filters)}],
        "sorts": ["-firstname"],
        "properties": ["firstname"],
        "limit": 10,
        "after": "",
    }
    return hubspot.json("POST", f"{CONTACTS}/search", json=body | changes)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"propertyName": "email", "operator": "EQ", "value": "A@example.com"}, "A"),
        ({"propertyName": "email", "operator": "IN", "values": ["a@example.com", "b@example.com"]}, "BA"),
        ({"propertyName": "email", "operator": "NOT_IN", "values": ["a@example.com"]}, "CB"),
        ({"propertyName": "phone", "operator": "HAS_PROPERTY"}, "C"),
        ({"propertyName": "phone", "operator": "NOT_HAS_PROPERTY"}, "BA"),
        ({"propertyName": "lastmodifieddate", "operator": "GTE", "value": "2020-01-01T00:00:00Z"}, "CBA"),
        ({"propertyName": "lastmodifieddate", "operator": "LT", "value": "1577836800000"}, ""),
        ({"propertyName": "createdate", "operator": "BETWEEN", "value": "0", "highValue": "9999999999999"}, "CBA"),
        ({"propertyName": "email", "operator": "CONTAINS_TOKEN", "value": "*example.com"}, "CBA"),
        ({"propertyName": "phone", "operator": "NEQ", "value": "1"}, "BA"),
    ],
)
def test_search_finds_what_the_filters_say(hubspot: Played, condition: dict[str, Any], found: str) -> None:
    for name, more in (("A", {}), ("B", {}), ("C", {"phone": "1"})):
        create(hubspot, firstname=name, email=f"{name}@example.com", **more)
    answer = search(hubspot, condition)
    assert "".join(item["properties"]["firstname"] for item in answer["results"]) == found
    assert answer["total"] == len(found)


def test_search_pages_and_refuses_what_it_does_not_know(hubspot: Played) -> None:
    for name in "ABC":
        create(hubspot, firstname=name)
    page = search(hubspot, limit=2)
    assert page["paging"]["next"]["after"] == "2"
    assert [item["properties"]["firstname"] for item in search(hubspot, limit=2, after="2")["results"]] == ["A"]
    good = {"filterGroups": [], "sorts": [], "properties": [], "limit": 10, "after": ""}
    unknown = [{"filters": [{"propertyName": "nickname", "operator": "EQ", "value": "x"}]}]
    for change in ({"filterGroups": unknown}, {"limit": 201}, {"after": "x"}, {"sorts": ["nickname"]}, {"limit": True}):
        hubspot.refuse("POST", f"{CONTACTS}/search", status=400, json=good | change)
    del good["sorts"]
    hubspot.refuse("POST", f"{CONTACTS}/search", status=400, json=good)


def test_a_meeting_needs_its_time_and_is_tied_to_its_contacts(hubspot: Played) -> None:
    contact_id = create(hubspot, firstname="Zoë")
    meeting_id = meeting(hubspot, contact_id)
    shown = hubspot.json("GET", f"{MEETINGS}/{meeting_id}", params={"associations": "contacts"})
    assert shown["associations"]["contacts"]["results"] == [{"id": contact_id, "type": "meeting_to_contact"}]
    listed = hubspot.json("GET", f"{CONTACTS}/{contact_id}/associations/meetings")
    assert [item["toObjectId"] for item in listed["results"]] == [int(meeting_id)]
    hubspot.json("POST", MEETINGS, status=400, json={"properties": {}, "associations": []})
    hubspot.json("PATCH", f"{MEETINGS}/{meeting_id}", json={"properties": {"hs_meeting_outcome": "CANCELED"}})


def test_associations_are_made_and_removed_by_themselves(hubspot: Played) -> None:
    meeting_id, contact_id = meeting(hubspot), create(hubspot, firstname="Zoë")
    path = f"{OBJECTS}/meetings/{meeting_id}/associations"
    for _ in range(2):
        made = hubspot.json("PUT", f"{path}/default/contacts/{contact_id}")
        assert [item["associationSpec"]["associationTypeId"] for item in made["results"]] == [200, 199]
    assert len(hubspot.json("GET", f"{path}/contacts")["results"]) == 1
    assert hubspot.call("DELETE", f"{path}/contacts/{contact_id}").status_code == 204
    assert hubspot.json("GET", f"{path}/contacts")["results"] == []
    hubspot.json("PUT", f"{path}/default/contacts/9999", status=404)


def test_a_merge_gives_a_record_with_a_new_id_that_the_old_ids_lead_to(hubspot: Played) -> None:
    one = create(hubspot, email="zoe@example.com", firstname="Zoë")
    two = create(hubspot, email="z.roe@example.com", firstname="Z.", phone="1")
    meeting_id = meeting(hubspot, two)
    merged = hubspot.json("POST", f"{CONTACTS}/merge", json={"primaryObjectId": one, "objectIdToMerge": two})

    assert merged["id"] not in (one, two)
    assert merged["properties"]["hs_merged_object_ids"] == f"{one};{two}"
    assert (merged["properties"]["firstname"], merged["properties"]["phone"]) == ("Zoë", "1")
    for old in (one, two):
        assert hubspot.json("GET", f"{CONTACTS}/{old}")["id"] == merged["id"]
    by_email = hubspot.json("GET", f"{CONTACTS}/z.roe@example.com", params={"idProperty": "email"})
    assert by_email["id"] == merged["id"]
    assert hubspot.json("GET", CONTACTS)["results"][0]["id"] == merged["id"]
    listed = hubspot.json("GET", f"{MEETINGS}/{meeting_id}/associations/contacts")
    assert [item["toObjectId"] for item in listed["results"]] == [int(merged["id"])]
    again = {"primaryObjectId": one, "objectIdToMerge": two}
    hubspot.json("POST", f"{CONTACTS}/merge", status=400, json=again)
    told = events()[-1]
    assert (told["subscriptionType"], told["primaryObjectId"], told["mergedObjectIds"], told["newObjectId"]) == (
        "contact.merge",
        int(one),
        [int(two)],
        int(merged["id"]),
    )


def test_properties_are_made_once_and_then_accepted(hubspot: Played) -> None:
    path = f"{PROPERTIES}/contacts"
    hubspot.json("GET", f"{path}/calendar_attendee_id", status=404)
    made = hubspot.json("POST", path, status=201, json=KEY)
    assert made["hasUniqueValue"] is True
    hubspot.json("POST", path, status=409, json=KEY)
    assert hubspot.json("GET", f"{path}/calendar_attendee_id") == made
    names = {item["name"] for item in hubspot.json("GET", path)["results"]}
    assert {"email", "calendar_attendee_id"} <= names
    assert hubspot.json("PATCH", f"{path}/calendar_attendee_id", json={"label": "L"})["label"] == "L"
    assert hubspot.call("DELETE", f"{path}/calendar_attendee_id").status_code == 204
    hubspot.json("GET", f"{path}/calendar_attendee_id", status=404)
    hubspot.json("DELETE", f"{path}/email", status=400)


@pytest.mark.parametrize(
    "change",
    [{"name": "Big"}, {"type": "number"}, {"type": "enumeration", "fieldType": "select"}, {"label": None}],
)
def test_a_property_that_cannot_be_is_refused(hubspot: Played, change: dict[str, Any]) -> None:
    hubspot.refuse("POST", f"{PROPERTIES}/contacts", status=400, json=KEY | change)


def test_every_change_is_told_by_webhook(hubspot: Played) -> None:
    contact_id = create(hubspot, firstname="Zoë")
    hubspot.json("PATCH", f"{CONTACTS}/{contact_id}", json={"properties": {"firstname": "Zoë", "phone": "1"}})
    hubspot.call("POST", f"{CONTACTS}/gdpr-delete", json={"objectId": contact_id})

    told = [(event["subscriptionType"], event.get("propertyName"), event["changeSource"]) for event in events()]
    assert told == [
        ("contact.creation", None, "INTEGRATION"),
        ("contact.propertyChange", "firstname", "INTEGRATION"),
        ("contact.propertyChange", "phone", "INTEGRATION"),
        ("contact.privacyDeletion", None, "INTEGRATION"),
    ]
    assert all(event["objectId"] == int(contact_id) for event in events())
    assert len({event["eventId"] for event in events()}) == 4
    assert hubspot.state()["records"]["contacts"][0]["properties"] == {}


def test_a_person_there_changes_merges_and_deletes_on_the_page(hubspot: Played) -> None:
    one, two = create(hubspot, firstname="Zoë"), create(hubspot, firstname="Z.", email="z@example.com")
    assert "Zoë" in hubspot.page()
    assert hubspot.press(f"records/{one}/edit/", firstname="Zoé").status_code == 302
    assert events()[-1]["changeSource"] == "CRM_UI"
    assert "Zoé" in hubspot.page()
    assert hubspot.press(f"records/{one}/merge/", other=two).status_code == 302
    assert hubspot.press(f"records/{two}/delete/").status_code == 302
    assert hubspot.json("GET", CONTACTS)["results"] == []
    refused = hubspot.press(f"records/{one}/edit/", firstname="X")
    assert (refused.status_code, b"no such record any more" in refused.content) == (409, True)
