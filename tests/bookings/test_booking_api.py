"""Booking, changing and cancelling through the API: every status, its body, and what is here and at calendar.live."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission, User
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from bookings.jobs import sweep_bookings
from bookings.models import BookingRequest, Calendar, Meeting, Reservation
from contacts.models import Contact
from integrations.models import Connection, Drain, Effect
from tests.bookings.calendar_world import (
    CREATE,
    DELETE,
    EMEA,
    FREE_BUSY,
    HOLD,
    PATCH,
    TOKEN,
    CalendarLive,
    Hook,
    calendar_world,
    change_there,
    iso,
    make_body,
    workday,
)
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.playing import connect, let_time_pass, pair_with_hubspot, run_effects
from tests.factories import make_connection

pytestmark = pytest.mark.django_db
TEN = workday(0, 10)
HALF = timedelta(minutes=30)

type Post = Callable[..., Any]


@pytest.fixture
def calendar() -> Connection:
    return make_connection(options={"default_region": "FR", "access_token": TOKEN})


@pytest.fixture
def live(calendar: Connection) -> Iterator[CalendarLive]:
    with calendar_world() as world:
        yield world


@pytest.fixture
def post(api: APIClient, live: CalendarLive) -> Post:
    def post(start: Any = TEN, key: str | None = "key-1", **fields: Any) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        return api.post("/api/meetings/", {**make_body(start), **fields}, headers=headers)

    return post


def booked(post: Post, start: Any = TEN, key: str = "key-1", **fields: Any) -> dict[str, Any]:
    response = post(start, key, **fields)
    assert response.status_code == 201, response.content
    return response.json()


def periods() -> list[tuple[str, str]]:
    return [(iso(row.start), iso(row.end)) for row in Reservation.objects.order_by("start")]


# --- Booking ----------------------------------------------------------------------------------------------------------


def test_a_booking_is_made_here_and_there(post: Post, live: CalendarLive) -> None:
    meeting = booked(post, external_id="crm-7", description="As discussed.")
    (event,) = live.events
    assert {key: meeting[key] for key in ("external_id", "calendar_event_uid", "version", "status", "title")} == {
        "external_id": "crm-7",
        "calendar_event_uid": event["uid"],
        "version": 1,
        "status": "confirmed",
        "title": "Renewal",
    }
    assert (meeting["start"], meeting["end"]) == (iso(TEN), iso(TEN + HALF))
    assert meeting["calendar"] == {"id": EMEA, "name": "EMEA sales", "timezone": "Europe/Paris"}
    assert meeting["external_ids"] == {"calendar-live": event["id"]}
    assert meeting["conflict"] is None
    (attendee,) = meeting["attendees"]
    contact = Contact.objects.get()
    assert attendee == {
        "contact": str(contact.pk),
        "email": "zoe.okafor@example.com",
        "full_name": "Zoë Okafor",
        "response": "needs_action",
    }
    assert (event["client_reference"], event["source"], event["status"]) == (meeting["id"], "api", "confirmed")
    assert live.holds == []
    assert periods() == [(iso(TEN), iso(TEN + HALF))]


def test_the_steps_are_free_busy_hold_and_creation(post: Post, live: CalendarLive) -> None:
    booked(post)
    assert live.told == ["GET /v1/calendars", FREE_BUSY, HOLD, CREATE]


def test_its_webhook_finds_the_meeting_whichever_comes_first(post: Post, live: CalendarLive) -> None:
    live.hooks.append(hook_after(CREATE, lambda: live.tell_all()))
    meeting = booked(post)
    live.tell_all()
    assert [str(row.pk) for row in Meeting.objects.all()] == [meeting["id"]]
    assert Contact.objects.count() == 1
    assert periods() == [(iso(TEN), iso(TEN + HALF))]


@pytest.mark.parametrize("name", ["caller", "event"])
def test_it_is_found_by_its_callers_id_and_by_calendar_lives(
    name: str, post: Post, live: CalendarLive, api: APIClient
) -> None:
    meeting = booked(post, external_id="crm-7")
    external_id = "crm-7" if name == "caller" else live.events[0]["id"]
    (found,) = api.get("/api/meetings/", {"external_id": external_id}).json()["results"]
    assert found["id"] == meeting["id"]


def test_the_time_zone_and_offsets_of_the_caller_are_understood(post: Post) -> None:
    local = TEN.astimezone(tz=None)
    meeting = booked(post, start=TEN, end=(TEN + HALF).isoformat(), timezone="America/New_York")
    assert (meeting["start"], meeting["timezone"]) == (iso(local.astimezone(TEN.tzinfo)), "America/New_York")


# --- Keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "", "   "])
def test_without_a_key_it_is_400(key: str | None, post: Post, live: CalendarLive) -> None:
    response = post(key=key)
    assert (response.status_code, response.json()["field"]) == (400, "Idempotency-Key")
    assert live.told == []


def test_a_repeated_key_is_200_with_the_first_answer(post: Post, live: CalendarLive) -> None:
    first = booked(post)
    live.tell({**live.events[0], "version": 9, "title": "Renamed"})
    again = post()
    assert (again.status_code, again.json()) == (200, first)
    assert len(live.events) == 1


def test_a_key_with_another_body_is_422(post: Post, live: CalendarLive) -> None:
    booked(post)
    response = post(title="Another")
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert len(live.events) == 1


def test_another_users_key_is_another_key(post: Post, api: APIClient, live: CalendarLive) -> None:
    first = booked(post)
    other = User.objects.create_superuser("other")
    api.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=other).key}")
    assert booked(post, TEN + HALF)["id"] != first["id"]


def test_a_key_whose_slot_was_taken_goes_on_being_answered_so(post: Post, live: CalendarLive) -> None:
    live.book("trial", TEN)
    first = post()
    assert (first.status_code, post().status_code) == (409, 409)
    assert post().json() == first.json()


def test_a_key_is_not_used_up_by_a_mistake(post: Post) -> None:
    assert post(timezone="Mars/Base").status_code == 400
    booked(post)


def test_what_was_asked_for_is_forgotten_after_a_week_and_the_key_is_not(post: Post) -> None:
    meeting = booked(post)
    BookingRequest.objects.update(finished_at=TEN - timedelta(days=60))
    sweep_bookings()
    request = BookingRequest.objects.get()
    assert (request.body, request.answer) == ({}, None)
    again = post()
    assert (again.status_code, again.json()["id"]) == (200, meeting["id"])


# --- Mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("calendar", None),
        ("calendar", "cal_nowhere"),
        ("calendar", "x\0y"),
        ("title", ""),
        ("title", "x" * 501),
        ("title", ["x"]),
        ("start", "tomorrow"),
        ("start", "2026-12-01T10:00:00"),
        ("start", "0001-01-01T00:00:00Z"),
        ("end", iso(TEN)),
        ("end", iso(TEN - HALF)),
        ("end", iso(TEN + timedelta(days=40))),
        ("timezone", "Mars/Base"),
        ("attendees", []),
        ("attendees", "zoe@example.com"),
        ("attendees", [{"full_name": "Zoë"}]),
        ("attendees", [{"email": "zoe@example.com"}, {"email": "no address"}]),
        ("external_id", "x" * 256),
        ("connection", "nobody"),
        ("recurrence", {"rrule": "FREQ=DAILY"}),
    ],
)
def test_a_mistake_is_400_and_names_the_field(field: str, value: Any, api: APIClient, live: CalendarLive) -> None:
    response = api.post("/api/meetings/", make_body(TEN) | {field: value}, headers={"Idempotency-Key": "k"})
    assert (response.status_code, response.json()["field"]) == (400, field), response.content
    assert response.json().keys() == {"code", "message", "field"}
    assert live.events == []
    assert not BookingRequest.objects.exists()


@pytest.mark.parametrize("field", ["calendar", "title", "start", "end", "timezone", "attendees"])
def test_a_field_that_lacks_is_400_and_named(field: str, api: APIClient, live: CalendarLive) -> None:
    body = make_body(TEN)
    del body[field]
    response = api.post("/api/meetings/", body, headers={"Idempotency-Key": "k"})
    assert (response.status_code, response.json()["field"]) == (400, field)


def test_a_calendar_of_two_connections_needs_the_connection(post: Post, live: CalendarLive) -> None:
    make_connection("second", options={"access_token": TOKEN})
    response = post()
    assert (response.status_code, response.json()["field"]) == (400, "connection")
    meeting = booked(post, key="key-2", connection="second")
    assert list(meeting["external_ids"]) == ["second"]


def test_an_unknown_calendar_is_503_while_calendar_live_is_away(post: Post, live: CalendarLive) -> None:
    live.is_away = True
    response = post()
    assert (response.status_code, response.json()["code"]) == (503, "provider_away")
    assert response["Retry-After"] == "5"


def test_booking_needs_a_permission_that_reading_does_not(api: APIClient, live: CalendarLive, calendar: Any) -> None:
    viewer = User.objects.create_user("viewer")
    api.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=viewer).key}")
    assert api.get("/api/meetings/").status_code == 200
    body, headers = make_body(TEN), {"Idempotency-Key": "k"}
    assert api.post("/api/meetings/", body, headers=headers).status_code == 403
    viewer.user_permissions.add(Permission.objects.get(codename="add_meeting"))
    meeting = api.post("/api/meetings/", body, headers=headers)
    assert meeting.status_code == 201
    address = f"/api/meetings/{meeting.json()['id']}/"
    assert (api.patch(address, {}).status_code, api.delete(address).status_code) == (403, 403)


# --- Taken slots ------------------------------------------------------------------------------------------------------


def test_a_taken_slot_is_409_with_conflicts_and_the_three_nearest_free_ones(post: Post, live: CalendarLive) -> None:
    live.book("trial", TEN)
    response = post()
    assert response.status_code == 409
    taken = response.json()
    assert taken.pop("message")
    assert taken == {
        "code": "slot_taken",
        "conflicts": [{"start": iso(TEN), "end": iso(TEN + HALF)}],
        "alternatives": [
            {"start": iso(TEN + shift), "end": iso(TEN + shift + HALF)} for shift in (-HALF, HALF, -2 * HALF)
        ],
    }
    assert (Meeting.objects.count(), Reservation.objects.count()) == (0, 0)


def test_alternatives_lie_inside_the_opening_hours(post: Post, live: CalendarLive) -> None:
    nine = workday(1, 9)
    live.book("trial", nine)
    starts = [each["start"] for each in post(nine).json()["alternatives"]]
    assert starts == [iso(nine + shift) for shift in (HALF, 2 * HALF, 3 * HALF)]


def test_what_is_reserved_here_is_taken_whatever_calendar_live_says(post: Post, live: CalendarLive) -> None:
    booked(post)
    live.world.reset()
    response = post(TEN + timedelta(minutes=15), "key-2")
    assert response.status_code == 409
    assert response.json()["conflicts"] == [{"start": iso(TEN), "end": iso(TEN + HALF)}]


@pytest.mark.parametrize("route", [HOLD, CREATE])
def test_a_slot_that_somebody_takes_between_two_steps_is_409_and_nothing_is_left(
    route: str, post: Post, live: CalendarLive
) -> None:
    def take() -> None:
        live.world.read().state.holds.clear()
        live.book("trial", TEN)

    live.hooks.append(hook_before(route, take))
    response = post()
    assert (response.status_code, response.json()["code"]) == (409, "slot_taken")
    assert len(response.json()["alternatives"]) == 3
    assert (Meeting.objects.count(), Reservation.objects.count(), len(live.events)) == (0, 0, 1)
    assert live.holds == []


def test_buffers_keep_time_free_around_meetings(post: Post, live: CalendarLive) -> None:
    booked(post)
    Calendar.objects.update(buffer_before_min=10, buffer_after_min=15)
    assert post(TEN + HALF, "key-2").status_code == 409
    alternatives = post(TEN + HALF, "key-3").json()["alternatives"]
    assert {"start": iso(TEN + HALF), "end": iso(TEN + 2 * HALF)} not in alternatives
    booked(post, TEN + HALF + timedelta(minutes=10), "key-4")


# --- calendar.live away -----------------------------------------------------------------------------------------------


def know_calendar(post: Post) -> None:
    booked(post, workday(3, 15), "before")


def test_while_calendar_live_is_away_the_meeting_is_tentative_and_confirmed_later(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    know_calendar(post)
    live.is_away = True
    response = post(external_id="crm-7")
    assert response.status_code == 202
    meeting = response.json()
    assert {name: meeting[name] for name in ("status", "external_id", "calendar_event_uid", "external_ids")} == {
        "status": "tentative",
        "external_id": "crm-7",
        "calendar_event_uid": "",
        "external_ids": {},
    }
    assert [each["email"] for each in meeting["attendees"]] == ["zoe.okafor@example.com"]
    assert post(external_id="crm-7").json() == meeting
    assert post(TEN, "key-2").status_code == 409

    live.is_away = False
    let_time_pass(hours=1)
    run_effects()
    latest = api.get(f"/api/meetings/{meeting['id']}/").json()
    event = next(each for each in live.standing if each["start"] == iso(TEN))
    assert (latest["status"], latest["calendar_event_uid"]) == ("confirmed", event["uid"])
    assert len(latest["attendees"]) == 1
    live.tell_all()
    assert Meeting.objects.count() == 2
    assert Contact.objects.count() == 1
    repeated = post(external_id="crm-7")
    assert (repeated.status_code, repeated.json()) == (200, meeting)


def test_each_minute_it_is_asked_again_and_burns_no_try(post: Post, live: CalendarLive) -> None:
    know_calendar(post)
    live.is_away = True
    post()
    for _ in range(10):
        sweep_bookings()
        Drain.objects.update(held_until=None)
        run_effects("calendar-live")
    assert Effect.objects.get(kind="booking.settle").status in ("retrying", "waiting")
    live.is_away = False
    Drain.objects.update(held_until=None)
    sweep_bookings()
    run_effects("calendar-live")
    assert Effect.objects.get(kind="booking.settle").status == "succeeded"


def test_a_slot_that_was_sold_meanwhile_releases_the_tentative_meeting(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    know_calendar(post)
    live.is_away = True
    meeting = post().json()
    live.is_away = False
    event = live.book("trial", TEN)
    live.tell(event)
    let_time_pass(hours=1)
    run_effects()
    assert api.get(f"/api/meetings/{meeting['id']}/").json()["status"] == "cancelled"
    inbound = Meeting.objects.get(external_id=event["id"])
    assert inbound.reservations.get().is_exclusive
    assert not inbound.conflicts.exists()


@pytest.mark.parametrize(
    ("route", "status", "body", "times"),
    [
        (FREE_BUSY, 500, None, 3),
        (FREE_BUSY, 429, None, 1),
        (HOLD, 502, None, 3),
        (CREATE, 503, None, 3),
        (CREATE, 0, requests.ReadTimeout(), 3),
        (CREATE, 0, requests.ConnectionError("reset"), 3),
        (CREATE, 500, "<html>", 3),
    ],
)
def test_every_step_may_fail_and_the_booking_is_made_once(
    route: str, status: int, body: Any, times: int, post: Post, live: CalendarLive
) -> None:
    know_calendar(post)
    live.fail(route, status, body, times=times)
    assert post().status_code == 202
    let_time_pass(hours=1)
    run_effects()
    assert [each["start"] for each in live.standing].count(iso(TEN)) == 1
    assert set(Meeting.objects.values_list("status", flat=True)) == {"confirmed"}


def test_a_lost_answer_is_found_by_its_key(post: Post, live: CalendarLive) -> None:
    live.lose(CREATE)
    meeting = booked(post)
    assert [event["client_reference"] for event in live.events] == [meeting["id"]]


@pytest.mark.parametrize("status", ["paused", "needs_reauthorisation"])
def test_a_connection_that_rests_is_not_called(
    status: str, post: Post, live: CalendarLive, calendar: Connection
) -> None:
    know_calendar(post)
    Connection.objects.filter(pk=calendar.pk).update(status=status)
    calls = len(live.told)
    assert post().status_code == 202
    assert len(live.told) == calls


def test_credentials_that_are_refused_make_it_tentative(post: Post, live: CalendarLive, calendar: Connection) -> None:
    know_calendar(post)
    live.fail(FREE_BUSY, 401, '{"code": "unauthorized", "message": "x"}', times=2)
    assert post().status_code == 202
    calendar.refresh_from_db()
    assert calendar.status == "needs_reauthorisation"


def test_a_refusal_for_good_is_502_and_leaves_nothing_not_even_the_key(post: Post, live: CalendarLive) -> None:
    know_calendar(post)
    live.fail(FREE_BUSY, 403, '{"code": "forbidden", "message": "x"}')
    response = post()
    assert (response.status_code, response.json()["code"]) == (502, "provider_refused")
    assert Meeting.objects.count() == Reservation.objects.count() == 1
    booked(post)


def test_a_value_that_calendar_live_refuses_is_400_with_its_field(post: Post, live: CalendarLive) -> None:
    live.fail(CREATE, 422, '{"code": "invalid", "message": "no", "field": "title"}')
    response = post()
    assert (response.status_code, response.json()["field"]) == (400, "title")
    assert (Meeting.objects.count(), Reservation.objects.count()) == (0, 0)


def test_a_tentative_meeting_whose_time_has_come_is_released(post: Post, live: CalendarLive, api: APIClient) -> None:
    know_calendar(post)
    live.is_away = True
    meeting = post().json()
    Meeting.objects.filter(pk=meeting["id"]).update(start=TEN - timedelta(days=60))
    sweep_bookings()
    assert api.get(f"/api/meetings/{meeting['id']}/").json()["status"] == "cancelled"
    live.is_away = False
    let_time_pass(hours=1)
    run_effects()
    assert len(live.standing) == 1


# --- Whom it is told --------------------------------------------------------------------------------------------------


def test_slack_is_told_of_a_tentative_meeting_and_of_its_end(post: Post, live: CalendarLive) -> None:
    connect("slack")
    know_calendar(post)
    live.is_away = True
    post()
    run_effects("slack")
    live.is_away = False
    let_time_pass(hours=1)
    run_effects()
    tentative, confirmed = live.slack.texts
    assert "is tentative" in tentative
    assert "is confirmed" in confirmed


def test_without_slack_the_calendars_owner_is_written_to(post: Post, live: CalendarLive, mailoutbox: Any) -> None:
    know_calendar(post)
    live.is_away = True
    post()
    run_effects("email")
    (letter,) = mailoutbox
    assert letter.to == ["lea.martin@acme.example"]
    assert "is tentative" in letter.body
    assert "/admin/bookings/meeting/" in letter.body


def test_whoever_booked_here_hears_an_attendees_answer_once(post: Post, live: CalendarLive) -> None:
    connect("slack")
    booked(post)
    (event,) = live.events
    declined = {**event["attendees"][0], "response": "declined"}
    for version in (2, 3):
        live.tell({**event, "version": version, "attendees": [declined]}, "attendee.updated")
    live.tell({**live.book("trial", TEN + HALF), "id": "ev_other"})
    run_effects("slack")
    (text,) = live.slack.texts
    assert "Zoë Okafor: Declined" in text


def test_the_crm_has_the_meeting_while_it_is_tentative_and_the_uid_afterwards(
    post: Post, live: CalendarLive, calendar: Connection
) -> None:
    know_calendar(post)
    pair_with_hubspot(calendar)
    live.is_away = True
    post()
    run_effects("hubspot")
    (tentative,) = live.hubspot.meetings.values()
    assert tentative["hs_meeting_start_time"] == iso(TEN)
    assert "calendar_event_uid" not in str(tentative) or not tentative.get("calendar_event_uid")
    live.is_away = False
    let_time_pass(hours=1)
    run_effects()
    (confirmed,) = live.hubspot.meetings.values()
    uid = next(event["uid"] for event in live.standing if event["start"] == iso(TEN))
    assert uid in confirmed.values()
    assert live.hubspot.attending


# --- Changing ---------------------------------------------------------------------------------------------------------


def patch(api: APIClient, meeting: dict[str, Any], **changes: Any) -> Any:
    return api.patch(f"/api/meetings/{meeting['id']}/", changes)


def test_a_meeting_is_moved_and_renamed_here_and_there(post: Post, live: CalendarLive, api: APIClient) -> None:
    meeting = booked(post)
    later = TEN + timedelta(minutes=15)
    response = patch(api, meeting, title="Moved", start=iso(later), end=iso(later + HALF))
    assert response.status_code == 200
    changed = response.json()
    assert (changed["id"], changed["title"], changed["start"], changed["version"]) == (
        meeting["id"], "Moved", iso(later), 2,
    )  # fmt: skip
    assert (live.events[0]["title"], live.events[0]["start"]) == ("Moved", iso(later))
    assert periods() == [(iso(later), iso(later + HALF))]


def test_attendees_are_replaced(post: Post, live: CalendarLive, api: APIClient) -> None:
    meeting = booked(post)
    response = patch(api, meeting, attendees=[{"email": "mei@example.jp", "full_name": "Mei Tanaka"}])
    assert [each["email"] for each in response.json()["attendees"]] == ["mei@example.jp"]
    assert [each["email"] for each in live.events[0]["attendees"]] == ["mei@example.jp"]


def test_what_is_so_already_is_not_asked_for(post: Post, live: CalendarLive, api: APIClient) -> None:
    meeting = booked(post)
    calls = len(live.told)
    response = patch(api, meeting, title="Renewal", start=meeting["start"], external_id="crm-8")
    assert (response.status_code, response.json()["external_id"]) == (200, "crm-8")
    assert len(live.told) == calls


def test_a_move_to_a_taken_slot_is_409_and_changes_nothing(post: Post, live: CalendarLive, api: APIClient) -> None:
    meeting = booked(post)
    other = TEN + 2 * HALF
    live.book("trial", other)
    response = patch(api, meeting, start=iso(other), end=iso(other + HALF))
    assert (response.status_code, response.json()["code"]) == (409, "slot_taken")
    assert response.json()["conflicts"] == [{"start": iso(other), "end": iso(other + HALF)}]
    assert len(response.json()["alternatives"]) == 3
    assert periods() == [(iso(TEN), iso(TEN + HALF))]


def test_a_newer_version_there_is_read_and_the_change_made_where_it_touches_nothing_else(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    meeting = booked(post)
    change_there(live, description="From the calendar")
    response = patch(api, meeting, title="Renamed")
    assert response.status_code == 200
    assert (live.events[0]["title"], live.events[0]["description"]) == ("Renamed", "From the calendar")
    assert response.json()["version"] == 3


def test_a_field_that_was_changed_there_meanwhile_is_not_overwritten(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    meeting = booked(post)
    change_there(live, title="Theirs")
    response = patch(api, meeting, title="Ours")
    assert (response.status_code, response.json()["code"], response.json()["field"]) == (
        409, "changed_meanwhile", "title",
    )  # fmt: skip
    assert live.events[0]["title"] == Meeting.objects.get().title == "Theirs"


def test_in_a_storm_of_changes_the_change_is_made_in_the_end(post: Post, live: CalendarLive, api: APIClient) -> None:
    meeting = booked(post)
    for number in range(6):
        live.hooks.append(hook_before(PATCH, partial(change_there, live, description=f"{number}")))
    response = patch(api, meeting, title="Renamed")
    assert (response.status_code, live.events[0]["title"], live.events[0]["description"]) == (200, "Renamed", "5")


def test_a_storm_that_does_not_end_leaves_the_change_for_later(post: Post, live: CalendarLive, api: APIClient) -> None:
    meeting = booked(post)
    for number in range(10):
        live.hooks.append(hook_before(PATCH, partial(change_there, live, description=f"{number}")))
    assert patch(api, meeting, title="Renamed").status_code == 202
    run_effects()
    assert live.events[0]["title"] == "Renamed"


def test_a_lost_answer_to_a_change_is_found_out(post: Post, live: CalendarLive, api: APIClient) -> None:
    meeting = booked(post)
    live.lose(PATCH)
    response = patch(api, meeting, title="Renamed")
    assert (response.status_code, response.json()["version"]) == (200, 2)


def test_while_calendar_live_is_away_a_change_waits_and_keeps_both_times(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    meeting = booked(post)
    later = TEN + 2 * HALF
    live.is_away = True
    response = patch(api, meeting, start=iso(later), end=iso(later + HALF))
    assert (response.status_code, response.json()["start"]) == (202, iso(TEN))
    assert [post(start, f"other-{start}").status_code for start in (TEN, later)] == [409, 409]
    live.is_away = False
    let_time_pass(hours=1)
    run_effects()
    assert api.get(f"/api/meetings/{meeting['id']}/").json()["start"] == iso(later)
    assert periods() == [(iso(later), iso(later + HALF))]


def test_a_change_that_waits_is_the_same_when_it_is_asked_for_again(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    address = f"/api/meetings/{booked(post)['id']}/"
    wished = {"start": iso(TEN + HALF), "end": iso(TEN + 2 * HALF)}
    live.is_away = True
    assert [api.patch(address, wished).status_code for _ in range(2)] == [202, 202]
    live.is_away = False
    assert api.patch(address, wished).status_code == 200
    assert BookingRequest.objects.filter(kind="change").count() == 1
    assert (live.events[0]["start"], periods()) == (wished["start"], [(wished["start"], wished["end"])])


def test_a_tentative_meeting_is_changed_here_and_booked_as_it_is_then(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    know_calendar(post)
    live.is_away = True
    meeting = post().json()
    later = TEN + 2 * HALF
    people = [{"email": "mei@example.jp", "full_name": "Mei Tanaka"}]
    assert patch(api, meeting, title="Renamed once").status_code == 202
    response = patch(
        api, meeting, title="Renamed", start=iso(later), end=iso(later + HALF), attendees=people, external_id="crm-9"
    )
    changed = response.json()
    assert (response.status_code, changed["status"], changed["title"], changed["start"], changed["external_id"]) == (
        202, "tentative", "Renamed", iso(later), "crm-9",
    )  # fmt: skip
    assert [each["email"] for each in changed["attendees"]] == ["mei@example.jp"]
    assert patch(api, meeting, start=iso(workday(3, 15)), end=iso(workday(3, 16))).status_code == 409
    assert post(TEN, "key-2").status_code == 202
    live.is_away = False
    let_time_pass(hours=1)
    run_effects()
    assert sorted((event["title"], event["start"]) for event in live.standing) == [
        ("Renamed", iso(later)), ("Renewal", iso(TEN)), ("Renewal", iso(workday(3, 15))),
    ]  # fmt: skip
    assert len(periods()) == 3


def test_a_change_of_what_calendar_live_may_have_comes_after_its_booking(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    know_calendar(post)
    for _ in range(3):
        live.lose(CREATE)
    meeting = post().json()
    response = patch(api, meeting, title="Renamed")
    assert (response.status_code, response.json()["title"]) == (202, "Renewal")
    for _ in range(2):
        let_time_pass(hours=1)
        run_effects()
    assert "Renamed" in [event["title"] for event in live.standing]


def test_a_cancelled_meeting_cannot_be_changed(post: Post, live: CalendarLive, api: APIClient) -> None:
    meeting = booked(post)
    api.delete(f"/api/meetings/{meeting['id']}/")
    response = patch(api, meeting, title="Ours")
    assert (response.status_code, response.json()["code"]) == (409, "cancelled")


@pytest.mark.parametrize(
    ("field", "value"),
    [("end", iso(TEN)), ("timezone", "x"), ("attendees", []), ("title", ""), ("calendar", "x"), ("connection", "x")],
)
def test_a_mistake_in_a_change_is_400_and_names_the_field(field: str, value: Any, post: Post, api: APIClient) -> None:
    response = patch(api, booked(post), **{field: value})
    assert (response.status_code, response.json()["field"]) == (400, field)


def test_a_meeting_moves_to_another_calendar(post: Post, live: CalendarLive, api: APIClient) -> None:
    meeting = booked(post)
    response = patch(api, meeting, calendar="cal_us_sales")
    assert (response.status_code, response.json()["calendar"]["id"]) == (200, "cal_us_sales")
    assert Reservation.objects.get().calendar.external_id == "cal_us_sales"


def test_what_is_not_there_is_404(api: APIClient, live: CalendarLive) -> None:
    address = "/api/meetings/0190a0a0-0000-7000-8000-000000000000/"
    assert (api.patch(address, {}).status_code, api.delete(address).status_code) == (404, 404)


# --- Cancelling -------------------------------------------------------------------------------------------------------


def test_a_meeting_is_cancelled_once_and_repeating_it_is_harmless(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    address = f"/api/meetings/{booked(post)['id']}/"
    first, again = api.delete(address), api.delete(address)
    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert (again.status_code, again.json()) == (200, first.json())
    assert live.count(DELETE) == 1
    assert (live.standing, periods()) == ([], [])
    booked(post, TEN, "key-2")


def test_a_cancellation_waits_for_calendar_live(post: Post, live: CalendarLive, api: APIClient) -> None:
    address = f"/api/meetings/{booked(post)['id']}/"
    live.is_away = True
    assert api.delete(address).status_code == 202
    live.is_away = False
    let_time_pass(hours=1)
    run_effects()
    assert (live.standing, api.get(address).json()["status"]) == ([], "cancelled")


def test_a_tentative_meeting_that_calendar_live_was_not_asked_for_is_cancelled_at_once(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    know_calendar(post)
    live.is_away = True
    address = f"/api/meetings/{post().json()['id']}/"
    response = api.delete(address)
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    live.is_away = False
    let_time_pass(hours=1)
    run_effects()
    assert len(live.standing) == 1


def test_one_that_calendar_live_may_have_is_found_out_and_cancelled_there(
    post: Post, live: CalendarLive, api: APIClient
) -> None:
    know_calendar(post)
    for _ in range(3):
        live.lose(CREATE)
    address = f"/api/meetings/{post().json()['id']}/"
    assert api.delete(address).status_code == 202
    let_time_pass(hours=1)
    run_effects()
    let_time_pass(hours=1)
    run_effects()
    assert (len(live.standing), api.get(address).json()["status"]) == (1, "cancelled")


def test_an_event_that_is_gone_there_is_cancelled_here(post: Post, live: CalendarLive, api: APIClient) -> None:
    address = f"/api/meetings/{booked(post)['id']}/"
    live.fail(DELETE, 404, '{"code": "not_found", "message": "x"}')
    response = api.delete(address)
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")


# --- The ledger -------------------------------------------------------------------------------------------------------


def test_a_booking_takes_few_queries(post: Post, live: CalendarLive, django_assert_max_num_queries: Any) -> None:
    know_calendar(post)
    with django_assert_max_num_queries(90):
        booked(post)
    with django_assert_max_num_queries(6):
        post()


def test_nothing_is_planned_where_it_is_done_at_once(post: Post) -> None:
    booked(post)
    assert not Effect.objects.exists()


# --- What happens around calls ----------------------------------------------------------------------------------------


def hook_before(route: str, act: Callable[[], Any]) -> Any:
    return Hook(route, before=act)


def hook_after(route: str, act: Callable[[], Any]) -> Any:
    return Hook(route, after=act)
