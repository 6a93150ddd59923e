"""What bookings hold about a person, as JSON: see contacts/personal_data.py."""

from collections.abc import Iterable
from typing import Any

from bookings.models import Attendance, Invitation, Meeting, Payment
from bookings.traces import Traces, find_payments
from contacts.histories import history_of, show, tell_changes
from integrations.privacy.encryption import list_unreadable, show_unreadable


@show_unreadable()
def export(traces: Traces) -> dict[str, Any]:
    return {
        "meetings": export_meetings(traces),
        "invitations": [export_invitation(each) for each in list_invitations(traces)],
        "payments": [export_payment(each) for each in list_payments(traces)],
        "changes": [
            *tell_changes(Attendance, traces.attendances),
            *tell_changes(Invitation, traces.invitations),
        ],
    }


def export_meetings(traces: Traces) -> list[dict[str, Any]]:
    """Those that the person attends, and those from which the attendee was removed (`attendee.removed`).

    Answers are the person's where it is the first attendee, who has filled the form in.
    """
    meetings = Meeting.objects.filter(pk__in=traces.meetings).select_related("connection", "calendar")
    by_key = {meeting.pk: meeting for meeting in meetings}
    told = [export_meeting(by_key[each.meeting_id], each, traces) for each in list_attendances(traces)]
    return sorted(told, key=lambda meeting: str(meeting["start"]))


def list_attendances(traces: Traces) -> Iterable[Any]:
    """The attendances as they are, and those that were deleted as they were last."""
    current = list(Attendance.objects.filter(pk__in=traces.attendances))
    gone = history_of(Attendance).filter(id__in=traces.attendances - {each.pk for each in current})
    kept = gone.filter(meeting__in=traces.meetings)
    return [*current, *kept.order_by("id", "-history_id").distinct("id")]


def export_meeting(meeting: Meeting, attendance: Any, traces: Traces) -> dict[str, Any]:
    has_answered = meeting.pk in traces.booked | traces.alone
    return {
        "id": str(meeting.pk),
        "connection": meeting.connection.slug,
        "external_id": meeting.external_id,
        "calendar": meeting.calendar.external_id,
        "status": meeting.status,
        "title": meeting.title,
        "description": meeting.description,
        "start": show(meeting.start),
        "end": show(meeting.end),
        "timezone": meeting.timezone,
        "rrule": meeting.rrule,
        "answers": read_answers(meeting) if has_answered else [],
        "attendee": {
            "id": attendance.attendee_id,
            "email": attendance.email,
            "full_name": attendance.full_name,
            "response": attendance.response,
            "lead_score": attendance.lead_score,
            "removed": not isinstance(attendance, Attendance),
        },
    }


def read_answers(meeting: Meeting) -> Any:
    """Empty where they cannot be read."""
    return [] if "answers" in list_unreadable(meeting) else meeting.answers


def list_invitations(traces: Traces) -> Iterable[Invitation]:
    return Invitation.objects.filter(pk__in=traces.invitations).order_by("pk")


def export_invitation(invitation: Invitation) -> dict[str, Any]:
    return {
        "id": str(invitation.pk),
        "meeting": str(invitation.meeting_id),
        "email": invitation.email,
        "full_name": invitation.full_name,
        "registrant_id": invitation.registrant_id,
        "join_url": invitation.join_url,
        "confirmed_at": show(invitation.confirmed_at),
        "created_at": show(invitation.created_at),
    }


def list_payments(traces: Traces) -> Iterable[Payment]:
    """Of the meetings that the person has booked. Of others' bookings nobody knows who has paid for whom."""
    mine = traces.booked | traces.alone
    return Payment.objects.filter(find_payments(mine)).order_by("pk") if mine else []


def export_payment(payment: Payment) -> dict[str, Any]:
    return {
        "id": str(payment.pk),
        "meeting": show(payment.meeting_id),
        "session_id": payment.session_id,
        "payment_intent": payment.payment_intent,
        "status": payment.status,
        "amount": payment.amount,
        "currency": payment.currency,
        "url": payment.url,
        "paid_at": show(payment.paid_at),
    }
