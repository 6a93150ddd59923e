"""The played Pipedrive: API v2 and v1, held to the published specifications."""

import json
from typing import Any

import pytest

from integrations.sandbox.runtime import get_sender
from tests.integrations.sandbox.playing import ACCESS_TOKEN, Played

PERSONS, ACTIVITIES, FIELDS = "/api/v2/persons", "/api/v2/activities", "/api/v2/personFields"


def person(pipedrive: Played, name: str = "Zoë Roe", *emails: str, **fields: Any) -> int:
    body = {"name": name, "emails": [{"value": email, "primary": False} for email in emails]} | fields
    record_id: int = pipedrive.json("POST", PERSONS, json=body)["data"]["id"]
    return record_id


def activity(pipedrive: Played, *person_ids: int, **fields: Any) -> int:
    participants = [{"person_id": person_id, "primary": False} for person_id in person_ids]
    body = {"subject": "Demo", "type": "meeting", "participants": participants} | fields
    record_id: int = pipedrive.json("POST", ACTIVITIES, json=body)["data"]["id"]
    return record_id


def show(pipedrive: Played, path: str, **params: Any) -> Any:
    return pipedrive.json("GET", path, params=params)["data"]


def told() -> list[dict[str, Any]]:
    return [json.loads(item.body) for item in reversed(get_sender("pipedrive").deliveries())]


def test_a_person_is_made_read_changed_and_deleted(pipedrive: Played) -> None:
    number = person(pipedrive, "Zoë van Roe", "zoe@example.com", "z@example.com")
    path = f"{PERSONS}/{number}"
    changed = pipedrive.json("PATCH", path, json={"phones": [{"value": "1"}]})["data"]

    assert (changed["first_name"], changed["last_name"]) == ("Zoë", "van Roe")
    assert [way["primary"] for way in changed["emails"]] == [True, False]
    assert changed["phones"] == [{"value": "1", "primary": True, "label": "work"}]
    assert pipedrive.json("DELETE", path)["data"] == {"id": number}
    assert show(pipedrive, path)["is_deleted"] is True
    assert show(pipedrive, PERSONS) == []
    assert pipedrive.json("PATCH", path, status=404, json={"name": "X"})["error"] == "Person not found"
    pipedrive.json("GET", f"{PERSONS}/999", status=404)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": " "},
        {"name": "Z", "email": "z@example.com"},
        {"name": "Z", "emails": ["z@example.com"]},
        {"name": "Z", "emails": [{"value": "z@example.com", "kind": "x"}]},
        {"name": "Z", "owner_id": "1"},
        {"name": "Z", "owner_id": True},
        {"name": "Z", "custom_fields": {"0" * 40: "x"}},
        {"name": "Z", "birthday": "soon"},
        {"name": "Z", "marketing_status": "keen"},
        {"name": "Z", "label_ids": ["x"]},
        {"name": "Z", "postal_address": "Paris"},
    ],
)
def test_bodies_that_the_strict_api_does_not_know_are_refused(pipedrive: Played, body: dict[str, Any]) -> None:
    answer = pipedrive.refuse("POST", PERSONS, status=400, json=body)
    assert (answer["success"], answer["code"]) == (False, "ERR_SCHEMA_VALIDATION_FAILED")
    assert pipedrive.state()["counts"]["persons"] == 0


def test_custom_fields_are_made_by_name_and_written_by_code(pipedrive: Played) -> None:
    made = pipedrive.json("POST", FIELDS, json={"field_name": "Keepsync id", "field_type": "varchar"})["data"]
    choice = {"field_name": "Size", "field_type": "enum", "options": [{"label": "small"}, {"label": "big"}]}
    size = pipedrive.json("POST", FIELDS, json=choice)["data"]
    code = made["field_code"]
    number = person(pipedrive, custom_fields={code: "c-1", size["field_code"]: 2})

    assert len(code) == 40
    assert size["options"] == [{"id": 1, "label": "small"}, {"id": 2, "label": "big"}]
    listed = show(pipedrive, FIELDS, limit=500)
    assert [item["field_name"] for item in listed if item["is_custom_field"]] == ["Keepsync id", "Size"]
    pipedrive.json("PATCH", f"{PERSONS}/{number}", json={"custom_fields": {size["field_code"]: None}})
    shown = show(pipedrive, f"{PERSONS}/{number}")["custom_fields"]
    assert shown == {code: "c-1", size["field_code"]: None}
    assert show(pipedrive, PERSONS, ids=str(number), custom_fields=code)[0]["custom_fields"] == {code: "c-1"}
    for value in (5, "x" * 256):
        pipedrive.json("POST", PERSONS, status=400, json={"name": "Z", "custom_fields": {code: value}})
    pipedrive.json("POST", PERSONS, status=400, json={"name": "Z", "custom_fields": {size["field_code"]: 3}})


@pytest.mark.parametrize(
    "body",
    [
        {"field_name": "", "field_type": "text"},
        {"field_name": "x", "field_type": "int"},
        {"field_name": "x", "field_type": "enum"},
        {"field_name": "x", "field_type": "text", "options": [{"label": "y"}]},
    ],
)
def test_fields_that_cannot_be_are_refused(pipedrive: Played, body: dict[str, Any]) -> None:
    pipedrive.refuse("POST", FIELDS, status=400, json=body)


def found(pipedrive: Played, **params: Any) -> list[str]:
    items = show(pipedrive, f"{PERSONS}/search", **params)["items"]
    return [item["item"]["name"] for item in items]


def test_persons_are_searched_for_by_whole_or_part(pipedrive: Played) -> None:
    for name in "AB":
        person(pipedrive, f"Name {name}", f"{name}@example.com", phones=[{"value": f"+1{name}"}])
    assert found(pipedrive, term="a@EXAMPLE.com", fields="email", exact_match="true") == ["Name A"]
    assert found(pipedrive, term="example", fields="email") == ["Name A", "Name B"]
    assert found(pipedrive, term="example", fields="email", exact_match="true") == []
    assert found(pipedrive, term="+1b") == ["Name B"]
    pipedrive.json("GET", f"{PERSONS}/search", status=400, params={"term": "x"})
    pipedrive.refuse("GET", f"{PERSONS}/search", status=400, params={"term": "xx", "fields": "mood"})


def test_lists_are_filtered_sorted_and_cut_into_pages(pipedrive: Played) -> None:
    numbers = [person(pipedrive, f"P{number}") for number in range(5)]
    listed, cursor = [], ""
    for _ in range(3):
        params: dict[str, Any] = {"limit": 2, "sort_by": "add_time", "sort_direction": "desc"} | (
            {"cursor": cursor} if cursor else {}
        )
        page = pipedrive.json("GET", PERSONS, params=params)
        listed += [item["id"] for item in page["data"]]
        cursor = page["additional_data"].get("next_cursor", "")
    assert (listed, cursor) == (numbers[::-1], "")
    assert len(show(pipedrive, PERSONS, updated_since="2020-01-01T00:00:00Z")) == 5
    assert show(pipedrive, PERSONS, updated_until="2020-01-01T00:00:00Z") == []
    assert show(pipedrive, PERSONS, owner_id=9) == []
    for bad in ({"limit": 501}, {"cursor": "x"}, {"sort_by": "name"}, {"updated_since": "now"}, {"owner_id": "x"}):
        pipedrive.refuse("GET", PERSONS, status=400, params=bad)


def test_an_activity_has_participants_of_whom_one_leads(pipedrive: Played) -> None:
    one, two = person(pipedrive, "One"), person(pipedrive, "Two")
    number = activity(pipedrive, one, two, due_date="2026-11-24", due_time="09:30", duration="00:30", note="<b>x</b>")
    path = f"{ACTIVITIES}/{number}"
    shown = show(pipedrive, path)
    assert (shown["person_id"], shown["due_time"], shown["done"]) == (one, "09:30", False)
    activity(pipedrive, two)
    assert [item["id"] for item in show(pipedrive, ACTIVITIES, person_id=one)] == [number]
    pipedrive.json("PATCH", path, json={"done": True, "participants": []})
    assert "person_id" not in show(pipedrive, path)
    assert [item["id"] for item in show(pipedrive, ACTIVITIES, done="true")] == [number]
    pipedrive.json("DELETE", path)
    assert show(pipedrive, path)["is_deleted"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"participants": [{"person_id": 999}]},
        {"due_time": "9.30"},
        {"duration": "half an hour"},
        {"due_date": "24.11.2026"},
        {"type": "party"},
        {"person_id": 1},
        {"location": "Paris"},
    ],
)
def test_activities_that_cannot_be_are_refused(pipedrive: Played, change: dict[str, Any]) -> None:
    pipedrive.refuse("POST", ACTIVITIES, status=400, json={"subject": "x", "type": "meeting"} | change)


@pytest.mark.parametrize("root", ["/api/v1", "/v1"])
def test_a_merge_removes_the_person_in_the_address(pipedrive: Played, root: str) -> None:
    goes = person(pipedrive, "Z.", "z@example.com", job_title="CTO")
    stays = person(pipedrive, "Zoë", "zoe@example.com")
    both, only = activity(pipedrive, goes, stays), activity(pipedrive, goes)
    answer = pipedrive.call(
        "PUT", f"{root}/persons/{goes}/merge", is_checked=root == "/api/v1", json={"merge_with_id": stays}
    )
    data = answer.json()["data"]
    assert (data["id"], data["name"], [way["value"] for way in data["email"]]) == (
        stays,
        "Zoë",
        ["zoe@example.com", "z@example.com"],
    )
    assert show(pipedrive, f"{PERSONS}/{goes}")["is_deleted"] is True
    assert show(pipedrive, f"{PERSONS}/{stays}")["job_title"] == "CTO"
    assert show(pipedrive, f"{ACTIVITIES}/{only}")["person_id"] == stays
    assert show(pipedrive, f"{ACTIVITIES}/{both}")["participants"] == [{"person_id": stays, "primary": True}]
    metas = [(item["meta"]["action"], item["meta"]["entity_id"]) for item in told()[-2:]]
    assert metas == [("delete", str(goes)), ("change", str(stays))]
    assert told()[-2]["meta"]["merged_to_id"] == str(stays)
    pipedrive.json("PUT", f"/api/v1/persons/{goes}/merge", status=404, json={"merge_with_id": stays})
    pipedrive.json("PUT", f"/api/v1/persons/{stays}/merge", status=400, json={"merge_with_id": stays})
    pipedrive.refuse("PUT", f"/api/v1/persons/{stays}/merge", status=400, json={"merge_with_id": "1"})


def test_every_change_is_told_with_what_was_before(pipedrive: Played) -> None:
    number = person(pipedrive, "Zoë")
    for _ in range(2):
        pipedrive.json("PATCH", f"{PERSONS}/{number}", json={"name": "Zoé"})
    created, changed = told()
    assert (created["meta"]["action"], created["previous"], created["data"]["name"]) == ("create", None, "Zoë")
    assert (changed["meta"]["action"], changed["previous"]["name"], changed["data"]["name"]) == ("change", "Zoë", "Zoé")
    assert changed["meta"]["id"] != created["meta"]["id"]
    assert changed["meta"]["change_source"] == "api"


def test_both_kinds_of_tokens_are_taken_and_others_refused(pipedrive: Played) -> None:
    assert Played(pipedrive.client, "pipedrive", pipedrive.host, {"x-api-token": ACCESS_TOKEN}).json("GET", PERSONS)
    wrong = Played(pipedrive.client, "pipedrive", pipedrive.host, {"x-api-token": "wrong"})
    assert wrong.json("GET", PERSONS, status=401)["errorCode"] == 401
    pipedrive.turn(rate_429=1, retry_after_s=2)
    answer = pipedrive.call("GET", PERSONS)
    assert (answer.status_code, answer.headers["x-ratelimit-reset"]) == (429, "2")


def test_a_person_there_adds_changes_merges_and_deletes_on_the_page(pipedrive: Played) -> None:
    assert pipedrive.press("people/add/", name="Zoë Roe", email="zoe@example.com").status_code == 302
    assert pipedrive.press("people/add/", name="").status_code == 409
    one, two = show(pipedrive, PERSONS)[0]["id"], person(pipedrive, "Other")
    meeting = activity(pipedrive, two)
    assert "zoe@example.com" in pipedrive.page()
    assert pipedrive.press(f"person/{one}/edit/", name="Zoé").status_code == 302
    assert told()[-1]["meta"]["change_source"] == "app"
    assert pipedrive.press(f"person/{one}/merge/", other=str(two)).status_code == 302
    assert pipedrive.press(f"activity/{meeting}/delete/").status_code == 302
    assert pipedrive.press(f"person/{two}/edit/", name="X").status_code == 409
    assert pipedrive.press(f"person/{one}/merge/", other="x").status_code == 409
    assert [item["name"] for item in show(pipedrive, PERSONS)] == ["Zoé"]
