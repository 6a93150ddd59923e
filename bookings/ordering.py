"""From what a caller, or an operator, asks for to a request that is carried out."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from bookings.amending import amend
from bookings.booking_requests import add, claim, give_back, wait_for_answer
from bookings.exceptions import RefusedError
from bookings.flows.booking_changes import describe_body, describe_booking, describe_meeting
from bookings.flows.crm_booking import WITHDRAWN, Settled, carry_out, give_up, read_settled
from bookings.models import BookingRequest, Calendar, Meeting
from bookings.spans import list_spans
from bookings.timezones import format_instant, parse_utc
from integrations.events import Booking
from integrations.exceptions import StateError

Kind = BookingRequest.Kind


def make_booking(calendar: Calendar, asked: Mapping[str, Any]) -> BookingRequest:
    """Of checked input; not stored yet."""
    texts = ("title", "start", "end", "timezone", "attendees")
    body = {name: asked[name] for name in texts}
    body |= {name: asked.get(name, "") for name in ("description", "external_id")}
    body["times"] = [(asked["start"], asked["end"])]
    return BookingRequest(kind=Kind.CREATE, connection=calendar.connection, calendar=calendar, body=body)


def change_meeting(meeting: Meeting, asked: Mapping[str, Any], *, calendar: Calendar, user_id: int | None) -> Settled:
    """Change a meeting to what is asked for, of checked input. Raises TakenError, RefusedError."""
    if meeting.status == Meeting.Status.CANCELLED:
        raise RefusedError("The meeting is cancelled.", status=409, code="cancelled")
    if "external_id" in asked and asked["external_id"] != meeting.caller_id:
        meeting.caller_id = asked["external_id"]
        meeting.save(update_fields=["caller_id", "updated_at"])
    request = make_change(meeting, asked, calendar)
    if request is None:
        return Settled(meeting, is_done=True)
    if meeting.is_pending and amend(meeting, request.body, calendar):
        meeting.refresh_from_db()
        return Settled(meeting, is_done=False)
    if left := find_same(request):
        return go_on(left)
    request.user_id = user_id
    return work(request)


def find_same(request: BookingRequest) -> BookingRequest | None:
    """The same change of the same meeting that is not finished: what it has reserved would be in the way of another."""
    wished = (request.calendar_id, describe_body(request.body))
    unfinished = BookingRequest.objects.filter(meeting=request.meeting_id, kind=Kind.CHANGE, finished_at=None)
    return next((each for each in unfinished if (each.calendar_id, describe_body(each.body)) == wished), None)


def go_on(left: BookingRequest) -> Settled:
    """Wait for who works on a request, and take it up where nobody does. Raises TakenError, RefusedError."""
    latest = wait_for_answer(left)
    if latest.finished_at or (claimed := claim(latest.pk)) is None:
        return read_settled(latest)
    try:
        return carry_out(claimed)
    finally:
        give_back(claimed)


def make_change(meeting: Meeting, asked: Mapping[str, Any], calendar: Calendar) -> BookingRequest | None:
    """None where the meeting is as it is wished already."""
    now_is = describe_meeting(meeting)
    given = {**asked, **({"calendar": calendar.external_id} if calendar != meeting.calendar else {})}
    wished = describe_body({name: value for name, value in given.items() if name != "calendar"})
    wished |= {"calendar": calendar.external_id} if calendar != meeting.calendar else {}
    body = {name: given[name] for name, value in wished.items() if value != now_is[name]}
    if not body:
        return None
    if not body.keys().isdisjoint(("start", "end", "timezone", "calendar")):
        body["times"] = list_times(meeting, body)
    base = {name: now_is[name] for name in describe_body(body)}
    return BookingRequest(
        kind=Kind.CHANGE, connection=meeting.connection, calendar=calendar, meeting=meeting, body=body, base=base
    )


def list_times(meeting: Meeting, body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """When the meeting, or each occurrence of the series, will take place."""
    moved = Meeting(
        connection_id=meeting.connection_id,
        external_id=meeting.external_id,
        status=meeting.status,
        start=read_time(body, "start", meeting.start),
        end=read_time(body, "end", meeting.end),
        timezone=body.get("timezone", meeting.timezone),
        rrule=meeting.rrule,
        exdates=meeting.exdates,
    )
    spans = list_spans(moved, timezone.now())
    return [(format_instant(span.start), format_instant(span.end)) for span in spans]


def read_time(body: Mapping[str, Any], name: str, otherwise: datetime) -> datetime:
    return parse_utc(body[name]) if name in body else otherwise


def cancel_meeting(meeting: Meeting, *, user_id: int | None) -> Settled:
    """Repeating it is harmless. Raises RefusedError."""
    if meeting.status == Meeting.Status.CANCELLED:
        return Settled(meeting, is_done=True)
    if meeting.is_pending and withdraw(meeting):
        meeting.refresh_from_db()
        return Settled(meeting, is_done=True)
    request = BookingRequest(
        kind=Kind.CANCEL,
        connection=meeting.connection,
        calendar=meeting.calendar,
        meeting=meeting,
        user_id=user_id,
    )
    return work(request)


def restore_event(meeting: Meeting, there: Booking, names: Collection[str], *, user_id: int | None) -> Settled:
    """Bring calendar.live's event to what the meeting holds in these fields, based on what stands there.

    What somebody changes there meanwhile is not written over. Raises StateError where none of them can be changed,
    TakenError, RefusedError.
    """
    is_to_be_cancelled = meeting.status == Meeting.Status.CANCELLED
    body = {} if is_to_be_cancelled else describe_restored(meeting, there, names)
    if not (body or is_to_be_cancelled):
        raise StateError(f"calendar.live takes no change of {', '.join(sorted(names)) or 'anything'}.")
    held = describe_booking(there)
    request = BookingRequest(
        kind=Kind.CANCEL if is_to_be_cancelled else Kind.CHANGE,
        connection=meeting.connection,
        calendar=meeting.calendar,
        meeting=meeting,
        user_id=user_id,
        body=body,
        base={name: held[name] for name in describe_body(body)} or {"status": there.status},
    )
    return work(request)


def describe_restored(meeting: Meeting, there: Booking, names: Collection[str]) -> dict[str, Any]:
    """Of these fields what a change can carry. Attendees who were erased here cannot be named any more."""
    ours, held = describe_meeting(meeting), describe_booking(there)
    body = {name: value for name, value in ours.items() if name in names and value != held[name]}
    if "attendees" in body:
        people = [{"email": each.email, "full_name": each.full_name} for each in meeting.attendances.all()]
        body["attendees"] = people
        if not all(each["email"] for each in people):
            del body["attendees"]
    if not body.keys().isdisjoint(("start", "end", "timezone", "calendar")):
        body["times"] = list_times(meeting, body)
    return body


def withdraw(meeting: Meeting) -> bool:
    """End a booking that calendar.live was never asked for. False where it may have it."""
    request = claim(meeting.pk)
    if request is None:
        return False
    try:
        if request.asked_at is None:
            give_up(request, WITHDRAWN)
        return request.asked_at is None
    finally:
        give_back(request)


def work(request: BookingRequest) -> Settled:
    add(request)
    try:
        return carry_out(request)
    finally:
        give_back(request)
