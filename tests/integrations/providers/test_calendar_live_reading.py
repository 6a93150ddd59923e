"""Reading calendar.live's events and its delivery log, as its contract says."""

from datetime import UTC, datetime

import pytest

from integrations.exceptions import MissingError, PayloadError, RateLimitedError, ReauthoriseError
from integrations.providers.base import Account
from integrations.providers.calendar_live.reading import (
    get_event,
    list_events,
    list_webhook_deliveries,
    redeliver,
)
from tests.factories import make_payload

URL = "https://api.calendar.live"
SINCE = datetime(2026, 11, 20, 8, tzinfo=UTC)
ACCOUNT = Account(URL, credentials={"access_token": "token-1"})
ERROR = {"code": "some_code", "message": "Some message"}


def make_event(**fields):
    return make_payload(**fields)["data"]["event"]


def page(*items, token=None):
    return {"items": list(items), "next_page_token": token}


def log_item(delivery_id="dlv_1", status="failed"):
    return {
        "id": delivery_id,
        "event_type": "event.created",
        "event_id": "evt_1",
        "status": status,
        "attempts": [{"at": "2026-11-20T08:00:00Z", "http_status": None, "error": "timeout", "duration_ms": 10_000}],
        "created_at": "2026-11-20T08:00:00Z",
    }


def test_events_are_listed_page_by_page_since_a_moment(provider_http):
    provider_http.get(f"{URL}/v1/events", json=page(make_event(id="evt_1"), token="t1"))
    provider_http.get(f"{URL}/v1/events", json=page(make_event(id="evt_2", version=7)))
    first = list_events(ACCOUNT, updated_since=SINCE)
    second = list_events(ACCOUNT, updated_since=SINCE, cursor=first.cursor)
    assert [each.id for each in (*first.bookings, *second.bookings)] == ["evt_1", "evt_2"]
    assert (first.cursor, second.cursor, second.bookings[0].version) == ("t1", "", 7)
    asked = [call.request.params for call in provider_http.calls]
    assert asked[0] == {"page_size": "250", "updated_since": "2026-11-20T08:00:00Z"}
    assert asked[1] == {**asked[0], "page_token": "t1"}


def test_a_full_listing_names_no_moment(provider_http):
    provider_http.get(f"{URL}/v1/events", json=page())
    assert list_events(ACCOUNT, updated_since=None).bookings == []
    assert provider_http.calls[0].request.params == {"page_size": "250"}


def test_changes_that_are_not_kept_any_more_are_missing(provider_http):
    provider_http.get(f"{URL}/v1/events", status=410, json=ERROR)
    with pytest.raises(MissingError):
        list_events(ACCOUNT, updated_since=SINCE)


@pytest.mark.parametrize("lacking", ["uid", "start", "id"])
def test_an_event_that_cannot_be_read_is_named_and_does_not_hold_up_its_page(faulty_http, lacking):
    broken = {name: value for name, value in make_event(id="evt_1").items() if name != lacking}
    faulty_http.get(f"{URL}/v1/events", json=page(broken, make_event(id="evt_2")))
    found = list_events(ACCOUNT, updated_since=None)
    assert [each.id for each in found.bookings] == ["evt_2"]
    assert [each.id for each in found.unread] == ["" if lacking == "id" else "evt_1"]
    assert lacking in found.unread[0].problem


def test_a_page_that_leads_to_itself_is_refused(provider_http):
    provider_http.get(f"{URL}/v1/events", json=page(token="t1"))
    with pytest.raises(PayloadError, match="next_page_token"):
        list_events(ACCOUNT, updated_since=None, cursor="t1")


def test_one_event_is_read_and_one_that_is_not_there_is_none(provider_http):
    provider_http.get(f"{URL}/v1/events/evt%2F1", json=make_event(id="evt/1"))
    provider_http.get(f"{URL}/v1/events/evt_2", status=404, json=ERROR)
    found = get_event(ACCOUNT, "evt/1")
    assert found is not None
    assert found.id == "evt/1"
    assert get_event(ACCOUNT, "evt_2") is None


@pytest.mark.parametrize(("status", "error"), [(401, ReauthoriseError), (429, RateLimitedError)])
def test_refusals_are_told_apart(provider_http, status, error):
    provider_http.get(f"{URL}/v1/events", status=status, json=ERROR, headers={"Retry-After": "7"})
    with pytest.raises(error):
        list_events(ACCOUNT, updated_since=None)


def test_the_delivery_log_is_read_by_status_and_page(provider_http):
    provider_http.get(f"{URL}/v1/webhook_deliveries", json=page(log_item("dlv_1"), token="t1"))
    provider_http.get(f"{URL}/v1/webhook_deliveries", json=page(log_item("dlv_2")))
    first = list_webhook_deliveries(ACCOUNT, since=SINCE, status="failed")
    second = list_webhook_deliveries(ACCOUNT, since=SINCE, status="failed", cursor=first.cursor)
    assert [each.id for each in (*first.deliveries, *second.deliveries)] == ["dlv_1", "dlv_2"]
    assert second.cursor == ""
    asked = [call.request.params for call in provider_http.calls]
    assert asked[1] == {"since": "2026-11-20T08:00:00Z", "status": "failed", "page_token": "t1"}


def test_a_delivery_is_asked_for_again(provider_http):
    provider_http.post(f"{URL}/v1/webhook_deliveries/dlv_1/redeliver", status=202, json=log_item(status="pending"))
    provider_http.post(f"{URL}/v1/webhook_deliveries/dlv_2/redeliver", status=404, json=ERROR)
    redeliver(ACCOUNT, "dlv_1")
    with pytest.raises(MissingError):
        redeliver(ACCOUNT, "dlv_2")
