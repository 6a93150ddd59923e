"""What a customer can do: see open slots, book, move, cancel, accept and decline."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from integrations.sandbox.calendar_live.catalog import CALENDARS, EVENT_TYPES, MARKETING_TEXT
from integrations.sandbox.calendar_live.events import (
    add_event,
    attendee_id,
    busy,
    cancel_event,
    change_event,
    new_event_id,
    new_uid,
    require_free,
    set_response,
)
from integrations.sandbox.calendar_live.exceptions import InvalidInputError, NotFoundError, SlotTakenError
from integrations.sandbox.calendar_live.records import Answer, Attendee, Consent, Event, EventType, Response, Ticket
from integrations.sandbox.calendar_live.schedule import Interval, slots
from integrations.sandbox.calendar_live.world import Moment

BOOKABLE_AHEAD = timedelta(days=60)


@dataclass(frozen=True)
class Guest:
    """What the booking form asked for; everything as typed."""

    full_name: str
    email: str
    phone: str | None = None
    company: str | None = None
    country: str | None = None
    wants_news: bool = False
    answers: tuple[Answer, ...] = ()


def event_type_of(event: Event) -> EventType:
    """The event's type; an event that was made without one counts as a type of its own."""
    if event.event_type_slug is not None:
        return EVENT_TYPES[event.event_type_slug]
    duration_min = round((event.end - event.start).total_seconds() / 60)
    return EventType("", "", event.title, "", duration_min=duration_min, calendar_id=event.calendar_id)


def open_slots(
    moment: Moment, event_type: EventType, *, ahead: timedelta = BOOKABLE_AHEAD, ignoring: Collection[str] = ()
) -> dict[Interval, int]:
    """Slots that can be booked from now on, in order, each with the number of places left."""
    window = Interval(moment.second, moment.second + ahead)
    taken = busy(moment, event_type.calendar_id, window, ignoring={*ignoring, *unseen(moment, event_type)})
    places: dict[Interval, int] = {}
    for slot in _offered(event_type, window):
        group = group_at(moment, event_type, slot.start)
        if group is not None and group.id not in ignoring:
            places[slot] = event_type.capacity - places_taken(moment, group)
        elif not any(interval.overlaps(slot) for interval in taken):
            places[slot] = event_type.capacity
    return {slot: left for slot, left in places.items() if left > 0}


def unseen(moment: Moment, event_type: EventType) -> set[str]:
    """The ids of what a page that does not see others books over."""
    if event_type.sees_others:
        return set()
    others = {event.id for event in moment.state.events.values() if event.event_type_slug != event_type.slug}
    return others | moment.state.holds.keys()


def book(moment: Moment, event_type: EventType, start: datetime, guest: Guest) -> Event:
    """Book a slot: a new event, or one more attendee of the group that meets then.

    What calendar.live sells is booked by payments.book_paid() instead.
    A group's `answers` are those of the booking made last. Raises InvalidInputError where no such slot is offered, or
    the guest is in the group already; SlotTakenError where it is occupied or full.
    """
    slot = require_offered(moment, event_type, start)
    attendee = new_attendee(moment, guest)
    group = group_at(moment, event_type, start)
    if group is None:
        return start_event(moment, event_type, slot, attendee, guest.answers)
    return _join(moment, group, attendee, guest.answers or group.answers)


def reschedule(moment: Moment, event: Event, start: datetime, attendee: Attendee | None = None) -> Event:
    """Move the event, or one attendee of a group, to another slot; the event at the new slot is returned."""
    _require_live(event)
    event_type = event_type_of(event)
    if event.payment is not None and len(event.attendees) > 1:
        raise InvalidInputError("A paid place can't be moved: please cancel it, and book another one.")
    slot = require_offered(moment, event_type, start)
    if slot.start == event.start:
        raise InvalidInputError("That is the time you have already. Please choose another one.", field="slot")
    group = group_at(moment, event_type, start)
    is_alone = len(event.attendees) == 1 and group is None
    if event.payment is not None and not is_alone:
        raise InvalidInputError("A paid place can't be moved to another group: please choose another time.")
    if attendee is None or event_type.capacity == 1 or is_alone:
        require_free(moment, event.calendar_id, [slot], ignoring={event.id, *unseen(moment, event_type)})
        return change_event(moment, event, start=slot.start, end=slot.end)
    if group is not None:
        moved = _join(moment, group, attendee, group.answers)
    else:
        moved = start_event(moment, event_type, slot, attendee, event.answers)
    leave(moment, event, attendee)
    return moved


def cancel(moment: Moment, event: Event, attendee: Attendee | None = None) -> Event:
    """Cancel the event; of a group, only the attendee's place where one is named. Repeating it is harmless."""
    return cancel_event(moment, event) if attendee is None else leave(moment, event, attendee)


def respond(moment: Moment, event: Event, attendee: Attendee, response: Response) -> Event:
    """Accept or decline; the same answer again changes nothing."""
    _require_live(event)
    return event if attendee.response == response else set_response(moment, event, attendee, response)


def find_attendee(event: Event, wanted_id: str | None) -> Attendee | None:
    """The attendee with the id; without an id the only one there is, or None. Raises NotFoundError."""
    if wanted_id is None:
        return event.attendees[0] if len(event.attendees) == 1 else None
    for attendee in event.attendees:
        if attendee.id == wanted_id:
            return attendee
    raise NotFoundError(f"Nobody with the id {wanted_id} takes part.")


def _offered(event_type: EventType, window: Interval) -> list[Interval]:
    zone = ZoneInfo(CALENDARS[event_type.calendar_id].timezone)
    return slots(zone, window, timedelta(minutes=event_type.duration_min))


def require_offered(moment: Moment, event_type: EventType, start: datetime) -> Interval:
    for slot in _offered(event_type, Interval(moment.second, moment.second + BOOKABLE_AHEAD)):
        if slot.start == start:
            return slot
    raise InvalidInputError("Please choose one of the times on offer.", field="slot")


def _require_live(event: Event) -> None:
    if event.status == "cancelled":
        raise InvalidInputError("This booking is cancelled and can't be changed any more.")


def group_at(moment: Moment, event_type: EventType, start: datetime) -> Event | None:
    if event_type.capacity == 1:
        return None
    for event in moment.state.events.values():
        if event.event_type_slug == event_type.slug and event.start == start and event.status != "cancelled":
            return event
    return None


def new_attendee(moment: Moment, guest: Guest) -> Attendee:
    return Attendee(
        id=attendee_id(moment, guest.email),
        email=guest.email,
        full_name=guest.full_name,
        phone=guest.phone,
        company=guest.company,
        country=guest.country,
        response="accepted",
        consent=Consent(marketing=True, given_at=moment.second, text=MARKETING_TEXT) if guest.wants_news else None,
    )


def start_event(
    moment: Moment,
    event_type: EventType,
    slot: Interval,
    attendee: Attendee,
    answers: tuple[Answer, ...],
    **fields: Any,
) -> Event:
    """A new event with one attendee; `fields` override the usual values. Raises SlotTakenError."""
    require_free(moment, event_type.calendar_id, [slot], ignoring=unseen(moment, event_type))
    event = Event(
        id=new_event_id(),
        uid=new_uid(),
        title=event_type.name,
        calendar_id=event_type.calendar_id,
        start=slot.start,
        end=slot.end,
        timezone=CALENDARS[event_type.calendar_id].timezone,
        source="booking_page",
        created_at=moment.second,
        updated_at=moment.second,
        event_type_slug=event_type.slug,
        attendees=(attendee,),
        answers=answers,
    )
    return add_event(moment, replace(event, **fields))


def require_place(moment: Moment, group: Event, attendee: Attendee) -> None:
    """Raise InvalidInputError where the person is in the group already, and SlotTakenError where it is full."""
    present = _present(moment, group)
    if attendee.id in present:
        raise InvalidInputError("This e-mail address is booked for that time already.", field="email")
    if len(present) >= event_type_of(group).capacity:
        raise SlotTakenError([Interval(group.start, group.end)], "That group is full by now.")


def places_taken(moment: Moment, group: Event) -> int:
    """Attendees, and those who have a place as soon as they pay."""
    return len(_present(moment, group))


def waiting(moment: Moment, group: Event) -> list[Ticket]:
    """The tickets of this group that are still to be paid."""
    tickets = moment.state.tickets.values()
    return [item for item in tickets if item.event_id == group.id and item.payment.status in ("unpaid", "failed")]


def leave(moment: Moment, event: Event, attendee: Attendee) -> Event:
    """Take one attendee out of the event; the last one cancels it."""
    if event.status == "cancelled":
        return event
    others = tuple(member for member in event.attendees if member.id != attendee.id)
    return change_event(moment, event, attendees=others) if others else cancel_event(moment, event)


def _present(moment: Moment, group: Event) -> set[str]:
    return {member.id for member in group.attendees} | {ticket.attendee.id for ticket in waiting(moment, group)}


def _join(moment: Moment, group: Event, attendee: Attendee, answers: tuple[Answer, ...]) -> Event:
    require_place(moment, group, attendee)
    return change_event(moment, group, attendees=(*group.attendees, attendee), answers=answers)
