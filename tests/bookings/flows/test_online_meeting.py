"""Flow B, the meeting: a Zoom meeting that is made once and follows its booking."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail

from bookings.flows import online_meeting
from bookings.models import Invitation, MeetingLink
from integrations.models import Connection, Effect
from tests.bookings.flows.fakes import World
from tests.bookings.flows.playing import (
    ONE_TO_ONE,
    PAID,
    PAYMENT,
    REFUNDED,
    UNPAID,
    WEBINAR,
    ZOE,
    book_call,
    book_group,
    book_webinar,
    connect,
    let_time_pass,
    list_letters,
    list_links,
    pair_with_hubspot,
    people,
    read_calendar_file,
    read_html,
    run_effects,
    tell,
    the_meeting,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def calendar(calendar_live: Connection) -> Connection:
    connect("zoom")
    return calendar_live


# --- One meeting, once ------------------------------------------------------------------------------------------------


def test_a_confirmed_and_paid_webinar_is_made_registered_and_confirmed_once(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar)
    book_webinar()
    (made,) = world.zoom.meetings.values()
    assert (made["topic"], made["start_time"], made["duration"]) == ("Pricing masterclass", "2026-12-03T16:00:00Z", 90)
    assert made["settings"]["approval_type"] == 0
    assert world.zoom.emails == [ZOE]
    assert list_letters() == [(ZOE, "Confirmed")]
    assert list_links() == ["https://zoom.us/w/8001?tk=r1"]
    (crm_meeting,) = world.hubspot.meetings.values()
    assert crm_meeting["hs_meeting_external_url"] == "https://zoom.us/j/8001"
    assert list(world.hubspot.attending.values()) == [set(world.hubspot.contacts)]


def test_the_confirmation_has_the_personal_link_the_local_time_and_a_calendar_file(world: World) -> None:
    book_webinar(title="Pricing\nmasterclass <b>\x07", attendee={"full_name": "Zoë <i>Okafor"})
    (letter,) = mail.outbox
    assert letter.subject == "Confirmed: Pricing masterclass <b>, 3 December 2026, 17:00"
    assert "Hello Zoë <i>Okafor," in letter.body
    assert "Thursday, 3 December 2026, 17:00 – 18:30 (Europe/Paris)" in letter.body
    html = read_html(letter)
    assert "<i>" not in html
    assert "Zoë &lt;i&gt;Okafor" in html
    assert 'href="https://zoom.us/w/8001?tk=r1"' in html
    name, media_type, lines = read_calendar_file(letter)
    assert (name, media_type) == ("invite.ics", "text/calendar; method=PUBLISH")
    assert {"METHOD:PUBLISH", "UID:web77@calendar.live", "SEQUENCE:2", "DTSTART:20261203T160000Z"} <= set(lines)
    assert "URL:https://zoom.us/w/8001?tk=r1" in lines


@pytest.mark.parametrize(
    "event",
    [
        {"status": "tentative", "payment": PAID},
        {"status": "confirmed", "payment": UNPAID},
        {"status": "confirmed", "payment": {**PAYMENT, "status": "failed"}},
        {"status": "confirmed", "payment": REFUNDED},
        {"status": "cancelled", "payment": PAID},
        {"status": "confirmed", "payment": PAID, "join_url": "https://meet.example/1"},
        {"status": "confirmed", "payment": PAID, "event_type": {**ONE_TO_ONE, "online_meeting": None}},
        {"status": "confirmed", "payment": PAID, "event_type": None},
    ],
)
def test_what_is_not_confirmed_paid_and_for_zoom_gets_nothing(world: World, event: dict[str, Any]) -> None:
    tell(WEBINAR, **event)
    run_effects()
    assert world.calls == 0
    assert mail.outbox == []


def test_nothing_happens_again_for_the_same_state_or_an_old_one(world: World) -> None:
    book_webinar()
    calls = world.calls
    book_webinar()
    tell(WEBINAR, version=1)
    run_effects()
    book_webinar(version=3)
    assert world.calls == calls
    assert list_letters() == [(ZOE, "Confirmed")]


def test_a_meeting_for_one_has_no_registrants_and_everybody_gets_its_link(world: World) -> None:
    book_call(attendees=people("ann", "bob"))
    assert next(iter(world.zoom.meetings.values()))["settings"]["approval_type"] == 2
    assert world.zoom.registered == 0
    assert sorted(list_letters()) == [("ann@acme.example", "Confirmed"), ("bob@acme.example", "Confirmed")]
    assert list_links() == ["https://zoom.us/j/8001"] * 2


def test_without_a_zoom_connection_the_booking_goes_on(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar)
    Connection.objects.filter(provider="zoom").delete()
    book_webinar()
    assert (len(world.hubspot.contacts), len(world.hubspot.meetings)) == (1, 1)
    assert mail.outbox == []
    connect("zoom")
    book_webinar(version=3)
    assert world.zoom.emails == [ZOE]


def test_a_disabled_zoom_connection_is_as_good_as_none(world: World) -> None:
    Connection.objects.filter(provider="zoom").update(status="disabled")
    book_webinar()
    assert world.calls == 0


def test_with_send_emails_off_the_rest_still_happens(calendar: Connection, world: World) -> None:
    Connection.objects.filter(pk=calendar.pk).update(options={"send_emails": "0"})
    book_webinar()
    tell(WEBINAR, version=3, status="cancelled", payment=PAID)
    run_effects()
    assert (world.zoom.registered, world.zoom.meetings, mail.outbox) == (1, {}, [])


def test_a_crash_after_zoom_has_made_it_finds_it_and_makes_no_second(world: World) -> None:
    tell(WEBINAR, status="confirmed", payment=PAID)
    run_effects("zoom")
    MeetingLink.objects.all().delete()
    Effect.objects.filter(kind="zoom.meeting").update(status="pending", due_at=datetime(2026, 1, 1, tzinfo=UTC))
    run_effects()
    assert world.zoom.made == 1
    assert MeetingLink.objects.get().external_id == "8001"


# --- The booking changes ----------------------------------------------------------------------------------------------


def test_a_reschedule_moves_the_meeting_once_and_writes_to_nobody(world: World) -> None:
    book_webinar()
    moved = {"start": "2026-12-04T16:00:00Z", "end": "2026-12-04T17:00:00Z"}
    book_webinar(version=3, **moved)
    book_webinar(version=4, **moved)
    assert world.zoom.count("PATCH .*") == 1
    (made,) = world.zoom.meetings.values()
    assert (made["start_time"], made["duration"]) == ("2026-12-04T16:00:00Z", 60)
    assert list_letters() == [(ZOE, "Confirmed")]


def test_a_cancellation_deletes_the_meeting_and_writes_to_those_who_were_confirmed(world: World) -> None:
    book_group("ann", "bob")
    world.zoom.fail("POST .*/registrants", 400, {"code": 300, "message": "Validation Failed."})
    book_group("ann", "bob", "cleo", version=2)
    book_group("ann", "bob", "cleo", version=3, status="cancelled")
    book_group("ann", "bob", "cleo", version=4, status="cancelled")
    assert world.zoom.meetings == {}
    assert sorted(list_letters()) == [
        ("ann@acme.example", "Cancelled"),
        ("ann@acme.example", "Confirmed"),
        ("bob@acme.example", "Cancelled"),
        ("bob@acme.example", "Confirmed"),
    ]
    letter = mail.outbox[-1]
    _, media_type, lines = read_calendar_file(letter)
    assert media_type == "text/calendar; method=CANCEL"
    assert "STATUS:CANCELLED" in lines
    assert the_meeting().made_join_url == ""
    assert not MeetingLink.objects.filter(connection__provider="zoom").exists()


@pytest.mark.parametrize("first", ["email", "zoom"])
def test_a_refund_takes_the_meeting_back_whichever_connection_is_quicker(world: World, first: str) -> None:
    book_webinar()
    tell(WEBINAR, version=3, status="confirmed", payment=REFUNDED)
    run_effects(first)
    run_effects()
    assert world.zoom.meetings == {}
    assert list_letters() == [(ZOE, "Confirmed"), (ZOE, "Cancelled")]


def test_a_cancelled_booking_that_stands_again_is_made_and_confirmed_anew(world: World) -> None:
    book_call()
    book_call(version=2, status="cancelled")
    book_call(version=3)
    book_call(version=4, status="cancelled")
    assert (world.zoom.made, world.zoom.meetings) == (2, {})
    assert [kind for _, kind in list_letters()] == ["Confirmed", "Cancelled"] * 2
    assert list_links() == ["https://zoom.us/j/8001", "https://zoom.us/j/8002"]


def test_a_link_of_calendar_lives_own_takes_the_place_of_ours_and_cancels_nothing(world: World) -> None:
    book_webinar()
    book_webinar(version=3, join_url="https://meet.example/1")
    assert world.zoom.meetings == {}
    assert the_meeting().made_join_url == ""
    assert list_letters() == [(ZOE, "Confirmed")]


def test_our_own_link_written_into_the_booking_leaves_the_meeting_as_it_is(world: World) -> None:
    book_webinar()
    book_webinar(version=3, join_url="https://zoom.us/j/8001")
    assert list(world.zoom.meetings) == ["8001"]
    assert list_letters() == [(ZOE, "Confirmed")]


def test_an_occurrence_that_is_changed_by_itself_keeps_to_its_series_meeting(world: World) -> None:
    book_call(recurrence={"rrule": "FREQ=WEEKLY;COUNT=4", "exdates": []})
    moved = {"start": "2026-12-01T15:00:00Z", "end": "2026-12-01T15:30:00Z"}
    book_call(id="ev_9f27c1_2", recurring_event_id="ev_9f27c1", original_start="2026-12-01T13:00:00Z", **moved)
    assert world.zoom.made == 1
    assert list_letters() == [(ZOE, "Confirmed")]


# --- Outages ----------------------------------------------------------------------------------------------------------


def test_an_outage_of_zoom_holds_back_nothing_else_and_everything_comes_in_the_end(
    calendar: Connection, world: World
) -> None:
    pair_with_hubspot(calendar)
    world.zoom.fail("POST /v2/users/me/meetings", 503, {"code": 1, "message": "away"}, times=1)
    book_webinar()
    assert (len(world.hubspot.contacts), len(world.hubspot.meetings), world.zoom.made) == (1, 1, 0)
    let_time_pass(minutes=1)
    run_effects()
    assert world.zoom.emails == [ZOE]
    assert list_letters() == [(ZOE, "Confirmed")]
    (meeting,) = world.hubspot.meetings.values()
    assert meeting["hs_meeting_external_url"] == "https://zoom.us/j/8001"


def test_effects_for_what_is_not_there_any_more_do_nothing(world: World) -> None:
    book_webinar()
    calls = world.calls
    meeting = the_meeting()
    link = online_meeting.find_link(meeting)
    assert link is not None
    invitation = Invitation.objects.get()
    online_meeting.plan_registrant(link.connection_id, invitation)
    online_meeting.notice_deletion(
        MeetingLink(pk=link.pk, external_id="8000", connection=link.connection, meeting=meeting)
    )
    invitation.delete()
    run_effects()
    assert world.calls == calls
    assert not Effect.objects.filter(status="dead").exists()
