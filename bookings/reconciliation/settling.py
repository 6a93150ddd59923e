"""What a person decides about a discrepancy: theirs is applied here, ours is pushed there, or it stays as it is."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from bookings.models import Discrepancy, Meeting, MeetingLink
from bookings.ordering import restore_event
from bookings.reconciliation.differences import find_differences
from bookings.reconciliation.events import EVENT_TYPE, make_origin
from bookings.sync import plan_meeting
from contacts.models import Contact
from contacts.sync import plan_contacts
from integrations.calls import use_account
from integrations.deliveries import lock_subject
from integrations.events import Booking, BookingChanged, dispatch
from integrations.exceptions import StateError
from integrations.models.deliveries import ERROR_LENGTH
from integrations.pairs import CALENDAR
from integrations.providers.calendar_live.reading import get_event

Kind, Status = Discrepancy.Kind, Discrepancy.Status
# A version that every state is newer than; 0 is that of a meeting that calendar.live has not got yet.
BELOW_ALL = -1
SETTLED = "This discrepancy does not wait for a person any more."

type Follow = Callable[[Meeting], None]


def may_apply(row: Discrepancy) -> bool:
    """What calendar.live holds can be applied here. What a CRM holds comes in by its own way."""
    return row.status == Status.OPEN and row.connection.provider == CALENDAR and bool(row.external_id)


def may_push(row: Discrepancy) -> bool:
    """To calendar.live goes what can be asked for as a change, or a cancellation; no event is made anew there."""
    can_be_asked_for = row.connection.provider != CALENDAR or row.kind in (Kind.FIELD_DIFFERS, Kind.GHOST)
    return row.status == Status.OPEN and row.meeting_id is not None and can_be_asked_for


def may_dismiss(row: Discrepancy) -> bool:
    return row.status == Status.OPEN


def apply_theirs(row: Discrepancy, *, user: Any, follow: Follow) -> str:
    """Bring the meeting to what calendar.live holds now; says what was done.

    Raises StateError where it is settled already, PayloadError for an event that cannot be read, and what calls raise.
    """
    booking = use_account(row.connection, lambda account: get_event(account, row.external_id))
    with transaction.atomic():
        close(row, Status.APPLIED, user=user)
        if booking is None:
            return cancel_here(row, follow)
        force(row, booking)
    return f"The meeting is as calendar.live has it, in version {booking.version}."


def force(row: Discrepancy, booking: Booking) -> None:
    """Apply a state though its version is known here. A newer one here is never taken back."""
    lock_subject(row.connection_id, booking.uid)
    known = Meeting.objects.filter(connection=row.connection_id, external_id=booking.id)
    known.filter(version=booking.version).update(version=BELOW_ALL)
    dispatch([BookingChanged(EVENT_TYPE, booking)], make_origin(row.run))


def cancel_here(row: Discrepancy, follow: Follow) -> str:
    """The event is gone over there: nobody will come."""
    locked = Meeting.objects.select_for_update(no_key=True)
    meeting = locked.filter(pk=row.meeting_id).first() if row.meeting_id else None
    if meeting is None:
        return "Neither calendar.live nor Keepsync has the meeting any more."
    lock_subject(row.connection_id, meeting.calendar_event_uid)
    meeting.status = Meeting.Status.CANCELLED
    meeting.save()
    follow(meeting)
    return "calendar.live has no such event: the meeting is cancelled here."


@transaction.atomic
def push_ours(row: Discrepancy, *, user: Any) -> str:
    """Plan the meeting's way to the CRM, whatever is there. A record that is another meeting's is left to that one.

    Raises StateError where it is settled already.
    """
    close(row, Status.PUSHED, user=user)
    link = MeetingLink.objects.filter(meeting=row.meeting_id, connection=row.connection_id).first()
    if link and row.kind == Kind.DUPLICATE_LINK:
        link.delete()
    elif link:
        MeetingLink.objects.filter(pk=link.pk).update(pushed_hash="")
    plan_contacts(Contact.objects.filter(attendances__meeting=row.meeting_id).distinct(), [row.connection])
    if row.meeting_id is not None:
        plan_meeting(row.meeting_id, row.connection_id)
    return f"An effect brings the meeting to {row.connection}."


def ask_for_ours(row: Discrepancy, *, user: Any) -> str:
    """Ask calendar.live for a change to what the meeting is here, like anybody's change; says what was done.

    Raises StateError where it is settled already, or something newer stands there; RefusedError, TakenError, and what
    calls raise. Then it waits on.
    """
    if row.meeting is None:
        raise StateError("There is no such meeting here any more.")
    meeting = row.meeting
    booking = use_account(row.connection, lambda account: get_event(account, row.external_id))
    if booking is None or booking.version != meeting.version:
        raise StateError("calendar.live holds another version by now: compare again.")
    if not Discrepancy.objects.filter(pk=row.pk, status=Status.OPEN).exists():
        raise StateError(SETTLED)
    settled = restore_event(meeting, booking, find_differences(meeting, booking), user_id=user.pk)
    close(row, Status.PUSHED, user=user)
    if not settled.is_done:
        return "calendar.live is away: it is asked for the change once it is back."
    return "calendar.live has the meeting as it is here."


def dismiss(row: Discrepancy, reason: str, *, user: Any) -> str:
    """Leave both sides as they are. The same discrepancy is not found again. Raises StateError."""
    if not reason.strip():
        raise StateError("Say why: the reason is kept with the discrepancy.")
    close(row, Status.DISMISSED, user=user, reason=reason.strip()[:ERROR_LENGTH])
    return "It is dismissed, and not found again unless something else differs."


def close(row: Discrepancy, status: Discrepancy.Status, *, user: Any, reason: str = "") -> None:
    waiting = Discrepancy.objects.filter(pk=row.pk, status=Status.OPEN)
    if not waiting.update(status=status, closed_by=user, closed_at=timezone.now(), reason=reason):
        raise StateError(SETTLED)
