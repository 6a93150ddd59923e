"""Changes of tentative meetings that calendar.live was never asked for: the booking itself becomes another one."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from bookings.automations import follow
from bookings.booking_requests import claim, give_back, settle
from bookings.flows.booking_steps import list_wanted
from bookings.models import BookingRequest, Calendar, Meeting, Reservation
from bookings.pending import enter_attendees, fill
from bookings.reservations import promote, reserve, take_back


def amend(meeting: Meeting, changes: Mapping[str, Any], calendar: Calendar) -> bool:
    """Returns False, and changes nothing, where calendar.live may have the meeting already. Raises TakenError."""
    request = claim(meeting.pk)
    if request is None:
        return False
    try:
        if request.asked_at is None:
            settle(request, partial(write_amended, changes=changes, calendar=calendar))
        return request.asked_at is None
    finally:
        give_back(request)


def write_amended(request: BookingRequest, *, changes: Mapping[str, Any], calendar: Calendar) -> None:
    meeting = Meeting.objects.select_for_update(no_key=True).get(pk=request.pk)
    request.body = {**request.body, **changes}
    if "times" in changes:
        request.calendar, request.state, request.hold_id = calendar, BookingRequest.State.RESERVED, ""
        move_time(request, meeting)
    request.save(update_fields=["body", "calendar", "state", "hold_id"])
    fill(meeting, request)
    meeting.save()
    if "attendees" in changes:
        meeting.attendances.all().delete()
        enter_attendees(meeting, request)
    follow(meeting)


def move_time(request: BookingRequest, meeting: Meeting) -> None:
    freed = take_back(Reservation.objects.filter(meeting=meeting))
    reserve(request, list_wanted(request), expires_at=None)
    held = Reservation.objects.filter(request=request, kind=Reservation.Kind.HOLD)
    held.update(kind=Reservation.Kind.MEETING, meeting=meeting)
    promote(freed)
