"""What calendar.live says about fields of a meeting that a CRM owns. Its times and its end are calendar.live's own.

What it may not write stays here as it is, and an effect asks calendar.live for our value again: see flows/restoring.py.
"""

from typing import Any

from bookings.models import BookingRequest, Meeting
from integrations.effects import plan
from integrations.events import Booking
from integrations.ownership import Held, Record, Side, Verdict, Write, decide, find_strictest, log_writes

RESTORE = "meeting.restore"
TEXTS = ("title", "description")
# Of the last requests of a meeting, among which one may have asked for what calendar.live tells.
LOOKED_AT = 5


def keep_owned(meeting: Meeting, booking: Booking) -> dict[str, Any]:
    """The fields that stay as they are, though the booking says something else. Plans what puts it right there."""
    changed = [name for name in TEXTS if getattr(meeting, name) != getattr(booking, name)]
    if not changed or not meeting.links.filter(connection__calendar_pairs__calendar=meeting.connection_id).exists():
        return {}
    rules = find_strictest(Record.MEETING, calendar=meeting.connection_id)
    kept = {}
    for name in changed:
        held, told = getattr(meeting, name), getattr(booking, name)
        decision = decide(rules.get(name), Write(Side.CALENDAR, told, booking.updated_at), Held(held))
        if decision.value != told and not was_asked_for(meeting, name, told):
            kept[name] = decision.value
    if kept:
        log_writes(meeting.connection_id, f"meeting:{meeting.pk}", dict.fromkeys(kept, Verdict.BLOCKED))
        plan(RESTORE, connection_id=meeting.connection_id, subject=f"meeting:{meeting.pk}")
    return kept


def was_asked_for(meeting: Meeting, name: str, value: str) -> bool:
    """Whether it is calendar.live's answer to a change that went out from here."""
    latest = BookingRequest.objects.filter(meeting=meeting, kind=BookingRequest.Kind.CHANGE).order_by("-id")
    return any(request.body.get(name) == value for request in latest[:LOOKED_AT])
