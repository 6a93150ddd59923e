"""calendar.live's knobs: the faults of its API, and the addresses that steer it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from integrations.sandbox import settings
from integrations.sandbox.calendar_live.runtime import get_world
from tests.integrations.sandbox.playing import Played
from tests.integrations.sandbox.support import check_document, later, plus


@pytest.fixture
def calendar_live(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    monkeypatch.setattr(get_world(), "_has_endpoint", True)
    played = Played(client, "calendar-live", "https://api.calendar.live")
    played.reset()
    yield played
    played.reset()


def call(played: Played, method: str, path: str, body: Any = None, key: str = "") -> Any:
    headers = {"Authorization": f"Bearer {settings.ACCESS_TOKEN}", "Idempotency-Key": key}
    return played.client.generic(method, f"/v1/{path}", body or b"", content_type="application/json", headers=headers)


def create(played: Played, key: str, start: str) -> Any:
    body = f'{{"calendar_id": "cal_us_sales", "title": "T", "start": "{start}", "end": "{plus(start, hours=1)}"}}'
    return call(played, "POST", "events", body.encode(), key)


def test_too_many_requests_are_answered_as_the_contract_says(calendar_live: Played) -> None:
    calendar_live.turn(rate_429=1, retry_after_s=7)
    answer = call(calendar_live, "GET", "events")
    assert (answer.status_code, answer["Retry-After"], answer["X-RateLimit-Remaining"]) == (429, "7", "0")
    check_document(answer.json(), "Error")


def test_an_outage_and_a_revoked_grant_are_answered_as_the_contract_says(calendar_live: Played) -> None:
    for knobs, status in (({"is_down": True}, 503), ({"is_revoked": True}, 401)):
        calendar_live.turn(**knobs)
        answer = call(calendar_live, "GET", "calendars")
        assert answer.status_code == status
        check_document(answer.json(), "Error")
    calendar_live.turn()
    assert call(calendar_live, "GET", "calendars").status_code == 200


def test_an_event_whose_answer_was_lost_is_found_again_by_its_key(calendar_live: Played) -> None:
    start = later()
    calendar_live.turn(rate_lost=1)
    assert create(calendar_live, "k", start).status_code == 504
    calendar_live.turn()
    again = create(calendar_live, "k", start)
    assert again.status_code == 201
    assert [event["id"] for event in calendar_live.state()["records"]["events"]] == [again.json()["id"]]


def test_a_failing_request_changes_nothing(calendar_live: Played) -> None:
    calendar_live.turn(rate_5xx=1)
    assert create(calendar_live, "k", later()).status_code >= 500
    assert calendar_live.state()["counts"]["events"] == 0


def test_the_state_shows_events_deliveries_and_requests_until_it_is_reset(calendar_live: Played) -> None:
    created = create(calendar_live, "k", later())
    assert created.status_code == 201
    state = calendar_live.state()
    assert state["records"]["events"] == [created.json()]
    assert [item["event_type"] for item in state["records"]["deliveries"]] == ["event.created"]
    assert [(item["method"], item["status"]) for item in state["requests"]] == [("POST", 201)]
    calendar_live.reset()
    counts = calendar_live.state()["counts"]
    assert set(counts.values()) == {0}


def test_webhooks_can_be_lost_by_chance(calendar_live: Played) -> None:
    calendar_live.turn(webhooks={"drop": 1})
    create(calendar_live, "k", later())
    (delivery,) = calendar_live.state()["records"]["deliveries"]
    assert (delivery["status"], delivery["attempts"]) == ("delivered", [])
    assert delivery["note"].startswith("dropped")


def test_a_person_can_switch_faults_on_at_the_page(calendar_live: Played) -> None:
    fields = dict.fromkeys(
        ("latency_ms", "retry_after_s", "rate_429", "rate_lost", "rate_timeout", "seed", "drop"), "0"
    )
    fields |= {"rate_5xx": "1", "double": "0", "reorder": "0.5"}
    assert calendar_live.press("faults/", **fields).status_code == 302
    assert call(calendar_live, "GET", "calendars").status_code >= 500
    page = calendar_live.page()
    assert "Faults of the API" in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert calendar_live.press("faults/", **(fields | {"rate_429": "2"})).status_code == 422
