"""Changes and cancellations of meetings that calendar.live has: see crm_booking.py.

A change says what it is based on. Where calendar.live holds something newer, it is read, and the change is made if
nobody else has changed the same fields; it never overwrites what its caller has not seen.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.utils import timezone

from bookings.automations import follow
from bookings.booking_requests import finish, move, settle
from bookings.exceptions import RefusedError
from bookings.flows.booking_steps import apply, confirm, reserve_here, write_attendees
from bookings.models import BookingRequest, Meeting
from bookings.pending import cancel_here
from bookings.timezones import format_instant
from bookings.upserts import read_email
from integrations.events import Booking
from integrations.exceptions import MissingError, StaleVersionError, TransientError
from integrations.providers.base import Account
from integrations.providers.calendar_live import writing
from integrations.races import run_race

State = BookingRequest.State
# How often a change follows an event that changes at the same time, before it makes room for others.
STALE_TRIES = 10


def advance_change(request: BookingRequest, account: Account) -> Meeting:
    """Change the event. Raises RefusedError, SlotTakenError, TakenError, KeepsyncErrors."""
    meeting = read_meeting(request)
    check_undisputed(request, describe_meeting(meeting), meeting.status)
    if request.state == State.RECEIVED:
        reserve_here(request)
    if request.asked_at is None:
        move(request, asked_at=timezone.now())
    return confirm(request, change_event(request, account, meeting))


def read_meeting(request: BookingRequest) -> Meeting:
    """Raises TransientError for one that calendar.live has not got yet: its booking comes first."""
    meeting = Meeting.objects.select_related("calendar").get(requests=request)
    if meeting.is_pending and meeting.status != Meeting.Status.CANCELLED:
        raise TransientError("The booking itself is not settled yet.")
    return meeting


def change_event(request: BookingRequest, account: Account, meeting: Meeting) -> Booking:
    """The event with the change in it."""
    version = meeting.version
    for _ in range(STALE_TRIES):
        try:
            return writing.patch_event(account, meeting.external_id, write_changes(request), version=version)
        except StaleVersionError as error:
            current = error.current
        run_race(partial(take_in, request, current))
        there = describe_booking(current)
        if is_done(request, there):
            return current
        check_undisputed(request, there, current.status)
        version = current.version
    raise TransientError("The event changes all the time.")


def write_changes(request: BookingRequest) -> dict[str, Any]:
    """What changes, in calendar.live's words."""
    body = request.body
    changes = {name: body[name] for name in ("title", "start", "end", "timezone") if name in body}
    if "description" in body:
        changes["description"] = body["description"] or None
    if "attendees" in body:
        changes["attendees"] = write_attendees(body["attendees"])
    if "calendar" in body:
        changes["calendar_id"] = body["calendar"]
    return changes


def take_in(request: BookingRequest, current: Booking) -> None:
    """Apply what calendar.live holds, before anything is decided by it."""
    apply(request, current)


def is_done(request: BookingRequest, there: Mapping[str, Any]) -> bool:
    """Whether an earlier try has made the change, or somebody else has made the same."""
    return all(there[name] == value for name, value in describe_body(request.body).items())


def check_undisputed(request: BookingRequest, there: Mapping[str, Any], status: str) -> None:
    """Raises RefusedError where the meeting is cancelled, or somebody else has changed the same field meanwhile."""
    if status == Meeting.Status.CANCELLED:
        raise RefusedError("The meeting is cancelled.", status=409, code="cancelled")
    for name, value in describe_body(request.body).items():
        if there[name] not in (value, request.base[name]):
            text = f"{name} was changed at calendar.live meanwhile: look at the meeting, and decide again."
            raise RefusedError(text, status=409, code="changed_meanwhile", field=name)


# --- What fields hold, to be compared ---------------------------------------------------------------------------------


def describe_booking(booking: Booking) -> dict[str, Any]:
    return {
        "title": booking.title,
        "description": booking.description,
        "start": format_instant(booking.start),
        "end": format_instant(booking.end),
        "timezone": booking.timezone,
        "calendar": booking.calendar.id,
        "attendees": sorted(read_email(each) for each in booking.attendees),
    }


def describe_meeting(meeting: Meeting) -> dict[str, Any]:
    return {
        "title": meeting.title,
        "description": meeting.description,
        "start": format_instant(meeting.start),
        "end": format_instant(meeting.end),
        "timezone": meeting.timezone,
        "calendar": meeting.calendar.external_id,
        "attendees": sorted(each.email for each in meeting.attendances.all()),
    }


def describe_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is asked for, the fields that can be compared."""
    compared = ("title", "description", "start", "end", "timezone", "calendar")
    found = {name: body[name] for name in compared if name in body}
    if "attendees" in body:
        found["attendees"] = sorted(each["email"] for each in body["attendees"])
    return found


# --- Cancelling -------------------------------------------------------------------------------------------------------


def advance_cancellation(request: BookingRequest, account: Account) -> Meeting:
    """Cancel the event; one that is cancelled, or gone, is well. `base` names a status where it stands there only."""
    meeting = read_meeting(request)
    if meeting.status == Meeting.Status.CANCELLED and not request.base:
        return finish_here(request)
    if request.asked_at is None:
        move(request, asked_at=timezone.now())
    try:
        return confirm(request, writing.delete_event(account, meeting.external_id))
    except MissingError:
        return finish_here(request)


def finish_here(request: BookingRequest) -> Meeting:
    """calendar.live does not have it any more."""

    def write(locked: BookingRequest) -> None:
        meeting = Meeting.objects.select_for_update(no_key=True, of=("self",)).select_related("calendar")
        found = meeting.get(requests=locked)
        if found.status != Meeting.Status.CANCELLED:
            cancel_here(found)
            follow(found)
        finish(locked, State.CONFIRMED)

    settle(request, write)
    return Meeting.objects.get(requests=request)
