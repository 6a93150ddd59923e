"""How an event comes to be and changes. Every change raises its version and puts the right webhook in the outbox."""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from integrations.sandbox.calendar_live.documents import attendee_document, event_document, previous_document
from integrations.sandbox.calendar_live.exceptions import NotFoundError, SlotTakenError
from integrations.sandbox.calendar_live.outbox import enqueue
from integrations.sandbox.calendar_live.records import Attendee, Event, Hold, Response
from integrations.sandbox.calendar_live.schedule import Interval, merge, occurrences
from integrations.sandbox.calendar_live.world import Moment

# How far into the future a series is checked against the calendar.
SERIES_CHECKED_FOR = timedelta(days=366)


def find_event(moment: Moment, event_id: str) -> Event:
    event = moment.state.events.get(event_id)
    if event is None:
        raise NotFoundError(f"No event {event_id}.")
    return event


def new_event_id() -> str:
    return f"ev_{secrets.token_hex(6)}"


def new_uid() -> str:
    return f"{secrets.token_hex(8)}@calendar.live"


def attendee_id(moment: Moment, email: str) -> str:
    """The id that belongs to the e-mail address in this account, whatever its case."""
    return moment.state.attendee_ids.setdefault(email.strip().casefold(), f"att_{secrets.token_hex(6)}")


def busy(moment: Moment, calendar_id: str, window: Interval, *, ignoring: Collection[str] = ()) -> list[Interval]:
    """Times in the window taken by events and live holds, merged and sorted; `ignoring` names ids that don't count."""
    taken: list[Interval] = []
    for event in moment.state.events.values():
        if event.calendar_id == calendar_id and event.status != "cancelled" and event.id not in ignoring:
            taken += event_times(event, window)
    for hold in live_holds(moment):
        if hold.calendar_id == calendar_id and hold.id not in ignoring:
            taken.append(Interval(hold.start, hold.end))
    return merge(interval for interval in taken if interval.overlaps(window))


def event_times(event: Event, window: Interval) -> list[Interval]:
    return occurrences(Interval(event.start, event.end), ZoneInfo(event.timezone), event.recurrence, window)


def live_holds(moment: Moment) -> list[Hold]:
    return [hold for hold in moment.state.holds.values() if hold.expires_at > moment.now]


def require_free(
    moment: Moment, calendar_id: str, wanted: Iterable[Interval], *, ignoring: Collection[str] = ()
) -> None:
    """Raise SlotTakenError where one of the wanted times is occupied."""
    wanted = sorted(wanted)
    if not wanted:
        return
    taken = busy(moment, calendar_id, Interval(wanted[0].start, wanted[-1].end), ignoring=ignoring)
    conflicts = [interval for interval in taken if any(interval.overlaps(want) for want in wanted)]
    if conflicts:
        raise SlotTakenError(conflicts)


def require_room(moment: Moment, event: Event, *, ignoring: Collection[str] = ()) -> None:
    """Raise SlotTakenError where the event, or an occurrence of it in the next year, meets another one."""
    year = Interval(event.start, event.end + SERIES_CHECKED_FOR)
    require_free(moment, event.calendar_id, event_times(event, year), ignoring={event.id, *ignoring})


def add_event(moment: Moment, event: Event) -> Event:
    """Store a new event and announce it; the caller has checked that its time is free."""
    moment.state.events[event.id] = event
    enqueue(moment, "event.created", {"event": event_document(event)}, event.id)
    return event


def change_event(moment: Moment, event: Event, **changes: Any) -> Event:
    """Store the event with some fields changed, and announce it with their previous values."""
    changed = _next_version(moment, event, **changes)
    data = {"event": event_document(changed), "previous": previous_document(event, changed)}
    enqueue(moment, "event.updated", data, event.id)
    return changed


def cancel_event(moment: Moment, event: Event, **changes: Any) -> Event:
    """Cancel and announce it. Repeating it changes nothing."""
    if event.status == "cancelled":
        return event
    cancelled = _next_version(moment, event, status="cancelled", **changes)
    enqueue(moment, "event.cancelled", {"event": event_document(cancelled)}, event.id)
    return cancelled


def set_response(moment: Moment, event: Event, attendee: Attendee, response: Response) -> Event:
    """Store an attendee's answer to the invitation, and announce it."""
    answered = replace(attendee, response=response)
    attendees = tuple(answered if item.id == attendee.id else item for item in event.attendees)
    changed = _next_version(moment, event, attendees=attendees)
    data = {"event": event_document(changed), "attendee": attendee_document(answered)}
    enqueue(moment, "attendee.updated", data, event.id)
    return changed


def settle_event(moment: Moment, event: Event, outcome: Literal["succeeded", "failed"], **changes: Any) -> Event:
    """Store what a payment changed, and announce it as payment.succeeded or payment.failed."""
    settled = _next_version(moment, event, **changes)
    enqueue(moment, f"payment.{outcome}", {"event": event_document(settled)}, event.id)
    return settled


def _next_version(moment: Moment, event: Event, **changes: Any) -> Event:
    changed = replace(event, **changes, version=event.version + 1, updated_at=moment.second)
    moment.state.events[event.id] = changed
    return changed
