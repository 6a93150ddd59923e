"""Events that were booked through Keepsync come back, by an answer or by a webhook: their meeting is found.

An event carries the id of its booking as its `client_reference`, which is the meeting's id too.
"""

from typing import Any
from uuid import UUID

from django.utils import timezone

from bookings.models import BookingRequest, Meeting, MeetingLink, Reservation
from bookings.record_hints import look_again
from bookings.reservations import take_back
from bookings.sync import read_values
from bookings.timezones import format_instant, parse_utc
from integrations.events import Booking, Origin
from integrations.mappings import hash_values, map_values, read_mapping
from integrations.ownership import PARTS, Record, note_told

State = BookingRequest.State
# Attendee ids of those whom calendar.live does not know yet begin so.
PENDING_ATTENDEE = "pending:"


def read_reference(text: str) -> UUID | None:
    """An id that Keepsync has given to something outside; None for anybody else's reference."""
    try:
        return UUID(text)
    except ValueError:
        return None


def find_request(booking: Booking, origin: Origin) -> BookingRequest | None:
    """The request that made an event, locked."""
    key = read_reference(booking.client_reference)
    if key is None:
        return None
    made = BookingRequest.objects.select_for_update(no_key=True)
    return made.filter(pk=key, kind=BookingRequest.Kind.CREATE, connection=origin.connection_id).first()


def find_booked(request: BookingRequest) -> Meeting | None:
    """The meeting of a request, locked, or a new one. None where another event has become it."""
    meeting = Meeting.objects.select_for_update(no_key=True).filter(pk=request.pk).first()
    if meeting is None:
        return Meeting(
            pk=request.pk, connection_id=request.connection_id, caller_id=request.body.get("external_id", "")
        )
    return meeting if meeting.is_pending else None


def take_over(request: BookingRequest, meeting: Meeting) -> list[Reservation]:
    """The request is done, and its holds make way for the meeting's own time. Returns them."""
    link_record(request, meeting)
    look_again(request)
    held = take_back(Reservation.objects.filter(request=request, kind=Reservation.Kind.HOLD))
    request.state, request.meeting, request.failure = State.CONFIRMED, meeting, ""
    request.finished_at = request.finished_at or timezone.now()
    request.save(update_fields=["state", "meeting", "failure", "finished_at"])
    return held


def link_record(request: BookingRequest, meeting: Meeting) -> None:
    """A meeting that a sales rep has made in a CRM is that record from the first moment: it never gets a second one."""
    if request.crm_id is None:
        return
    is_gone = BookingRequest.objects.filter(pk=request.pk, is_record_gone=True).exists()
    told = read_told(request, meeting)
    MeetingLink.objects.get_or_create(
        connection_id=request.crm_id,
        external_id=request.record_id,
        defaults={
            "meeting": meeting,
            "is_gone": is_gone,
            "exchanged": note_told({}, told, None),
            "pushed_hash": hash_values(told),
        },
    )


def read_told(request: BookingRequest, meeting: Meeting) -> dict[str, Any]:
    """What the record held when it was booked, under the CRM's names: what it holds otherwise has changed since."""
    body = request.body
    booked = Meeting(
        title=body["title"],
        description=body["description"],
        start=parse_utc(body["start"]),
        end=parse_utc(body["end"]),
        calendar=meeting.calendar,
    )
    parts = {part for field in ("title", "description", "time") for part in PARTS[Record.MEETING][field]}
    mapping = [pair for pair in read_mapping(request.crm, Record.MEETING) if pair[0] in parts] if request.crm else []
    return map_values(mapping, read_values(booked, None))


def is_asked_for(meeting: Meeting) -> bool:
    """Whether what has just become of the meeting is what somebody asks for through Keepsync at this moment."""
    asked = BookingRequest.objects.filter(meeting=meeting, finished_at=None, asked_at__isnull=False)
    return any(is_what(request, meeting) for request in asked)


def is_what(request: BookingRequest, meeting: Meeting) -> bool:
    if request.kind == BookingRequest.Kind.CANCEL:
        return meeting.status == Meeting.Status.CANCELLED
    times = {name: format_instant(getattr(meeting, name)) for name in ("start", "end") if name in request.body}
    is_moved = bool(times) and all(request.body[name] == time for name, time in times.items())
    return is_moved and meeting.status != Meeting.Status.CANCELLED
