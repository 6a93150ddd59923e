from datetime import UTC, datetime, timedelta

import pytest

from integrations.sandbox.calendar_live.bookings import (
    Guest,
    book,
    cancel,
    find_attendee,
    open_slots,
    reschedule,
    respond,
)
from integrations.sandbox.calendar_live.catalog import EVENT_TYPES
from integrations.sandbox.calendar_live.exceptions import InvalidInputError, NotFoundError, SlotTakenError
from integrations.sandbox.calendar_live.records import Answer, Event
from integrations.sandbox.calendar_live.world import World
from tests.integrations.sandbox.support import Clock, bodies, check_envelope, make_world

TUESDAY_NINE = datetime(2026, 11, 24, 8, tzinfo=UTC)  # 09:00 in Paris
TUESDAY_TEN = TUESDAY_NINE + timedelta(hours=1)
ZOE = Guest(
    "Zoë Okafor",
    "zoe@example.com",
    phone="06 12 34 56 78",
    company="Okafor & Fils SARL",
    country="FR",
    wants_news=True,
    answers=(Answer("team_size", "How big is your team?", "51-200"),),
)
SAM = Guest("Sam O'Neil", "sam@example.com")


def book_one(world: World, slug: str = "trial", start: datetime = TUESDAY_NINE, guest: Guest = ZOE) -> Event:
    with world.change() as moment:
        return book(moment, EVENT_TYPES[slug], start, guest)


def types_and_versions(world: World) -> list[tuple[str, int]]:
    for envelope in bodies(world):
        check_envelope(envelope)
    return [(envelope["type"], envelope["data"]["event"]["version"]) for envelope in bodies(world)]


def test_a_booking_announces_the_whole_event(world: World) -> None:
    event = book_one(world)

    assert types_and_versions(world) == [("event.created", 1)]
    sent = bodies(world)[0]["data"]["event"]
    assert (sent["id"], sent["start"], sent["end"]) == (event.id, "2026-11-24T08:00:00Z", "2026-11-24T08:30:00Z")
    assert sent["source"] == "booking_page"
    assert sent["event_type"] == {
        "id": "et_trial",
        "slug": "trial",
        "name": "Trial call",
        "online_meeting": "zoom",
        "capacity": 1,
    }
    assert sent["attendees"][0] == {
        "id": event.attendees[0].id,
        "email": "zoe@example.com",
        "full_name": "Zoë Okafor",
        "phone": "06 12 34 56 78",
        "company": "Okafor & Fils SARL",
        "country": "FR",
        "timezone": None,
        "response": "accepted",
        "consent": {
            "marketing": True,
            "given_at": "2026-11-23T12:00:00Z",
            "text": "Keep me posted about product news.",
        },
    }
    assert sent["answers"] == [{"key": "team_size", "question": "How big is your team?", "value": "51-200"}]


def test_a_person_has_one_id_in_the_account_whatever_the_case_of_the_address(world: World) -> None:
    first = book_one(world)
    second = book_one(world, start=TUESDAY_TEN, guest=Guest("Z. Okafor", "Zoe@Example.COM"))
    other = book_one(world, "demo", datetime(2026, 11, 24, 14, tzinfo=UTC), SAM)

    assert first.attendees[0].id == second.attendees[0].id != other.attendees[0].id
    assert first.uid != second.uid


def test_a_slot_for_one_is_not_booked_twice(world: World) -> None:
    book_one(world)
    with pytest.raises(SlotTakenError) as refused:
        book_one(world, guest=SAM)

    assert [conflict.start for conflict in refused.value.conflicts] == [TUESDAY_NINE]
    assert types_and_versions(world) == [("event.created", 1)]


def test_other_types_on_the_same_calendar_occupy_the_time_too(world: World) -> None:
    book_one(world, "onboarding")
    with pytest.raises(SlotTakenError):
        book_one(world, "trial", TUESDAY_NINE + timedelta(minutes=30))


@pytest.mark.parametrize(
    "start",
    [
        TUESDAY_NINE + timedelta(minutes=1),
        TUESDAY_NINE - timedelta(minutes=30),
        TUESDAY_NINE - timedelta(days=1),
        TUESDAY_NINE + timedelta(days=4),
        TUESDAY_NINE + timedelta(days=70),
    ],
    ids=["off the grid", "before opening", "past", "Saturday", "too far ahead"],
)
def test_times_that_are_not_on_offer_are_refused(world: World, start: datetime) -> None:
    with pytest.raises(InvalidInputError) as refused:
        book_one(world, start=start)
    assert refused.value.field == "slot"
    assert types_and_versions(world) == []


def test_open_slots_leave_out_what_is_taken_and_what_is_past(world: World) -> None:
    book_one(world)
    starts = [slot.start for slot in open_slots(world.read(), EVENT_TYPES["trial"])]
    assert TUESDAY_NINE not in starts
    assert starts[0] == world.clock()  # 13:00 in Paris, right now
    assert len([start for start in starts if start.date() == TUESDAY_NINE.date()]) == 15


def test_a_page_that_does_not_see_others_sells_what_another_page_of_its_calendar_has_sold(world: World) -> None:
    book_one(world)
    assert TUESDAY_NINE in [slot.start for slot in open_slots(world.read(), EVENT_TYPES["quick-chat"])]
    event = book_one(world, "quick-chat", guest=SAM)
    assert (event.calendar_id, event.start) == ("cal_emea_sales", TUESDAY_NINE)
    assert TUESDAY_NINE not in [slot.start for slot in open_slots(world.read(), EVENT_TYPES["quick-chat"])]
    with pytest.raises(SlotTakenError):
        book_one(world, "quick-chat")
    with pytest.raises(SlotTakenError):
        book_one(world)


def test_a_group_takes_people_in_until_it_is_full(world: World) -> None:
    capacity = EVENT_TYPES["onboarding"].capacity
    guests = [Guest("G", f"g{number}@example.com") for number in range(capacity)]
    events = {book_one(world, "onboarding", guest=guest).id for guest in guests}

    assert len(events) == 1
    assert types_and_versions(world) == [("event.created", 1)] + [
        ("event.updated", version) for version in range(2, capacity + 1)
    ]
    last = bodies(world)[-1]["data"]
    assert len(last["event"]["attendees"]) == capacity
    assert list(last["previous"]) == ["attendees"]
    assert len(last["previous"]["attendees"]) == capacity - 1
    with pytest.raises(SlotTakenError, match="full"):
        book_one(world, "onboarding", guest=ZOE)
    assert TUESDAY_NINE not in [slot.start for slot in open_slots(world.read(), EVENT_TYPES["onboarding"])]


def test_a_group_shows_how_many_places_are_left(world: World) -> None:
    book_one(world, "onboarding")
    places = {slot.start: left for slot, left in open_slots(world.read(), EVENT_TYPES["onboarding"]).items()}
    assert places[TUESDAY_NINE] == 24
    assert places[TUESDAY_TEN] == 25


def test_nobody_joins_a_group_twice(world: World) -> None:
    book_one(world, "onboarding")
    with pytest.raises(InvalidInputError) as refused:
        book_one(world, "onboarding", guest=Guest("Zoë", "ZOE@example.com"))
    assert refused.value.field == "email"


def test_a_moved_booking_names_its_previous_time(world: World, clock: Clock) -> None:
    event = book_one(world)
    clock.advance(minutes=5)
    with world.change() as moment:
        moved = reschedule(moment, event, TUESDAY_TEN, event.attendees[0])

    assert (moved.id, moved.version, moved.start) == (event.id, 2, TUESDAY_TEN)
    assert types_and_versions(world) == [("event.created", 1), ("event.updated", 2)]
    data = bodies(world)[-1]["data"]
    assert data["previous"] == {"start": "2026-11-24T08:00:00Z", "end": "2026-11-24T08:30:00Z"}
    assert data["event"]["updated_at"] == "2026-11-23T12:05:00Z"
    assert data["event"]["created_at"] == "2026-11-23T12:00:00Z"
    book_one(world, guest=SAM)  # the old time is free again


def test_a_booking_is_not_moved_onto_another_one_or_onto_itself(world: World) -> None:
    event = book_one(world)
    book_one(world, start=TUESDAY_TEN, guest=SAM)
    with world.change() as moment, pytest.raises(SlotTakenError):
        reschedule(moment, event, TUESDAY_TEN, event.attendees[0])
    with world.change() as moment, pytest.raises(InvalidInputError, match="already"):
        reschedule(moment, event, TUESDAY_NINE, event.attendees[0])


def test_one_member_of_a_group_moves_without_the_others(world: World) -> None:
    book_one(world, "onboarding", guest=SAM)
    group = book_one(world, "onboarding")
    with world.change() as moment:
        moved = reschedule(moment, group, TUESDAY_TEN, group.attendees[1])

    assert moved.id != group.id
    assert [attendee.email for attendee in moved.attendees] == ["zoe@example.com"]
    assert [attendee.email for attendee in world.read().state.events[group.id].attendees] == ["sam@example.com"]
    assert [kind for kind, _ in types_and_versions(world)][2:] == ["event.created", "event.updated"]


def test_the_last_member_of_a_group_joins_another_one(world: World) -> None:
    alone = book_one(world, "onboarding")
    target = book_one(world, "onboarding", TUESDAY_TEN, SAM)
    with world.change() as moment:
        moved = reschedule(moment, alone, TUESDAY_TEN, alone.attendees[0])

    assert moved.id == target.id
    assert len(moved.attendees) == 2
    assert [kind for kind, _ in types_and_versions(world)][2:] == ["event.updated", "event.cancelled"]


def test_a_cancelled_booking_frees_its_time_and_stays_cancelled(world: World) -> None:
    event = book_one(world)
    with world.change() as moment:
        cancelled = cancel(moment, event, event.attendees[0])
    with world.change() as moment:
        assert cancel(moment, cancelled, event.attendees[0]) == cancelled
    with world.change() as moment, pytest.raises(InvalidInputError, match="cancelled"):
        reschedule(moment, cancelled, TUESDAY_TEN, event.attendees[0])

    assert types_and_versions(world) == [("event.created", 1), ("event.cancelled", 2)]
    assert bodies(world)[-1]["data"]["event"]["status"] == "cancelled"
    book_one(world, guest=SAM)


def test_who_leaves_a_group_leaves_the_others_to_it(world: World) -> None:
    book_one(world, "onboarding", guest=SAM)
    group = book_one(world, "onboarding")
    with world.change() as moment:
        rest = cancel(moment, group, group.attendees[0])

    assert rest.status == "confirmed"
    assert [attendee.email for attendee in rest.attendees] == ["zoe@example.com"]
    assert types_and_versions(world)[-1] == ("event.updated", 3)


def test_declining_announces_the_attendee_once(world: World) -> None:
    event = book_one(world)
    with world.change() as moment:
        declined = respond(moment, event, event.attendees[0], "declined")
    with world.change() as moment:
        assert respond(moment, declined, declined.attendees[0], "declined") == declined

    assert types_and_versions(world) == [("event.created", 1), ("attendee.updated", 2)]
    data = bodies(world)[-1]["data"]
    assert data["attendee"]["response"] == "declined"
    assert data["event"]["attendees"] == [data["attendee"]]


def test_without_an_endpoint_nothing_is_logged() -> None:
    world = make_world(Clock(), has_endpoint=False)
    book_one(world)
    assert bodies(world) == []


def test_an_attendee_is_found_by_id_or_when_alone(world: World) -> None:
    event = book_one(world, "onboarding")
    assert find_attendee(event, None) == event.attendees[0]
    both = book_one(world, "onboarding", guest=SAM)
    assert find_attendee(both, None) is None
    assert find_attendee(both, both.attendees[1].id) == both.attendees[1]
    with pytest.raises(NotFoundError):
        find_attendee(both, "att_unknown")
