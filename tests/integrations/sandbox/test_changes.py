from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.sandbox.calendar_live.bookings import Guest, book
from integrations.sandbox.calendar_live.catalog import EVENT_TYPES
from integrations.sandbox.calendar_live.changes import create_event, hold_slot, release_hold, update_event
from integrations.sandbox.calendar_live.documents import event_document, hold_document
from integrations.sandbox.calendar_live.events import busy, cancel_event
from integrations.sandbox.calendar_live.exceptions import (
    InvalidInputError,
    KeyReusedError,
    SlotTakenError,
    VersionMismatchError,
)
from integrations.sandbox.calendar_live.idempotency import answer_once
from integrations.sandbox.calendar_live.inputs import parse_event_input, parse_hold_input
from integrations.sandbox.calendar_live.records import Event
from integrations.sandbox.calendar_live.schedule import Interval
from integrations.sandbox.calendar_live.world import World
from tests.integrations.sandbox.support import Clock, bodies, check_document, check_envelope

TEN = datetime(2026, 11, 24, 10, tzinfo=UTC)
INPUT = {
    "calendar_id": "cal_emea_sales",
    "title": "Planning",
    "start": "2026-11-24T11:00:00+01:00",
    "end": "2026-11-24T10:30:00Z",
    "attendees": [{"email": "zoe@example.com", "full_name": "Zoë"}],
    "client_reference": "mtg-1",
}


def create(world: World, **changes: Any) -> Event:
    with world.change() as moment:
        return create_event(moment, parse_event_input(INPUT | changes))


def update(world: World, event: Event, based_on: str | None = None, **fields: Any) -> Event:
    with world.change() as moment:
        return update_event(moment, event, parse_event_input(fields), based_on=based_on or f'"{event.version}"')


def hold(world: World, **changes: Any) -> str:
    body = {"calendar_id": "cal_emea_sales", "start": INPUT["start"], "end": INPUT["end"]} | changes
    with world.change() as moment:
        made = hold_slot(moment, parse_hold_input(body))
    check_document(hold_document(made), "Hold")
    return made.id


def test_a_created_event_is_announced_with_its_creators_reference(world: World) -> None:
    event = create(world)
    document = event_document(event)
    check_document(document, "Event")
    (envelope,) = bodies(world)
    check_envelope(envelope)
    assert (envelope["type"], envelope["data"]) == ("event.created", {"event": document})
    assert (document["source"], document["client_reference"], document["event_type"]) == ("api", "mtg-1", None)
    assert (document["start"], document["timezone"]) == ("2026-11-24T10:00:00Z", "Europe/Paris")
    assert document["attendees"][0]["response"] == "needs_action"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"calendar_id": "cal_unknown"}, "calendar_id"),
        ({"title": " "}, "title"),
        ({"start": "2026-11-24"}, "start"),
        ({"start": "2026-11-24T10:00:00"}, "start"),
        ({"start": 5}, "start"),
        ({"end": "2026-11-24T10:00:00Z"}, "end"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"attendees": [{"full_name": "Nobody"}]}, "attendees"),
        ({"attendees": [{"email": "nobody"}]}, "attendees"),
        ({"attendees": "zoe@example.com"}, "attendees"),
        ({"status": "cancelled"}, "status"),
        ({"client_reference": "x" * 129}, "client_reference"),
        ({"recurrence": {"rrule": "FREQ=SOMETIMES"}}, "recurrence"),
        ({"recurrence": {"rrule": "FREQ=SECONDLY"}}, "recurrence"),
        ({"recurrence": {"rrule": "FREQ=DAILY", "exdates": ["soon"]}}, "recurrence"),
    ],
)
def test_bad_input_is_refused_with_its_field(world: World, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        create(world, **changes)
    assert refused.value.field == field
    assert bodies(world) == []


@pytest.mark.parametrize("name", ["calendar_id", "title", "start", "end"])
def test_a_missing_field_is_named(world: World, name: str) -> None:
    body = {key: value for key, value in INPUT.items() if key != name}
    with world.change() as moment, pytest.raises(InvalidInputError) as refused:
        create_event(moment, parse_event_input(body))
    assert refused.value.field == name


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        parse_event_input([])


def test_overlapping_events_conflict_and_touching_ones_do_not(world: World) -> None:
    create(world)
    create(world, start="2026-11-24T10:30:00Z", end="2026-11-24T11:00:00Z")
    create(world, calendar_id="cal_us_sales")
    with pytest.raises(SlotTakenError) as refused:
        create(world, start="2026-11-24T10:59:00Z", end="2026-11-24T12:00:00Z")
    assert refused.value.conflicts == [Interval(TEN + timedelta(minutes=30), TEN + timedelta(hours=1))]


def test_every_occurrence_of_a_series_occupies_its_time(world: World) -> None:
    create(world, recurrence={"rrule": "FREQ=WEEKLY;COUNT=10"})
    with pytest.raises(SlotTakenError):
        create(world, start="2026-12-15T10:15:00Z", end="2026-12-15T10:45:00Z")
    with pytest.raises(SlotTakenError):
        create(world, start="2026-11-17T10:00:00Z", end="2026-11-17T10:30:00Z", recurrence={"rrule": "FREQ=WEEKLY"})


def test_a_change_raises_the_version_and_names_the_previous_values(world: World) -> None:
    event = create(world)
    changed = update(world, event, title="Review", join_url="https://zoom.example/j/1", client_reference="mtg-1")
    envelope = bodies(world)[-1]
    check_envelope(envelope)
    assert changed.version == 2
    assert envelope["type"] == "event.updated"
    assert envelope["data"]["previous"] == {"title": "Planning", "join_url": None}


@pytest.mark.parametrize("based_on", ['"2"', "1", "*", ""])
def test_a_change_based_on_another_version_is_refused_with_the_current_event(world: World, based_on: str) -> None:
    event = create(world)
    with world.change() as moment, pytest.raises(VersionMismatchError) as refused:
        update_event(moment, event, {"title": "Review"}, based_on=based_on)
    assert refused.value.event == event
    assert len(bodies(world)) == 1


def test_an_event_may_move_within_its_own_time_but_not_onto_another(world: World) -> None:
    event = create(world)
    moved = update(world, event, start="2026-11-24T10:15:00Z", end="2026-11-24T10:45:00Z")
    create(world, start="2026-11-24T12:00:00Z", end="2026-11-24T13:00:00Z")
    with pytest.raises(SlotTakenError):
        update(world, moved, start="2026-11-24T11:45:00Z", end="2026-11-24T12:15:00Z")
    with pytest.raises(InvalidInputError):
        update(world, moved, end="2026-11-24T09:00:00Z")


def test_attendees_who_stay_keep_their_answer_and_consent(world: World) -> None:
    with world.change() as moment:
        guest = Guest("Zoë Okafor", "zoe@example.com", wants_news=True)
        event = book(moment, EVENT_TYPES["trial"], TEN, guest)
    attendees = [{"email": "ZOE@example.com", "company": "Okafor"}, {"email": "sam@example.com"}]
    zoe, sam = update(world, event, attendees=attendees).attendees

    assert (zoe.id, zoe.response, zoe.consent) == (event.attendees[0].id, "accepted", event.attendees[0].consent)
    assert (zoe.full_name, zoe.company) == ("Zoë Okafor", "Okafor")
    assert sam.response == "needs_action"


def test_a_cancelled_event_is_not_changed_any_more(world: World) -> None:
    with world.change() as moment:
        event = cancel_event(moment, create_event(moment, parse_event_input(INPUT)))
    with pytest.raises(InvalidInputError):
        update(world, event, title="Again")
    assert create(world).status == "confirmed"


def test_a_hold_keeps_others_out_until_its_event_comes(world: World) -> None:
    hold_id = hold(world)
    with pytest.raises(SlotTakenError):
        create(world)
    with pytest.raises(SlotTakenError):
        hold(world)
    create(world, hold_id=hold_id)
    assert world.read().state.holds == {}


def test_a_hold_ends_by_itself_or_by_release(world: World, clock: Clock) -> None:
    hold(world, ttl_seconds=30)
    clock.advance(seconds=30)
    hold_id = hold(world)
    with world.change() as moment:
        release_hold(moment, hold_id)
        release_hold(moment, hold_id)
    create(world, hold_id=hold_id)


@pytest.mark.parametrize("ttl", [29, 1801, 60.5, True, "60"])
def test_a_hold_lasts_30_seconds_to_30_minutes(ttl: object) -> None:
    body = {"calendar_id": "cal_emea_sales", "start": INPUT["start"], "end": INPUT["end"], "ttl_seconds": ttl}
    with pytest.raises(InvalidInputError) as refused:
        parse_hold_input(body)
    assert refused.value.field == "ttl_seconds"


def test_busy_times_are_merged_over_events_and_holds(world: World) -> None:
    create(world)
    hold(world, start="2026-11-24T10:30:00Z", end="2026-11-24T11:00:00Z")
    window = Interval(TEN - timedelta(days=1), TEN + timedelta(days=1))
    assert busy(world.read(), "cal_emea_sales", window) == [Interval(TEN, TEN + timedelta(hours=1))]
    assert busy(world.read(), "cal_us_sales", window) == []


def test_a_key_answers_its_first_result_for_a_day(world: World, clock: Clock) -> None:
    made = iter(range(10))

    def answer(body: dict[str, Any], key: str = "k") -> dict[str, Any]:
        with world.change() as moment:
            return answer_once(moment, "POST /v1/events", key, body, lambda: {"n": next(made)})

    assert answer({"a": 1, "b": 2}) == answer({"b": 2, "a": 1}) == {"n": 0}
    assert answer({"a": 1}, "other") == {"n": 1}
    with pytest.raises(KeyReusedError):
        answer({"a": 2})
    clock.advance(hours=24, seconds=1)
    assert answer({"a": 2}) == {"n": 2}


@pytest.mark.parametrize("key", ["", "k" * 129])
def test_a_key_is_required_and_not_too_long(world: World, key: str) -> None:
    with world.change() as moment, pytest.raises(InvalidInputError):
        answer_once(moment, "POST /v1/events", key, {}, dict)


def test_a_refusal_is_not_remembered_for_the_key(world: World) -> None:
    first = create(world)

    def attempt() -> dict[str, Any]:
        with world.change() as moment:
            values = parse_event_input(INPUT)
            make = lambda: event_document(create_event(moment, values))  # noqa: E731
            return answer_once(moment, "POST /v1/events", "k", INPUT, make)

    with pytest.raises(SlotTakenError):
        attempt()
    with world.change() as moment:
        cancel_event(moment, first)
    assert attempt()["status"] == "confirmed"
