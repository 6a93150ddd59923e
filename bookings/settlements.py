"""How a person settles a double booking: one of both meetings is moved or cancelled, at calendar.live too."""

from datetime import datetime

from django.contrib.auth.models import User

from bookings.flows.crm_booking import Settled
from bookings.models import Conflict, Meeting
from bookings.ordering import cancel_meeting, change_meeting
from bookings.timezones import format_instant
from integrations.exceptions import StateError


def move_one(conflict: Conflict, meeting: Meeting, start: datetime, user: User) -> Settled:
    """It lasts as long as before; of a series, all occurrences move. Raises TakenError, RefusedError, StateError."""
    require_open(conflict, meeting)
    times = {"start": format_instant(start), "end": format_instant(start + (meeting.end - meeting.start))}
    settled = change_meeting(meeting, times, calendar=meeting.calendar, user_id=user.pk)
    sign(conflict, user)
    return settled


def cancel_one(conflict: Conflict, meeting: Meeting, user: User) -> Settled:
    """Raises RefusedError, StateError."""
    require_open(conflict, meeting)
    settled = cancel_meeting(meeting, user_id=user.pk)
    sign(conflict, user)
    return settled


def require_open(conflict: Conflict, meeting: Meeting) -> None:
    if meeting.pk not in (conflict.meeting_id, conflict.other_meeting_id):
        raise StateError("This meeting is no part of the conflict.")
    if not Conflict.objects.filter(pk=conflict.pk, status=Conflict.Status.OPEN).exists():
        raise StateError("This conflict is settled by now.")


def sign(conflict: Conflict, user: User) -> None:
    """It has closed by itself; this says who made it so."""
    closed = Conflict.objects.filter(pk=conflict.pk, status=Conflict.Status.SETTLED, settled_by=None)
    closed.update(settled_by=user)
