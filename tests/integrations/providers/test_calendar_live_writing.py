"""What is changed at calendar.live: each request and answer as its contract says, and its refusals as our errors."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import responses

from integrations.exceptions import (
    ConflictError,
    InputError,
    LostAnswerError,
    MissingError,
    PayloadError,
    SlotTakenError,
    StaleVersionError,
)
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.calendar_live.mapping import read_booking
from integrations.providers.calendar_live.writing import (
    Hold,
    create_event,
    create_hold,
    delete_event,
    delete_hold,
    get_event,
    patch_event,
)
from tests.factories import read_sample
from tests.provider_cases import QUOTED, Good, ProviderCases

ORIGIN = "https://api.calendar.live"
EVENTS, EVENT = f"{ORIGIN}/v1/events", f"{ORIGIN}/v1/events/ev_9f27c1"
HOLDS = f"{ORIGIN}/v1/holds"
START, END = "2026-11-24T13:00:00Z", "2026-11-24T13:30:00Z"
EVENT_ANSWER: dict[str, Any] = read_sample("event_created")["data"]["event"]
BOOKING = read_booking(PayloadReader(EVENT_ANSWER, "event"))
HOLD_ANSWER = {"id": "hold_1", "calendar_id": "cal_1", "start": START, "end": END, "expires_at": START}
HOLD = Hold("hold_1", datetime(2026, 11, 24, 13, tzinfo=UTC))
INPUT = {"calendar_id": "cal_1", "title": "Demo", "start": START, "end": END, "client_reference": "ref-1"}
TAKEN = {"code": "slot_taken", "message": QUOTED, "conflicts": [{"start": START, "end": END}]}


def account() -> Account:
    return Account(ORIGIN, credentials={"access_token": "token-1"})


def hold(account: Account) -> Hold:
    return create_hold(account, calendar_id="cal_1", start=START, end=END, ttl_s=300, key="key-1")


# --- What every provider does -----------------------------------------------------------------------------------------


class CalendarLiveCases(ProviderCases):
    errors = {422: InputError}

    def account(self, base_url: str) -> Account:
        return Account(base_url, credentials={"access_token": "token-1"})

    def error_body(self, status: int) -> Any:
        return {"code": "bad", "message": QUOTED}


class TestCreatingCases(CalendarLiveCases):
    method, url = "POST", EVENTS
    good = {201: Good(EVENT_ANSWER, BOOKING)}

    def call(self, account: Account) -> Any:
        return create_event(account, INPUT, key="key-1")


class TestReadingCases(CalendarLiveCases):
    method, url = "GET", EVENT
    good = {200: Good(EVENT_ANSWER, BOOKING)}

    def call(self, account: Account) -> Any:
        return get_event(account, "ev_9f27c1")


class TestChangingCases(CalendarLiveCases):
    method, url = "PATCH", EVENT
    good = {200: Good(EVENT_ANSWER, BOOKING)}

    def call(self, account: Account) -> Any:
        return patch_event(account, "ev_9f27c1", {"title": "Demo"}, version=1)


class TestCancellingCases(CalendarLiveCases):
    method, url = "DELETE", EVENT
    good = {200: Good(EVENT_ANSWER, BOOKING)}

    def call(self, account: Account) -> Any:
        return delete_event(account, "ev_9f27c1")


class TestHoldingCases(CalendarLiveCases):
    method, url = "POST", HOLDS
    good = {201: Good(HOLD_ANSWER, HOLD)}

    def call(self, account: Account) -> Any:
        return hold(account)


class TestReleasingCases(CalendarLiveCases):
    method, url = "DELETE", f"{HOLDS}/hold_1"
    good = {204: Good()}
    reads_answer = False

    def call(self, account: Account) -> Any:
        return delete_hold(account, "hold_1")


# --- What is sent -----------------------------------------------------------------------------------------------------


def test_a_creation_carries_its_key_and_a_change_its_version(provider_http: responses.RequestsMock) -> None:
    provider_http.post(EVENTS, status=201, json=EVENT_ANSWER)
    provider_http.patch(EVENT, json=EVENT_ANSWER)
    create_event(account(), INPUT, key="key-1")
    patch_event(account(), "ev_9f27c1", {"title": "Demo"}, version=7)
    created, changed = (call.request for call in provider_http.calls)
    assert (created.headers["Idempotency-Key"], json.loads(created.body or b"")) == ("key-1", INPUT)
    assert (changed.headers["If-Match"], json.loads(changed.body or b"")) == ('"7"', {"title": "Demo"})


def test_an_id_stays_one_part_of_the_address(provider_http: responses.RequestsMock) -> None:
    provider_http.delete(f"{EVENTS}/a%2F..%3Fb", json=EVENT_ANSWER)
    delete_event(account(), "a/..?b")
    assert str(provider_http.calls[0].request.url).endswith("/v1/events/a%2F..%3Fb")


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [hold, lambda account: create_event(account, INPUT, key="key-1")])
def test_a_taken_slot_names_what_is_in_the_way(call: Any, provider_http: responses.RequestsMock) -> None:
    for url in (EVENTS, HOLDS):
        provider_http.post(url, status=409, json=TAKEN)
    provider_http.assert_all_requests_are_fired = False
    with pytest.raises(SlotTakenError) as refusal:
        call(account())
    (conflict,) = refusal.value.conflicts
    assert conflict == (datetime(2026, 11, 24, 13, tzinfo=UTC), datetime(2026, 11, 24, 13, 30, tzinfo=UTC))
    assert QUOTED not in str(refusal.value)


def test_a_stale_version_brings_the_event_as_it_is(provider_http: responses.RequestsMock) -> None:
    provider_http.patch(EVENT, status=412, json={**EVENT_ANSWER, "version": 9})
    with pytest.raises(StaleVersionError) as refusal:
        patch_event(account(), "ev_9f27c1", {"title": "Demo"}, version=1)
    assert refusal.value.current.version == 9


def test_a_value_that_is_not_accepted_names_its_field(provider_http: responses.RequestsMock) -> None:
    provider_http.post(EVENTS, status=422, json={"code": "invalid", "message": QUOTED, "field": "timezone"})
    with pytest.raises(InputError) as refusal:
        create_event(account(), INPUT, key="key-1")
    assert (refusal.value.field, QUOTED in str(refusal.value)) == ("timezone", False)


@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"conflicts": 7}'])
def test_a_refusal_that_cannot_be_read_is_a_conflict_all_the_same(
    status: int, body: str, faulty_http: responses.RequestsMock
) -> None:
    faulty_http.patch(EVENT, status=status, body=body)
    with pytest.raises(ConflictError) as refusal:
        patch_event(account(), "ev_9f27c1", {"title": "Demo"}, version=1)
    assert type(refusal.value) is ConflictError


def test_what_is_not_there_is_missing(provider_http: responses.RequestsMock) -> None:
    provider_http.get(EVENT, status=404, json={"code": "not_found", "message": QUOTED})
    with pytest.raises(MissingError):
        get_event(account(), "ev_9f27c1")


@pytest.mark.parametrize(("body", "error"), [("", LostAnswerError), ("{}", PayloadError), ("7", PayloadError)])
def test_an_answer_that_is_no_event_is_refused(
    body: str, error: type[Exception], faulty_http: responses.RequestsMock
) -> None:
    faulty_http.get(EVENT, body=body)
    with pytest.raises(error):
        get_event(account(), "ev_9f27c1")
