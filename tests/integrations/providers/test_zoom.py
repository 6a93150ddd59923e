"""Zoom's API: meetings and registrants as its specification says, and its errors as ours."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
import responses
import time_machine
from responses.matchers import query_param_matcher

from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    LostAnswerError,
    MissingError,
    OutageError,
    PayloadError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.zoom.client import (
    MeetingSpec,
    OnlineMeeting,
    Registrant,
    RegistrantSpec,
    add_registrant,
    cancel_registrant,
    create_meeting,
    delete_meeting,
    get_meeting,
    list_page,
    meetings_path,
    update_meeting,
)
from tests.provider_cases import PRIVATE, QUOTED, Good, Page, PagingCases, ProviderCases

ORIGIN = "https://api.zoom.us"
MEETINGS = f"{ORIGIN}/v2/users/me/meetings"
MEETING = f"{ORIGIN}/v2/meetings/85746065432"
REGISTRANTS = f"{MEETING}/registrants"
START = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SPEC = MeetingSpec(
    key="mtg_7",
    topic="Demo",
    agenda="See you there.",
    start=START,
    duration_min=30,
    timezone="Europe/Paris",
    needs_registration=False,
)
JOIN_URL = "https://zoom.us/j/85746065432"
MADE = {"id": 85746065432, "join_url": JOIN_URL, "topic": "Demo", "start_time": "2026-11-24T09:30:00Z", "duration": 30}
ZOE = RegistrantSpec("zoe@example.com", "Zoe", "Okafor")
REGISTERED = {"id": 85746065432, "registrant_id": "r1", "join_url": "https://zoom.us/w/1", "topic": "Demo"}


def account(**options: str) -> Account:
    return Account(ORIGIN, options, {"access_token": "token-1"})


def listed(agenda: str, **fields: Any) -> dict[str, Any]:
    return {**MADE, "agenda": agenda, "type": 2, **fields}


def body_of(call: Any) -> Any:
    return json.loads(call.request.body)


def error_body(code: int, message: str = QUOTED) -> dict[str, Any]:
    return {"code": code, "message": message}


# --- What every provider does -----------------------------------------------------------------------------------------


class ZoomCases(ProviderCases):
    rate_limit_wait_s = 1

    def account(self, base_url: str) -> Account:
        return Account(base_url, credentials={"access_token": "token-1"})

    def error_body(self, status: int) -> Any:
        errors = [{"field": "topic", "message": QUOTED}]
        return {"code": 300 if status == 400 else status, "message": QUOTED, "errors": errors}


class TestMeetingCases(ZoomCases):
    method, url = "POST", MEETINGS
    good = {201: Good(MADE, OnlineMeeting("85746065432", JOIN_URL))}

    def call(self, account: Account) -> Any:
        return create_meeting(account, SPEC, may_exist=True)

    def stub_before(self, http: responses.RequestsMock) -> None:
        http.get(MEETINGS, json={"meetings": []})

    def answer_before(self, method: str, path: str) -> Any:
        return {"meetings": []} if method == "GET" else None


class TestMeetingReadingCases(ZoomCases):
    method, url = "GET", MEETING
    good = {200: Good(MADE, OnlineMeeting("85746065432", JOIN_URL))}

    def call(self, account: Account) -> Any:
        return get_meeting(account, "85746065432")


class TestMeetingUpdateCases(ZoomCases):
    method, url = "PATCH", MEETING
    good = {204: Good()}
    reads_answer = False

    def call(self, account: Account) -> Any:
        update_meeting(account, "85746065432", SPEC)


class TestRegistrantCases(ZoomCases):
    method, url = "POST", REGISTRANTS
    good = {201: Good(REGISTERED, Registrant("r1", "https://zoom.us/w/1"))}

    def call(self, account: Account) -> Any:
        return add_registrant(account, "85746065432", ZOE, may_exist=False)


class TestPages(PagingCases):
    pages = [
        Page("", MEETINGS, {"meetings": [{"id": 1}, {"id": 2}], "next_page_token": "two"}, ["1", "2"]),
        Page("two", MEETINGS, {"meetings": [{"id": 3}], "next_page_token": ""}, ["3"], {"next_page_token": "two"}),
    ]

    def account(self, base_url: str) -> Account:
        return Account(base_url, credentials={"access_token": "token-1"})

    def list_page(self, account: Account, cursor: str) -> tuple[list[str], str]:
        items, following = list_page(account, meetings_path(account), "meetings", token=cursor, type="scheduled")
        return [str(item.integer("id")) for item in items], following


# --- Meetings ---------------------------------------------------------------------------------------------------------


def test_meeting_is_made_in_utc_with_our_mark_first(provider_http):
    call = provider_http.post(MEETINGS, status=201, json=MADE)
    start = START.astimezone(ZoneInfo("America/New_York"))
    made = create_meeting(account(), replace(SPEC, start=start), may_exist=False)
    assert made == OnlineMeeting("85746065432", JOIN_URL)
    assert body_of(call.calls[0]) == {
        "type": 2,
        "topic": "Demo",
        "agenda": "Keepsync mtg_7\n\nSee you there.",
        "start_time": "2026-11-24T09:30:00Z",
        "duration": 30,
        "timezone": "Europe/Paris",
        "settings": {"approval_type": 2},
    }


def test_meeting_with_registration_leaves_the_mails_to_keepsync(provider_http):
    call = provider_http.post(MEETINGS, status=201, json=MADE)
    create_meeting(account(), replace(SPEC, needs_registration=True), may_exist=False)
    assert body_of(call.calls[0])["settings"] == {
        "approval_type": 0,
        "registration_type": 1,
        "registrants_confirmation_email": False,
        "registrants_email_notification": False,
    }


def test_texts_and_times_are_made_to_fit(provider_http):
    call = provider_http.post(MEETINGS, status=201, json=MADE)
    long = replace(SPEC, topic="t" * 300, agenda="a" * 3000, duration_min=0, timezone="Mars/Olympus")
    create_meeting(account(), long, may_exist=False)
    body = body_of(call.calls[0])
    assert (len(body["topic"]), len(body["agenda"]), body["duration"]) == (200, 2000, 1)
    assert body["agenda"].startswith("Keepsync mtg_7")
    assert "timezone" not in body


def test_meeting_is_made_for_the_host_that_is_named(provider_http):
    provider_http.post(f"{ORIGIN}/v2/users/lea%40acme.example/meetings", status=201, json=MADE)
    assert create_meeting(account(user_id="lea@acme.example"), SPEC, may_exist=False).external_id == "85746065432"


@pytest.mark.parametrize("agenda", ["Keepsync mtg_7", "Keepsync mtg_7\n\nSee", "Keepsync mtg_7 See"])
def test_meeting_of_a_lost_answer_is_found_on_any_page(provider_http, agenda):
    others = [listed("Keepsync mtg_77\n\nAnother"), {"id": 3}, listed("About Keepsync mtg_7")]
    first = {"type": "scheduled", "page_size": "300"}
    provider_http.get(MEETINGS, match=[query_param_matcher(first)], json={"meetings": others, "next_page_token": "two"})
    provider_http.get(
        MEETINGS,
        match=[query_param_matcher({**first, "next_page_token": "two"})],
        json={"meetings": [listed(agenda, id=99)], "next_page_token": ""},
    )
    assert create_meeting(account(), SPEC, may_exist=True) == OnlineMeeting("99", JOIN_URL)
    assert [call.request.method for call in provider_http.calls] == ["GET", "GET"]


def test_meeting_that_is_found_in_an_older_state_is_brought_up_to_date(provider_http):
    found = listed("Keepsync mtg_7", start_time="2026-11-23T09:30:00Z")
    provider_http.get(MEETINGS, json={"meetings": [found]})
    call = provider_http.patch(MEETING, status=204)
    assert create_meeting(account(), SPEC, may_exist=True).external_id == "85746065432"
    assert body_of(call.calls[0])["start_time"] == "2026-11-24T09:30:00Z"


def test_meeting_that_is_not_found_is_made(provider_http):
    provider_http.get(MEETINGS, json={"meetings": [listed("")]})
    made = provider_http.post(MEETINGS, status=201, json=MADE)
    create_meeting(account(), SPEC, may_exist=True)
    assert made.call_count == 1


@pytest.mark.parametrize("answer", [{}, {"meetings": None}, {"meetings": [{"agenda": 7}]}])
def test_nothing_is_made_while_the_list_cannot_be_read(faulty_http, answer):
    faulty_http.get(MEETINGS, json=answer)
    made = faulty_http.post(MEETINGS, status=201, json=MADE)
    with pytest.raises(PayloadError, match="meetings"):
        create_meeting(account(), SPEC, may_exist=True)
    assert made.call_count == 0


def test_pages_that_go_round_in_a_circle_end(provider_http):
    provider_http.get(MEETINGS, json={"meetings": [], "next_page_token": "again"})
    with pytest.raises(PayloadError, match="next_page_token"):
        create_meeting(account(), SPEC, may_exist=True)


@pytest.mark.parametrize("answer", [{"id": 7}, {"join_url": JOIN_URL}, {"id": 0, "join_url": JOIN_URL}])
def test_meeting_that_was_made_and_cannot_be_read_is_a_lost_answer(faulty_http, answer):
    call = faulty_http.post(MEETINGS, status=201, json=answer)
    with pytest.raises(LostAnswerError, match="answer"):
        create_meeting(account(), SPEC, may_exist=False)
    assert call.call_count == 1


def test_creation_is_not_repeated_after_an_outage(provider_http):
    call = provider_http.post(MEETINGS, status=503)
    with pytest.raises(OutageError):
        create_meeting(account(), SPEC, may_exist=False)
    assert call.call_count == 1


def test_update_sends_the_whole_state_and_is_repeated_after_an_outage(provider_http):
    provider_http.patch(MEETING, status=502)
    call = provider_http.patch(MEETING, status=204)
    update_meeting(account(), "85746065432", SPEC)
    body = body_of(call.calls[0])
    assert body["start_time"] == "2026-11-24T09:30:00Z"
    assert body["settings"] == {"approval_type": 2}
    assert body["agenda"].startswith("Keepsync mtg_7")


@pytest.mark.parametrize(("status", "code"), [(404, 3001), (400, 3001), (404, 404)])
def test_meeting_that_is_gone_is_missing_and_deleted(provider_http, status, code):
    for method in ("GET", "PATCH", "DELETE"):
        provider_http.add(method, MEETING, status=status, json=error_body(code, "Meeting does not exist: 85746065432."))
    with pytest.raises(MissingError):
        get_meeting(account(), "85746065432")
    with pytest.raises(MissingError):
        update_meeting(account(), "85746065432", SPEC)
    delete_meeting(account(), "85746065432")
    assert [call.request.method for call in provider_http.calls] == ["GET", "PATCH", "DELETE"]


def test_meeting_is_deleted_though_the_first_answer_was_lost(provider_http):
    provider_http.delete(MEETING, body=requests.ReadTimeout())
    call = provider_http.delete(MEETING, status=404, json=error_body(3001))
    delete_meeting(account(), "85746065432")
    assert call.call_count == 1


# --- Registrants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_name", "last_name", "sent"),
    [
        ("Zoe", "Okafor", {"first_name": "Zoe", "last_name": "Okafor"}),
        ("  ", " ", {"first_name": "zoe"}),
        ("Z" * 80, "O" * 80, {"first_name": "Z" * 63 + "…", "last_name": "O" * 63 + "…"}),
    ],
)
def test_registrant_has_a_first_name_always(provider_http, first_name, last_name, sent):
    call = provider_http.post(REGISTRANTS, status=201, json=REGISTERED)
    spec = RegistrantSpec("zoe@example.com", first_name, last_name)
    assert add_registrant(account(), "85746065432", spec, may_exist=False) == Registrant("r1", "https://zoom.us/w/1")
    assert body_of(call.calls[0]) == {"email": "zoe@example.com", **sent}


def test_registrant_of_a_lost_answer_is_found_by_the_address(provider_http):
    others = [{"id": "r8", "email": "ann@example.com", "first_name": "Ann"}]
    zoe = {"id": "r9", "email": "Zoe@Example.com", "first_name": "Zoe", "join_url": "https://zoom.us/w/9"}
    first = {"status": "approved", "page_size": "300"}
    provider_http.get(
        REGISTRANTS, match=[query_param_matcher(first)], json={"registrants": others, "next_page_token": "two"}
    )
    provider_http.get(
        REGISTRANTS,
        match=[query_param_matcher({**first, "next_page_token": "two"})],
        json={"registrants": [zoe], "next_page_token": ""},
    )
    found = add_registrant(account(), "85746065432", ZOE, may_exist=True)
    assert found == Registrant("r9", "https://zoom.us/w/9")


def test_registrant_who_is_not_found_is_added(provider_http):
    provider_http.get(REGISTRANTS, json={"registrants": []})
    call = provider_http.post(REGISTRANTS, status=201, json=REGISTERED)
    assert add_registrant(account(), "85746065432", ZOE, may_exist=True).registrant_id == "r1"
    assert call.call_count == 1


def test_registrant_who_waits_for_approval_has_no_link(provider_http):
    provider_http.post(REGISTRANTS, status=201, json={"id": 1, "registrant_id": "r1"})
    assert add_registrant(account(), "85746065432", ZOE, may_exist=False) == Registrant("r1", "")


def test_answer_without_a_registrant_is_a_lost_one(faulty_http):
    faulty_http.post(REGISTRANTS, status=201, json={"id": 1, "join_url": "https://zoom.us/w/1"})
    with pytest.raises(LostAnswerError, match="registrant_id"):
        add_registrant(account(), "85746065432", ZOE, may_exist=False)


@pytest.mark.parametrize(
    ("status", "answer", "expected", "text"),
    [
        (
            400,
            error_body(3043, "Meeting has reached maximum attendee capacity."),
            PermanentError,
            "The webinar is full",
        ),
        (
            404,
            error_body(3043, "Meeting has reached maximum attendee capacity."),
            PermanentError,
            "The webinar is full",
        ),
        (400, error_body(3038, "Meeting is over, you can not register now."), PermanentError, "Registration is closed"),
        (404, error_body(1001, "Meeting does not exist: 85746065432."), MissingError, "no such meeting"),
        (404, error_body(404, "Registration has not been enabled for this meeting: 1."), SetupError, "licence"),
    ],
)
def test_refused_registration_says_why(provider_http, status, answer, expected, text):
    provider_http.post(REGISTRANTS, status=status, json=answer)
    with pytest.raises(KeepsyncError, match=text) as caught:
        add_registrant(account(), "85746065432", ZOE, may_exist=False)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("registrant_id", "sent"),
    [("r1", {"id": "r1", "email": "zoe@example.com"}), ("", {"email": "zoe@example.com"})],
)
def test_registrant_is_cancelled(provider_http, registrant_id, sent):
    call = provider_http.put(f"{REGISTRANTS}/status", status=204)
    cancel_registrant(account(), "85746065432", registrant_id, "zoe@example.com")
    assert body_of(call.calls[0]) == {"action": "cancel", "registrants": [sent]}


def test_cancelling_at_a_meeting_that_is_gone_is_done(provider_http):
    call = provider_http.put(f"{REGISTRANTS}/status", status=404, json=error_body(3001))
    cancel_registrant(account(), "85746065432", "r1", "zoe@example.com")
    assert call.call_count == 1


# --- Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (401, 124, "Access token is expired.", ReauthoriseError),
        (400, 124, "Invalid access token.", ReauthoriseError),
        (404, 1001, "User does not exist: me.", SetupError),
        (400, 1010, "User not found on this account.", SetupError),
        (400, 200, "No permission.", SetupError),
        (400, 3161, "Your user account is not allowed meeting hosting.", SetupError),
        (400, 4711, "Invalid access token, does not contain scopes:[meeting:write].", SetupError),
        (400, 3000, "Cannot access meeting info.", PermanentError),
        (404, 404, "No such path.", MissingError),
        (409, 300, "In use.", ConflictError),
        (500, 124, "Out of order.", OutageError),
    ],
)
def test_zooms_error_codes_have_their_class(provider_http, status, code, message, expected):
    provider_http.post(MEETINGS, status=status, json=error_body(code, message))
    with pytest.raises(KeepsyncError) as caught:
        create_meeting(account(), SPEC, may_exist=False)
    assert type(caught.value) is expected
    assert message not in str(caught.value)


def test_failed_validation_names_the_fields_and_no_values(provider_http):
    errors = [{"field": "email", "message": QUOTED}, {"field": QUOTED, "message": "x"}, {"field": "settings.audio"}, 7]
    answer = {"code": 300, "message": "Validation Failed.", "errors": errors}
    provider_http.post(MEETINGS, status=400, json=answer)
    with pytest.raises(PermanentError, match=r"email, settings\.audio") as caught:
        create_meeting(account(), SPEC, may_exist=False)
    assert not any(private in str(caught.value) for private in PRIVATE)


@pytest.mark.parametrize("code", ["300", None, [], {}, 3.5])
@pytest.mark.parametrize("errors", [None, 7, [None], [{"field": None}]])
def test_error_bodies_of_other_shapes_are_taken_by_their_status(provider_http, code, errors):
    provider_http.post(MEETINGS, status=400, json={"code": code, "message": 7, "errors": errors})
    with pytest.raises(PermanentError):
        create_meeting(account(), SPEC, may_exist=False)


@pytest.mark.parametrize(
    "message",
    [
        "You have exceeded the daily rate limit (100) of Meeting Create/Update API requests permitted for this "
        "particular user. You may resume these requests at GMT 00:00:00.",
        "You have exceeded the daily rate limit of (3) for Add meeting registrant API requests for the registrant "
        "(zoe.okafor@example.com). You can resume these API requests at GMT 00:00:00.",
    ],
)
def test_daily_limit_waits_for_midnight_in_utc_and_holds_nobody_else(provider_http, message):
    provider_http.post(MEETINGS, status=429, json=error_body(429, message), headers={"Retry-After": "1"})
    late = time_machine.travel(datetime(2026, 11, 20, 22, 30, tzinfo=UTC), tick=False)
    with late, pytest.raises(RateLimitedError, match="daily limit") as caught:
        create_meeting(account(), SPEC, may_exist=False)
    assert caught.value.retry_after_s == pytest.approx(90 * 60, abs=60)
    assert caught.value.retry_after_s >= 90 * 60
    assert not caught.value.holds_connection
    assert not any(private in str(caught.value) for private in PRIVATE)


def test_passing_limit_holds_the_connection(provider_http):
    message = "You have reached the maximum per-second rate limit for this API. Try again later."
    provider_http.post(MEETINGS, status=429, json=error_body(429, message))
    with pytest.raises(RateLimitedError) as caught:
        create_meeting(account(), SPEC, may_exist=False)
    assert (caught.value.retry_after_s, caught.value.holds_connection) == (1, True)


# --- The connection's test --------------------------------------------------------------------------------------------


def test_connection_test_reads_the_hosts_meetings(provider_http):
    query = query_param_matcher({"type": "scheduled", "page_size": "1"})
    call = provider_http.get(MEETINGS, match=[query], json={"meetings": [], "total_records": 0})
    assert "answers" in get_provider("zoom").test(account())
    assert call.calls[0].request.headers["Authorization"] == "Bearer token-1"


def test_connection_test_refuses_what_is_not_zooms_answer(faulty_http):
    faulty_http.get(MEETINGS, json={"status": "ok"})
    with pytest.raises(PayloadError, match="meetings"):
        get_provider("zoom").test(account())


def test_connection_without_a_token_says_what_to_do():
    with pytest.raises(SetupError, match="authorise"):
        create_meeting(Account(ORIGIN), SPEC, may_exist=False)
