"""Conflicts of fields: both sides have changed one since they last agreed, and a person decides whose value counts."""

from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from bookings.conflicts import close
from bookings.crm_records import CANCELLED
from bookings.flows.crm_booking import Settled
from bookings.flows.notices import announce_conflict
from bookings.models import Conflict, Meeting, MeetingLink
from bookings.ordering import cancel_meeting, change_meeting
from bookings.record_changes import write_time
from bookings.sync import plan_meeting
from contacts import arbitration
from integrations import ownership
from integrations.exceptions import StateError
from integrations.models import FieldMapping
from integrations.ownership import Dispute, Record, list_names, on_dispute, on_end_of_dispute

Kind, Status = Conflict.Kind, Conflict.Status
OVER = "This conflict is settled by now."


@on_dispute
def open_field_conflict(dispute: Dispute) -> None:
    """Tell it, unless it is open already: then it is about the latest values."""
    is_meeting = dispute.record == Record.MEETING
    conflict, is_new = Conflict.objects.update_or_create(
        kind=Kind.FIELD,
        status=Status.OPEN,
        connection_id=dispute.connection_id,
        field=dispute.field,
        meeting_id=dispute.key if is_meeting else None,  # type: ignore[misc]
        contact_id=None if is_meeting else dispute.key,
        defaults={
            "ours": dispute.ours,
            "theirs": dispute.theirs,
            "ours_at": dispute.ours_at,
            "theirs_at": dispute.theirs_at,
            "ours_by": dispute.ours_by,
            "theirs_by": dispute.theirs_by,
        },
    )
    if is_new:
        announce_conflict(conflict)


@on_end_of_dispute
def close_field_conflict(connection_id: int, record: FieldMapping.Record, key: UUID, field: str) -> None:
    """It is settled, and nobody had to decide."""
    about = Q(meeting=key) if record == Record.MEETING else Q(contact=key)
    found = Conflict.objects.filter(about, kind=Kind.FIELD, status=Status.OPEN, connection=connection_id, field=field)
    for conflict in found:
        close(conflict, Status.SETTLED)


@transaction.atomic
def keep_ours(conflict: Conflict, user: User) -> None:
    """Our value goes to the CRM. Raises StateError where it is settled already."""
    settle(conflict, user)
    if conflict.meeting_id:
        undispute(conflict)
        plan_meeting(conflict.meeting_id, crm_of(conflict))
    elif conflict.contact_id:
        arbitration.keep_ours(conflict.contact_id, crm_of(conflict), conflict.field)


def take_theirs(conflict: Conflict, user: User) -> Settled | None:
    """The CRM's value comes here; for a meeting calendar.live is asked, and what came of that is returned.

    Raises StateError where it is settled already, TakenError and RefusedError as `change_meeting` does, and
    ConflictError for an identifier that is somebody else's: then it stays open.
    """
    if not Conflict.objects.filter(pk=conflict.pk, status=Status.OPEN).exists():
        raise StateError(OVER)
    settled = None
    if conflict.meeting:
        settled = ask_for(conflict, conflict.meeting, user)
    with transaction.atomic():
        settle(conflict, user)
        if conflict.contact_id:
            arbitration.take_theirs(conflict.contact_id, crm_of(conflict), conflict.field, conflict.theirs)
        else:
            undispute(conflict)
    return settled


def ask_for(conflict: Conflict, meeting: Meeting, user: User) -> Settled:
    """Change the meeting at calendar.live to what the CRM says."""
    if conflict.field == "status":
        if conflict.theirs != CANCELLED:
            raise StateError("A meeting that is cancelled is not brought back: book it anew.")
        return cancel_meeting(meeting, user_id=user.pk)
    wished = write_time(conflict.theirs) if conflict.field == "time" else {conflict.field: conflict.theirs}
    return change_meeting(meeting, wished, calendar=meeting.calendar, user_id=user.pk)


def settle(conflict: Conflict, user: User) -> None:
    if not close(conflict, Status.SETTLED, user):
        raise StateError(OVER)


def undispute(conflict: Conflict) -> None:
    """The field is sent to the CRM again as soon as it differs."""
    link = MeetingLink.objects.select_for_update(of=("self",)).select_related("connection")
    for row in link.filter(meeting=conflict.meeting_id, connection=conflict.connection_id):
        ownership.undispute(row, list_names(row.connection, Record.MEETING, conflict.field))
        row.save(update_fields=["disputed"])


def crm_of(conflict: Conflict) -> int:
    if conflict.connection_id is None:
        raise StateError("This conflict is no field's.")
    return conflict.connection_id
