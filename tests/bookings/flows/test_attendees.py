"""Flow B, the attendees: places, registrations and letters of those who come and go."""

from typing import Any

import pytest
from django.core import mail

from bookings.models import Invitation
from integrations.models import Connection, Effect
from tests.bookings.flows.fakes import World
from tests.bookings.flows.playing import (
    GROUP,
    ONE_TO_ONE,
    book_call,
    book_group,
    connect,
    list_effects,
    list_letters,
    pair_with_hubspot,
    people,
    person,
    run_effects,
    tell,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def calendar(calendar_live: Connection) -> Connection:
    connect("zoom")
    return calendar_live


# --- Attendees come and go --------------------------------------------------------------------------------------------


def test_a_full_webinar_refuses_the_fourth_clearly_and_leaves_the_others_alone(world: World) -> None:
    book_group("ann", "bob", "cleo", "dov")
    assert world.zoom.emails == ["ann@acme.example", "bob@acme.example", "cleo@acme.example"]
    assert len(list_letters()) == 3
    refused = Effect.objects.get(status="dead")
    assert refused.cause == "permanent"
    assert refused.error == "The webinar is full: 3 of 3 places are taken. Offer another date."
    assert refused.subject == f"invitation:{Invitation.objects.get(attendee_id='att_dov').pk}"


def test_a_place_that_becomes_free_goes_to_the_one_who_waited(world: World) -> None:
    book_group("ann", "bob", "cleo", "dov")
    book_group("ann", "cleo", "dov", version=2)
    assert world.zoom.emails == ["ann@acme.example", "cleo@acme.example", "dov@acme.example"]
    assert sorted(list_letters()[3:]) == [("bob@acme.example", "Cancelled"), ("dov@acme.example", "Confirmed")]


def test_who_has_lost_the_place_does_not_take_it_from_the_next(world: World) -> None:
    book_group("ann", "bob", "cleo", "dov")
    without_ann = [person("ann", "declined"), *people("bob", "cleo", "dov")]
    book_group(attendees=without_ann, version=2)
    book_group("ann", "bob", "cleo", "dov", version=3)
    assert world.zoom.emails == ["bob@acme.example", "cleo@acme.example", "dov@acme.example"]
    assert Effect.objects.filter(status="dead", error__startswith="The webinar is full").count() == 2


@pytest.mark.parametrize("change", ["removed", "declined"])
def test_who_does_not_come_is_taken_out_and_told(world: World, change: str) -> None:
    book_group("ann", "bob")
    attendees = people("ann") if change == "removed" else [*people("ann"), person("bob", "declined")]
    book_group(attendees=attendees, version=2)
    assert world.zoom.emails == ["ann@acme.example"]
    assert list_letters()[2:] == [("bob@acme.example", "Cancelled")]
    book_group(attendees=attendees, version=3)
    assert len(list_letters()) == 3


@pytest.mark.parametrize("event_type", [ONE_TO_ONE, GROUP])
def test_who_comes_after_all_is_confirmed_again_though_the_link_is_the_same(world: World, event_type: Any) -> None:
    def answer(version: int, response: str) -> None:
        tell(version=version, event_type=event_type, attendees=[*people("ann"), person("bob", response)])
        run_effects()

    answer(1, "accepted")
    world.zoom.registered = 0
    for version, response in enumerate(("declined", "accepted", "declined"), start=2):
        answer(version, response)
    bobs = [kind for to, kind in list_letters() if to == "bob@acme.example"]
    assert bobs == ["Confirmed", "Cancelled", "Confirmed", "Cancelled"]
    assert len([kind for to, kind in list_letters() if to == "ann@acme.example"]) == 1


def test_a_change_of_mind_that_no_letter_has_told_yet_is_told_by_none(world: World) -> None:
    book_group("ann", "bob")
    tell(version=2, event_type=GROUP, attendees=[*people("ann"), person("bob", "declined")])
    tell(version=3, event_type=GROUP, attendees=people("ann", "bob"))
    run_effects("email")
    run_effects()
    assert [kind for to, kind in list_letters() if to == "bob@acme.example"] == ["Confirmed"]
    assert world.zoom.emails == ["ann@acme.example", "bob@acme.example"]
    book_group("ann", "bob", version=4, status="cancelled")
    assert [kind for to, kind in list_letters() if to == "bob@acme.example"] == ["Confirmed", "Cancelled"]


def test_a_confirmation_that_came_too_late_is_sent_when_the_attendee_comes_after_all(world: World) -> None:
    tell(attendees=people("ann", "bob"))
    run_effects("zoom")
    tell(version=2, attendees=[*people("ann"), person("bob", "declined")])
    run_effects()
    assert list_letters() == [("ann@acme.example", "Confirmed")]
    book_call(version=3, attendees=people("ann", "bob"))
    assert list_letters()[1:] == [("bob@acme.example", "Confirmed")]


def test_a_new_attendee_of_a_meeting_that_is_there_is_registered_and_told_alone(world: World) -> None:
    book_group("ann")
    book_group("ann", "bob", version=2)
    assert world.zoom.made == 1
    assert list_letters() == [("ann@acme.example", "Confirmed"), ("bob@acme.example", "Confirmed")]


def test_a_registration_that_fails_holds_back_no_other_attendee(calendar: Connection, world: World) -> None:
    pair_with_hubspot(calendar)
    world.zoom.fail("POST .*/registrants", 400, {"code": 300, "message": "Validation Failed."})
    book_group("ann", "bob")
    assert sorted(list_effects("zoom.registrant")) == ["dead", "succeeded"]
    assert len(list_letters()) == 1
    (meeting,) = world.hubspot.attending.values()
    assert len(meeting) == 2


def test_a_letter_that_cannot_be_sent_holds_back_no_other(world: World) -> None:
    book_group(attendees=[{**person("ann"), "email": "no address"}, person("bob")], event_type=ONE_TO_ONE)
    assert list_letters() == [("bob@acme.example", "Confirmed")]
    assert list_effects("email.confirmation").count("dead") == 1


def test_one_who_may_have_got_a_confirmation_is_told_that_it_is_off(world: World) -> None:
    tell(attendees=people("ann"))
    run_effects("zoom")
    Effect.objects.filter(kind="email.confirmation").update(status="waiting", cause="unknown_outcome", due_at=None)
    book_call(version=2, attendees=people("ann"), status="cancelled")
    assert list_letters() == [("ann@acme.example", "Cancelled")]


def test_one_whose_confirmation_never_went_out_gets_no_cancellation(world: World) -> None:
    tell(attendees=people("ann"))
    run_effects("zoom")
    tell(version=2, attendees=people("ann"), status="cancelled")
    run_effects()
    assert mail.outbox == []
