"""What bookings do when something happens at a provider."""

from bookings import field_conflicts, meeting_section, merging, residency, retention  # noqa: F401
from bookings.adoption import read_reference
from bookings.automations import follow
from bookings.flows import crm_booking, online_meeting, restoring, taking_in  # noqa: F401
from bookings.models import Invitation, Meeting, MeetingLink
from bookings.payments import Told, lock_payments, settle
from bookings.record_hints import note_change, note_deletion
from bookings.upserts import read_payment, settle_older_payment, upsert_meeting
from integrations.events import (
    BookingChanged,
    OnlineMeetingChanged,
    Origin,
    Outcome,
    PaymentChanged,
    RecordChanged,
    RecordDeleted,
    RecordKind,
    RegistrantChanged,
    handles,
)


@handles(BookingChanged)
def change_meeting(event: BookingChanged, origin: Origin) -> Outcome:
    if told := read_payment(event.booking):
        lock_payments(told)
    meeting = upsert_meeting(event.booking, origin)
    outcome = Outcome.STALE if meeting is None else Outcome.APPLIED
    if changed := meeting or settle_older_payment(event.booking, origin):
        follow(changed)
    return outcome


@handles(PaymentChanged)
def change_payment(event: PaymentChanged, origin: Origin) -> Outcome:
    """Stripe's word on a payment. One that comes before its booking is kept for it."""
    told = Told(
        by="stripe",
        session_id=event.session_id,
        status=event.status,
        payment_intent=event.payment_intent,
        amount=event.amount,
        currency=event.currency,
    )
    lock_payments(told)
    for meeting in settle(told, meeting=find_referenced(event)).meetings:
        follow(meeting)
    return Outcome.APPLIED


def find_referenced(event: PaymentChanged) -> Meeting | None:
    """The meeting that a session of ours was made for, locked."""
    meeting_id = read_reference(event.client_reference)
    return Meeting.objects.select_for_update(no_key=True).filter(pk=meeting_id).first() if meeting_id else None


@handles(OnlineMeetingChanged)
def change_online_meeting(event: OnlineMeetingChanged, origin: Origin) -> Outcome:
    """A meeting that was deleted in Zoom is made anew; other changes there are put right with the next change here."""
    link = MeetingLink.objects.filter(connection=origin.connection_id, external_id=event.external_id).first()
    if link and event.change == "deleted":
        online_meeting.notice_deletion(link)
    return Outcome.APPLIED


@handles(RegistrantChanged)
def change_registrant(event: RegistrantChanged, origin: Origin) -> Outcome:
    """A registration that was cancelled in Zoom: that attendee has no link any more."""
    if event.change in ("cancelled", "denied"):
        gone = Invitation.objects.filter(online_id=event.external_id, registrant_id=event.registrant_id)
        for invitation in gone.exclude(registrant_id=""):
            online_meeting.forget_registrant(invitation)
    return Outcome.APPLIED


@handles(RecordChanged)
def change_meeting_record(event: RecordChanged, origin: Origin) -> Outcome:
    """A sales rep has made or changed a meeting in a CRM."""
    if event.record != RecordKind.MEETING:
        return Outcome.NOT_MINE
    note_change(origin.connection_id, event.external_id)
    return Outcome.APPLIED


@handles(RecordDeleted)
def delete_meeting_record(event: RecordDeleted, origin: Origin) -> Outcome:
    """A CRM's meeting was deleted there."""
    if event.record == RecordKind.MEETING:
        note_deletion(origin.connection_id, event.external_id)
    return Outcome.APPLIED
