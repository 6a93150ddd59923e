"""Zoom meetings that somebody deleted there, and what changes or is lost while a call is under way."""

import pytest
import requests
from django.core import mail

from bookings.models import Invitation
from integrations.models import Connection
from tests.bookings.flows.fakes import World
from tests.bookings.flows.playing import (
    GROUP,
    ZOE,
    book_call,
    book_group,
    book_webinar,
    connect,
    let_time_pass,
    list_letters,
    list_links,
    pair_with_hubspot,
    person,
    run_effects,
    tell,
    tell_zoom,
    the_meeting,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def calendar(calendar_live: Connection) -> Connection:
    connect("zoom")
    return calendar_live


# --- Deleted in Zoom --------------------------------------------------------------------------------------------------


def test_a_meeting_deleted_in_zoom_is_made_anew_and_the_new_links_are_mailed_once(
    calendar: Connection, world: World
) -> None:
    pair_with_hubspot(calendar)
    book_group("ann", "bob")
    world.zoom.meetings.pop("8001")
    tell_zoom("meeting.deleted", "8001")
    run_effects()
    tell_zoom("meeting.deleted", "8001")
    run_effects()
    assert list(world.zoom.meetings) == ["8002"]
    assert world.zoom.emails == ["ann@acme.example", "bob@acme.example"]
    assert len(list_letters()) == 4
    assert [link.split("?")[0] for link in list_links()[2:]] == ["https://zoom.us/w/8002"] * 2
    (meeting,) = world.hubspot.meetings.values()
    assert meeting["hs_meeting_external_url"] == "https://zoom.us/j/8002"


def test_a_meeting_that_is_gone_at_a_reschedule_is_made_anew_at_its_new_time(world: World) -> None:
    book_webinar()
    world.zoom.meetings.clear()
    book_webinar(version=3, start="2026-12-04T16:00:00Z", end="2026-12-04T17:00:00Z")
    (made,) = world.zoom.meetings.values()
    assert made["start_time"] == "2026-12-04T16:00:00Z"
    assert world.zoom.emails == [ZOE]
    assert list_links() == ["https://zoom.us/w/8001?tk=r1", "https://zoom.us/w/8002?tk=r2"]


def test_a_meeting_that_is_gone_at_a_registration_is_made_anew_for_all(world: World) -> None:
    book_group("ann")
    world.zoom.meetings.clear()
    book_group("ann", "bob", "cleo", version=2)
    assert world.zoom.made == 2
    assert world.zoom.emails == ["ann@acme.example", "bob@acme.example", "cleo@acme.example"]
    letters = [to for to, _ in list_letters()]
    assert sorted(letters) == ["ann@acme.example", "ann@acme.example", "bob@acme.example", "cleo@acme.example"]


def test_a_meeting_for_one_that_is_made_anew_passes_its_link_on(world: World) -> None:
    book_call()
    world.zoom.meetings.clear()
    tell_zoom("meeting.deleted", "8001")
    run_effects()
    assert list_links() == ["https://zoom.us/j/8001", "https://zoom.us/j/8002"]


def test_our_own_deletion_is_no_news(world: World) -> None:
    book_call()
    book_call(version=2, status="cancelled")
    tell_zoom("meeting.deleted", "8001")
    run_effects()
    assert world.zoom.made == 1


def test_a_deletion_of_a_cancelled_bookings_meeting_makes_none_anew(world: World) -> None:
    book_call()
    world.zoom.meetings.clear()
    tell_zoom("meeting.deleted", "8001")
    tell(version=2, status="cancelled")
    run_effects()
    assert world.zoom.made == 1
    assert [kind for _, kind in list_letters()] == ["Confirmed", "Cancelled"]


def test_a_registrant_cancelled_in_zoom_has_no_link_any_more(world: World) -> None:
    book_group("ann")
    invitation = Invitation.objects.get()
    registrant = {"id": invitation.registrant_id, "email": "ann@acme.example"}
    tell_zoom("meeting.registration_cancelled", "8001", **registrant)
    invitation.refresh_from_db()
    assert (invitation.registrant_id, invitation.join_url) == ("", "")


# --- What changes while a call is under way ---------------------------------------------------------------------------

CREATE, REGISTER = "POST /v2/users/me/meetings", r"POST /v2/meetings/(\d+)/registrants"


def lose_answer() -> None:
    raise requests.ConnectionError("broken off")


def test_a_booking_cancelled_while_its_meeting_is_made_leaves_none_behind(world: World) -> None:
    world.zoom.interrupt(CREATE, lambda: (tell(version=2, status="cancelled"), None)[1])
    book_call()
    assert (world.zoom.made, world.zoom.meetings) == (1, {})
    assert the_meeting().made_join_url == ""
    assert mail.outbox == []


def test_a_booking_cancelled_after_the_answer_was_lost_leaves_none_behind(world: World) -> None:
    world.zoom.interrupt(CREATE, lose_answer)
    book_call()
    tell(version=2, status="cancelled")
    let_time_pass(minutes=1)
    run_effects()
    assert (world.zoom.made, world.zoom.meetings) == (1, {})
    book_call(version=3)
    assert len(world.zoom.meetings) == 1


def test_a_lost_answer_makes_no_second_meeting_and_no_second_registrant(world: World) -> None:
    world.zoom.interrupt(CREATE, lose_answer)
    world.zoom.interrupt(REGISTER, lose_answer)
    book_group("ann")
    for _ in range(2):
        let_time_pass(minutes=1)
        run_effects()
    assert (world.zoom.made, world.zoom.registered, world.zoom.count("POST .*/registrants")) == (1, 1, 1)
    assert list_letters() == [("ann@acme.example", "Confirmed")]


@pytest.mark.parametrize("is_answer_lost", [False, True])
def test_who_declines_while_being_registered_is_taken_out_again(world: World, is_answer_lost: bool) -> None:
    def decline() -> None:
        tell(version=2, event_type=GROUP, attendees=[person("ann", "declined")])
        if is_answer_lost:
            lose_answer()

    world.zoom.interrupt(REGISTER, decline)
    book_group("ann")
    let_time_pass(minutes=1)
    run_effects()
    assert (world.zoom.registered, world.zoom.emails, mail.outbox) == (1, [], [])


def test_a_reschedule_while_the_meeting_is_made_moves_it(world: World) -> None:
    moved = {"start": "2026-11-25T13:00:00Z", "end": "2026-11-25T13:30:00Z"}
    world.zoom.interrupt(CREATE, lambda: (tell(version=2, **moved), None)[1])
    book_call()
    (made,) = world.zoom.meetings.values()
    assert made["start_time"] == "2026-11-25T13:00:00Z"
    assert list_letters() == [(ZOE, "Confirmed")]
