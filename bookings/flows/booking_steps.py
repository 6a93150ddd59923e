"""The steps of a booking at calendar.live, each written down before the next one: see crm_booking.py."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from bookings.automations import follow
from bookings.booking_requests import finish, move, settle
from bookings.exceptions import TakenError
from bookings.flows.notices import tell_end
from bookings.models import BookingRequest, Meeting
from bookings.reservations import reserve
from bookings.spans import block
from bookings.timezones import parse_utc
from bookings.upserts import upsert_meeting
from integrations.events import Booking, Origin
from integrations.providers.base import Account
from integrations.providers.calendar_live import client, writing
from integrations.providers.calendar_live.client import Interval

State = BookingRequest.State
# How long a slot is held, here and there, while it is booked.
HOLD_S = 300


def advance(request: BookingRequest, account: Account) -> Meeting:
    """Book the slot, from the step that the request has reached. Raises SlotTakenError, TakenError, KeepsyncErrors."""
    if request.state == State.RECEIVED:
        check_free(request, account)
        reserve_here(request)
    if request.state == State.RESERVED:
        hold_there(request, account)
    if request.asked_at is None:
        move(request, asked_at=timezone.now())
    booking = writing.create_event(account, write_event(request), key=f"event-{request.pk}")
    return confirm(request, booking)


def check_free(request: BookingRequest, account: Account) -> None:
    """Raises TakenError with what calendar.live says is in the way, buffers included."""
    start, end = block(request.calendar, read_slot(request))
    busy = client.get_free_busy(account, request.calendar.external_id, start, end).busy
    if conflicts := [each for each in busy if each[0] < end and each[1] > start]:
        raise TakenError(conflicts)


def reserve_here(request: BookingRequest) -> None:
    with transaction.atomic():
        take_time(request, expires_at=timezone.now() + timedelta(seconds=HOLD_S))
        move(request, state=State.RESERVED)


def take_time(request: BookingRequest, *, expires_at: datetime | None) -> None:
    """Reserve what the request asks for. Raises TakenError."""
    if wanted := list_wanted(request):
        reserve(request, wanted, expires_at=expires_at)


def list_wanted(request: BookingRequest) -> Sequence[Interval]:
    """The times that a booking takes, or that a change moves its meeting to; none where it stays where it is."""
    return [(parse_utc(start), parse_utc(end)) for start, end in request.body.get("times", [])]


def hold_there(request: BookingRequest, account: Account) -> None:
    body = request.body
    hold = writing.create_hold(
        account,
        calendar_id=request.calendar.external_id,
        start=body["start"],
        end=body["end"],
        ttl_s=HOLD_S,
        key=f"hold-{request.pk}-{body['start']}",
    )
    move(request, state=State.HELD, hold_id=hold.id)


def read_slot(request: BookingRequest) -> Interval:
    return parse_utc(request.body["start"]), parse_utc(request.body["end"])


def write_event(request: BookingRequest) -> dict[str, Any]:
    """The same each time: calendar.live compares the bodies of one key."""
    body = request.body
    event = {name: body[name] for name in ("title", "start", "end", "timezone")}
    return {
        **event,
        "calendar_id": request.calendar.external_id,
        "hold_id": request.hold_id,
        "description": body["description"] or None,
        "attendees": write_attendees(body["attendees"]),
        "status": "confirmed",
        "client_reference": str(request.pk),
    }


def write_attendees(attendees: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Without what is not known of them."""
    return [{name: value for name, value in each.items() if value} for each in attendees]


# --- The end ----------------------------------------------------------------------------------------------------------


def confirm(request: BookingRequest, booking: Booking) -> Meeting:
    """Apply calendar.live's answer as its webhook is applied, and finish the request. Returns the meeting."""

    def write(locked: BookingRequest) -> None:
        locked.meeting = apply(locked, booking)
        finish(locked, State.CONFIRMED)
        if locked.is_postponed:
            tell_end(locked, locked.meeting)

    settle(request, write)
    return find_meeting(request, booking)


def apply(request: BookingRequest, booking: Booking) -> Meeting:
    """The event's meeting, brought to this state or known in a newer one, and followed everywhere."""
    connection = request.connection
    origin = Origin(connection.pk, connection.slug, None, connection.default_region)
    meeting = upsert_meeting(booking, origin) or find_meeting(request, booking)
    follow(meeting)
    return meeting


def find_meeting(request: BookingRequest, booking: Booking) -> Meeting:
    return Meeting.objects.get(connection=request.connection_id, external_id=booking.id)
