"""The API of a running process, over HTTP."""

from typing import Any

import pytest

from tests.integrations.sandbox.support import (
    Receiver,
    Sandbox,
    check_document,
    create,
    later,
    plus,
    received,
    wait_until,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic c2FuZGJveA=="}])
@pytest.mark.parametrize("path", ["calendars", "events", "free_busy", "webhook_deliveries", "events/ev_x"])
def test_without_a_good_token_the_api_answers_401(sandbox: Sandbox, path: str, header: dict[str, str]) -> None:
    response = sandbox.session.get(f"{sandbox.url}/v1/{path}", headers=header, timeout=30)
    assert response.status_code == 401
    check_document(response.json(), "Error")


def test_calendars_are_listed(sandbox: Sandbox) -> None:
    items = sandbox.api("GET", "calendars").json()["items"]
    assert [(item["id"], item["timezone"]) for item in items] == [
        ("cal_emea_sales", "Europe/Paris"),
        ("cal_us_sales", "America/New_York"),
    ]
    for item in items:
        check_document(item, "Calendar")


def test_events_are_created_once_for_a_key(sandbox: Sandbox, webhook_receiver: Receiver) -> None:
    start = later()
    body = {"calendar_id": "cal_us_sales", "title": "T", "start": start, "end": plus(start, hours=1)}
    headers = {"Idempotency-Key": "once"}
    first, again = (sandbox.api("POST", "events", json=body, headers=headers) for _ in range(2))
    other = sandbox.api("POST", "events", json=body | {"title": "U"}, headers=headers)
    keyless = sandbox.api("POST", "events", json=body)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (other.status_code, keyless.status_code) == (422, 422)
    check_document(other.json(), "Error")
    assert [item["type"] for item in received(webhook_receiver, first.json()["id"], 1)] == ["event.created"]


def test_a_taken_slot_answers_409_with_the_conflicts(sandbox: Sandbox) -> None:
    event = create(sandbox, "taken")
    body = {"calendar_id": "cal_us_sales", "title": "T", "start": event["start"], "end": event["end"]}
    for path in ("events", "holds"):
        response = sandbox.api("POST", path, json=body, headers={"Idempotency-Key": "conflict"})
        assert response.status_code == 409
        check_document(response.json(), "SlotConflict")
        assert response.json()["conflicts"] == [{"start": event["start"], "end": event["end"]}]


def test_a_change_needs_the_current_version(sandbox: Sandbox) -> None:
    path = f"events/{create(sandbox, 'patch')['id']}"
    missing = sandbox.api("PATCH", path, json={"title": "U"})
    changed = sandbox.api("PATCH", path, json={"title": "U"}, headers={"If-Match": '"1"'})
    stale = sandbox.api("PATCH", path, json={"title": "V"}, headers={"If-Match": '"1"'})

    assert (missing.status_code, changed.status_code, stale.status_code) == (428, 200, 412)
    assert (changed.json()["title"], changed.json()["version"]) == ("U", 2)
    assert stale.json() == changed.json() == sandbox.api("GET", path).json()


def test_cancelling_twice_is_harmless(sandbox: Sandbox) -> None:
    path = f"events/{create(sandbox, 'delete')['id']}"
    first, second = sandbox.api("DELETE", path), sandbox.api("DELETE", path)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert (first.json()["status"], first.json()["version"]) == ("cancelled", 2)


def test_events_are_listed_by_change(sandbox: Sandbox) -> None:
    event = create(sandbox, "listed")
    listing = {"updated_since": event["updated_at"], "calendar_id": "cal_us_sales", "page_size": 250}
    response = sandbox.api("GET", "events", params=listing)
    assert event in response.json()["items"]
    assert response.json()["next_page_token"] is None
    assert sandbox.api("GET", "events", params={"updated_since": "2020-01-01T00:00:00Z"}).status_code == 410


def test_free_busy_shows_events_and_holds_in_opening_hours(sandbox: Sandbox) -> None:
    start = later()
    hold = {"calendar_id": "cal_us_sales", "start": start, "end": plus(start, hours=1)}
    held = sandbox.api("POST", "holds", json=hold, headers={"Idempotency-Key": "hold"})
    check_document(held.json(), "Hold")
    window = {"calendar_id": "cal_us_sales", "start": start, "end": plus(start, hours=1)}
    assert sandbox.api("GET", "free_busy", params=window).json()["busy"] == [
        {"start": hold["start"], "end": hold["end"]}
    ]
    for _ in range(2):
        assert sandbox.api("DELETE", f"holds/{held.json()['id']}").status_code == 204
    assert sandbox.api("GET", "free_busy", params=window).json()["busy"] == []
    week = window | {"end": plus(start, days=7)}
    assert len(sandbox.api("GET", "free_busy", params=week).json()["availability"]) in (5, 6)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"calendar_id": "cal_x"}, "calendar_id"),
        ({"calendar_id": None}, "calendar_id"),
        ({"start": "now"}, "start"),
        ({"end": "2027-03-05T00:00:00Z"}, "end"),
        ({"end": "2026-12-31T00:00:00Z"}, "end"),
    ],
)
def test_a_bad_window_is_refused_with_its_field(sandbox: Sandbox, changes: dict[str, Any], field: str) -> None:
    window = {"calendar_id": "cal_us_sales", "start": "2027-01-01T00:00:00Z", "end": "2027-03-04T00:00:00Z"}
    assert sandbox.api("GET", "free_busy", params=window).status_code == 200
    response = sandbox.api("GET", "free_busy", params=window | changes)
    assert (response.status_code, response.json()["field"]) == (422, field)
    check_document(response.json(), "Error")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "events/ev_x", 404),
        ("DELETE", "events/ev_x", 404),
        ("POST", "webhook_deliveries/dlv_x/redeliver", 404),
        ("PUT", "events", 405),
        ("POST", "calendars", 405),
        ("GET", "events?page_size=0", 422),
        ("GET", "events?page_token=x", 422),
        ("GET", "webhook_deliveries?status=lost", 422),
        ("POST", "events", 422),
    ],
)
def test_refusals_carry_the_error_body(sandbox: Sandbox, method: str, path: str, status: int) -> None:
    response = sandbox.api(method, path)
    assert response.status_code == status
    check_document(response.json(), "Error")


def test_the_delivery_log_is_listed_and_redelivers(sandbox: Sandbox, webhook_receiver: Receiver) -> None:
    event = create(sandbox, "log")
    (envelope,) = received(webhook_receiver, event["id"], 1)

    def logged() -> dict[str, Any] | None:
        items = sandbox.api("GET", "webhook_deliveries", params={"status": "delivered"}).json()["items"]
        return next((item for item in items if item["id"] == envelope["id"]), None)

    delivery = wait_until(logged, what="the delivery is logged")
    check_document(delivery, "DeliveryLog")
    assert (delivery["event_id"], delivery["attempts"][0]["http_status"]) == (event["id"], 200)
    assert sandbox.api("POST", f"webhook_deliveries/{envelope['id']}/redeliver").status_code == 202
    assert received(webhook_receiver, event["id"], 2) == [envelope, envelope]
