"""The played Zoom: its API, held to the published specification."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from integrations.sandbox.clock import utc_now
from integrations.sandbox.runtime import get_sender
from tests.integrations.sandbox.playing import Played

MEETINGS = "/v2/users/me/meetings"
BASIC = {"Authorization": "Basic " + base64.b64encode(b"id:secret").decode()}


def starts(**ahead: float) -> str:
    return (utc_now() + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def create(zoom: Played, user: str = "me", **fields: Any) -> Any:
    body = {"topic": "Demo", "type": 2, "start_time": starts(days=1), "duration": 30, "timezone": "UTC"} | fields
    return zoom.json("POST", f"/v2/users/{user}/meetings", status=201, json=body)


def register(zoom: Played, meeting_id: int, email: str) -> Any:
    body = {"email": email, "first_name": "Zoë", "last_name": "Roe"}
    return zoom.json("POST", f"/v2/meetings/{meeting_id}/registrants", status=201, json=body)


def told() -> list[dict[str, Any]]:
    return [json.loads(item.body) for item in reversed(get_sender("zoom").deliveries())]


def test_a_meeting_is_made_shown_changed_and_deleted(zoom: Played) -> None:
    made = create(zoom, agenda="keepsync:ev_1")
    path = f"/v2/meetings/{made['id']}"
    start = starts(days=2)
    assert zoom.call("PATCH", path, json={"start_time": start, "topic": "Later"}).status_code == 204
    shown = zoom.json("GET", path)

    assert (shown["topic"], shown["start_time"], shown["agenda"]) == ("Later", start, "keepsync:ev_1")
    assert shown["join_url"] == made["join_url"]
    assert zoom.call("DELETE", path).status_code == 204
    assert zoom.json("GET", path, status=404)["code"] == 3001
    assert zoom.json("DELETE", path, status=404)["message"] == f"Meeting does not exist: {made['id']}."
    assert [item["event"] for item in told()] == ["meeting.created", "meeting.updated", "meeting.deleted"]
    assert told()[1]["payload"]["old_object"]["topic"] == "Demo"
    assert told()[2]["payload"]["object"]["id"] == made["id"]


def test_a_time_without_z_is_in_the_meetings_zone(zoom: Played) -> None:
    body = {"start_time": "2030-01-07T09:00:00", "timezone": "Europe/Paris"}
    made = zoom.refuse("POST", MEETINGS, status=201, json=body)
    assert made["start_time"] == "2030-01-07T08:00:00Z"


def test_a_start_in_the_past_is_ignored_without_a_word(zoom: Played) -> None:
    made = create(zoom)
    assert zoom.call("PATCH", f"/v2/meetings/{made['id']}", json={"start_time": starts(days=-1)}).status_code == 204
    assert zoom.json("GET", f"/v2/meetings/{made['id']}")["start_time"] == made["start_time"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"topic": "x" * 201}, "topic"),
        ({"duration": "30"}, "duration"),
        ({"type": 5}, "type"),
        ({"start_time": "tomorrow"}, "start_time"),
        ({"timezone": "Paris"}, "timezone"),
        ({"settings": {"approval_type": 3}}, "settings"),
        ({"type": 8}, "recurrence"),
        ({"agenda": "x" * 2001}, "agenda"),
    ],
)
def test_bad_fields_are_named(zoom: Played, body: dict[str, Any], field: str) -> None:
    answer = zoom.refuse("POST", MEETINGS, status=400, json=body)
    assert (answer["code"], answer["message"]) == (300, "Validation Failed.")
    assert [item["field"] for item in answer["errors"]] == [field]
    assert zoom.state()["counts"]["meetings"] == 0


def test_lists_are_a_hosts_own_in_pages_with_the_agenda(zoom: Played) -> None:
    ids = [create(zoom, agenda=f"keepsync:{number}")["id"] for number in range(3)]
    create(zoom, user="lea.martin@acme.example")
    page = zoom.json("GET", MEETINGS, params={"type": "upcoming", "page_size": 2})
    rest = zoom.json("GET", MEETINGS, params={"page_size": 2, "next_page_token": page["next_page_token"]})

    assert [item["id"] for item in (*page["meetings"], *rest["meetings"])] == ids
    assert rest["next_page_token"] == ""
    assert rest["meetings"][0]["agenda"] == "keepsync:2"
    tomorrow = (utc_now() + timedelta(days=1)).date().isoformat()
    assert len(zoom.json("GET", MEETINGS, params={"from": tomorrow, "to": tomorrow})["meetings"]) == 3
    assert zoom.json("GET", MEETINGS, params={"from": "2040-01-01"})["meetings"] == []
    assert zoom.json("GET", MEETINGS, params={"type": "previous_meetings"})["meetings"] == []
    zoom.refuse("GET", MEETINGS, status=400, params={"page_size": 301})
    zoom.refuse("GET", MEETINGS, status=400, params={"from": "soon"})
    assert zoom.json("GET", "/v2/users/nobody@example.com/meetings", status=404)["code"] == 1001


def test_a_host_makes_and_changes_a_hundred_meetings_a_day(zoom: Played) -> None:
    made = [create(zoom) for _ in range(99)]
    zoom.call("PATCH", f"/v2/meetings/{made[0]['id']}", json={"topic": "T"})
    refused = zoom.json("POST", MEETINGS, status=429, json={"topic": "T"})
    assert "daily rate limit (100)" in refused["message"]
    assert zoom.call("PATCH", f"/v2/meetings/{made[0]['id']}", json={"topic": "U"}).status_code == 429
    create(zoom, user="lea.martin@acme.example")
    assert zoom.call("DELETE", f"/v2/meetings/{made[0]['id']}").status_code == 204


def test_registrants_need_a_meeting_with_registration(zoom: Played) -> None:
    plain = create(zoom)
    body = {"email": "zoe@example.com", "first_name": "Zoë"}
    refused = zoom.json("POST", f"/v2/meetings/{plain['id']}/registrants", status=404, json=body)
    assert "Registration has not been enabled" in refused["message"]
    zoom.json("POST", "/v2/meetings/123/registrants", status=404, json=body)
    for missing in ({"email": "zoe@example.com"}, {"first_name": "Zoë"}, {"email": "zoe", "first_name": "Z"}):
        zoom.refuse("POST", f"/v2/meetings/{plain['id']}/registrants", status=400, json=missing)


def test_the_same_address_is_registered_once(zoom: Played) -> None:
    meeting_id = create(zoom, settings={"approval_type": 0, "registration_type": 1})["id"]
    path = f"/v2/meetings/{meeting_id}/registrants"
    first, again = register(zoom, meeting_id, "zoe@example.com"), register(zoom, meeting_id, "ZOE@example.com")
    register(zoom, meeting_id, "noor@example.com")

    assert first["registrant_id"] == again["registrant_id"]
    assert first["join_url"] == again["join_url"]
    listed = zoom.json("GET", path)
    assert [item["email"] for item in listed["registrants"]] == ["zoe@example.com", "noor@example.com"]
    assert zoom.json("GET", f"{path}/{first['registrant_id']}")["last_name"] == "Roe"
    assert [item["event"] for item in told()].count("meeting.registration_created") == 2


def test_registrants_are_removed_and_cancelled(zoom: Played) -> None:
    meeting_id = create(zoom, settings={"approval_type": 1})["id"]
    path = f"/v2/meetings/{meeting_id}/registrants"
    one, two, three = (register(zoom, meeting_id, f"{name}@example.com")["registrant_id"] for name in "abc")

    assert zoom.json("GET", path)["registrants"] == []
    assert len(zoom.json("GET", path, params={"status": "pending"})["registrants"]) == 3
    assert zoom.call("DELETE", f"{path}/{one}").status_code == 204
    assert zoom.json("DELETE", f"{path}/{one}", status=400)["code"] == 300
    approve = {"action": "approve", "registrants": [{"id": two}, {"email": "c@example.com"}]}
    assert zoom.call("PUT", f"{path}/status", json=approve).status_code == 204
    assert [item["id"] for item in zoom.json("GET", path)["registrants"]] == [two, three]
    zoom.call("PUT", f"{path}/status", json={"action": "cancel", "registrants": [{"id": two}]})
    assert [item["id"] for item in zoom.json("GET", path)["registrants"]] == [three]
    zoom.refuse("PUT", f"{path}/status", status=400, json={"action": "forget"})


def test_faults_are_answered_in_zooms_words(zoom: Played) -> None:
    zoom.turn(rate_429=1, retry_after_s=3)
    answer = zoom.call("GET", MEETINGS)
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["code"]) == (429, "3", 429)
    zoom.turn(is_revoked=True)
    assert zoom.json("GET", MEETINGS, status=401) == {"code": 124, "message": "Invalid access token."}


def test_a_host_changes_starts_and_deletes_on_the_page(zoom: Played) -> None:
    made = create(zoom, settings={"approval_type": 0})
    register(zoom, made["id"], "zoe@example.com")
    assert "registrants: 1" in zoom.page()
    for button, fields in (("edit", {"topic": "New topic"}), ("turn", {}), ("turn", {}), ("delete", {})):
        assert zoom.press(f"meetings/{made['id']}/{button}/", **fields).status_code == 302
    events = [item["event"] for item in told()][2:]
    assert events == ["meeting.updated", "meeting.started", "meeting.ended", "meeting.deleted"]
    assert zoom.press(f"meetings/{made['id']}/delete/").status_code == 409
    assert "New topic" in zoom.page()
