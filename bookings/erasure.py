"""Forgetting a person in bookings. The meetings themselves stay: they are the calendar's, and others'.

- Attendances and invitations keep their place, without name, address, points and personal link.
- A meeting of this person alone loses title, description, answers and the link to pay.
- What was asked for and answered when one of these was booked through the API is emptied, once it is done.
- In a meeting with others the person's full name, addresses and numbers are masked in the title, the description and
  the answers; the answers go altogether where the person is the first attendee, who has filled the form in. A given
  name alone is left: nobody could tell it from a word.
- Conflicts about fields of the person, and of these meetings, go: both sides keep what they hold.
"""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from bookings.models import Attendance, BookingRequest, Conflict, Invitation, Meeting, Payment
from bookings.traces import Traces, find_payments
from contacts.dossiers import Family, join_marks
from contacts.histories import delete_history, history_of
from contacts.marks import Marks
from contacts.normalisation import normalise_email, normalise_phone
from integrations.events import BookedAttendee
from integrations.privacy.encryption import list_unreadable
from integrations.privacy.payload_erasure import erase_payloads

TEXTS = ("title", "description", "answers")
CLEARED: dict[str, Any] = {"title": "", "description": "", "answers": [], "payment_url": ""}
BATCH = 500


def forget(traces: Traces, marks: Marks, family: Family) -> None:
    forget_texts(traces, marks)
    Conflict.objects.filter(find_disputes(traces.meetings, family)).delete()
    done = BookingRequest.objects.filter(meeting__in=traces.meetings, finished_at__isnull=False)
    done.update(body={}, base={}, answer=None, answer_status=None)
    forget_failed(marks)
    delete_history(Attendance, traces.attendances)
    Attendance.objects.filter(pk__in=traces.attendances).update(email="", full_name="", lead_score=0, said={})
    delete_history(Invitation, traces.invitations)
    Invitation.objects.filter(pk__in=traces.invitations).update(email="", full_name="", join_url="")


def forget_failed(marks: Marks) -> None:
    """What was asked for in this person's name, and could not be booked: no meeting leads to it."""
    failed = BookingRequest.objects.filter(meeting=None, finished_at__isnull=False, answer__isnull=False)
    telling = [
        row.pk
        for row in failed.iterator(chunk_size=BATCH)
        if not list_unreadable(row) and marks.identifying.are_in([row.body, row.base, row.answer])
    ]
    BookingRequest.objects.filter(pk__in=telling).update(body={}, base={}, answer=None, answer_status=None)


def find_disputes(meetings: Collection[UUID], family: Family) -> Q:
    """Conflicts that hold values of the person's, or of meetings that the person attends."""
    return Q(kind=Conflict.Kind.FIELD) & (Q(contact__in=family) | Q(meeting__in=meetings))


def forget_texts(traces: Traces, marks: Marks) -> None:
    """In the meetings as they are, and in all that they were."""
    history = history_of(Meeting)
    payments = Payment.objects.filter(find_payments(traces.alone)) if traces.alone else Payment.objects.none()
    keys = list(payments.values_list("pk", flat=True))
    Meeting.objects.filter(pk__in=traces.alone).update(**CLEARED)
    history.filter(id__in=traces.alone).update(**CLEARED)
    payments.update(url="")
    history_of(Payment).filter(id__in=keys).update(url="")
    shared = traces.meetings - traces.alone
    mask_rows(Meeting.objects.filter(pk__in=shared), traces, marks)
    mask_rows(history.filter(id__in=shared), traces, marks)


def mask_rows(rows: QuerySet[Any], traces: Traces, marks: Marks) -> None:
    changed = [row for row in rows if mask_row(row, marks, has_answered=row.id in traces.booked)]
    rows.model._default_manager.bulk_update(changed, TEXTS, batch_size=BATCH)


def mask_row(row: Any, marks: Marks, *, has_answered: bool) -> bool:
    """Mask a meeting's texts in place. Whether anything has changed. What cannot be read is left as it is stored."""
    if list_unreadable(row):
        return False
    masked = {field: marks.mask_all(getattr(row, field)) for field in TEXTS}
    if has_answered:
        masked["answers"] = []
    is_changed = any(getattr(row, field) != value for field, value in masked.items())
    for field, value in masked.items():
        setattr(row, field, value)
    return is_changed


# --- What comes later -------------------------------------------------------------------------------------------------


def forget_again(meeting: Meeting, attendees: Iterable[BookedAttendee], delivery_id: UUID | None) -> None:
    """A state of the time before has come after these attendees were erased: it is forgotten as well."""
    named = [read_marks(attendee) for attendee in attendees]
    if not named:
        return
    erase_payloads([delivery_id] if delivery_id else [])
    erased_at = list(meeting.attendances.order_by("id").values_list("contact__erased_at", flat=True))
    this, nothing = frozenset({meeting.pk}), frozenset[Any]()
    is_alone, has_answered = all(erased_at), erased_at[0] is not None
    traces = Traces(nothing, this, this if is_alone else nothing, this if has_answered else nothing, nothing)
    forget_texts(traces, join_marks(named))
    meeting.refresh_from_db(fields=list(CLEARED))


def read_marks(attendee: BookedAttendee) -> Marks:
    email, phone = normalise_email(attendee.email), normalise_phone(attendee.phone, attendee.country)
    return Marks(
        emails=frozenset({email} if email else ()),
        phones=frozenset({phone} if phone else ()),
        names=frozenset({attendee.full_name.strip()} - {""}),
    )
