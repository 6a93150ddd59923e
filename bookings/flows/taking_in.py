"""A sales rep makes, moves, renames, cancels or deletes a meeting in a CRM: it takes the same path as one of the API.

1. A webhook is a hint: the record is fetched, with who owns it and who attends.
2. A record that is no meeting of ours yet becomes a booking (rep_booking.py). What has changed about one that is, as
   far as the pair's pattern lets it, becomes a change or a cancellation (rep_changes.py).
3. An effect of calendar.live's connection carries that out (crm_booking.py): calendar.live has the last word. Then the
   record is looked at once more, because it may have changed meanwhile.
"""

from collections.abc import Mapping, Sequence

from bookings.flows import rep_booking, rep_changes
from bookings.flows.rep_booking import Desk
from bookings.models import BookingRequest, MeetingLink
from bookings.record_hints import TAKE_IN, may_book
from bookings.sync import UPSERT
from integrations import mappings
from integrations.effect_kinds import Result, Skipped, Task, carries_out_together
from integrations.effects import OPEN
from integrations.exceptions import KeepsyncError, TransientError
from integrations.models import Connection, Effect, FieldMapping
from integrations.models.provenance import caused_by
from integrations.providers.crm import MeetingRecord

NO_MEETING = Skipped("It stands among the CRM's meetings, and is none.")
NOT_THERE = Skipped("The record is not there any more.")
OURS = Skipped("Keepsync has made this record itself.")
ASKED = Skipped("calendar.live is being asked for an earlier state of it. It is looked at again after that.")
MAY_NOT = Skipped("No pair lets what is made in this CRM into calendar.live.")


@carries_out_together(TAKE_IN, is_state=True)
def take_in(tasks: Sequence[Task]) -> Sequence[Result]:
    """Look at records of one CRM, as they are now. One at fault never holds back the others."""
    connection, account = tasks[0].connection, tasks[0].account
    ids = [task.subject_id for task in tasks]
    seen = read_links(connection, ids)
    fields = dict.fromkeys(theirs for _, theirs in mappings.read_mapping(connection, FieldMapping.Record.MEETING))
    records = mappings.get_crm(connection).fetch_meetings(account, ids, fields=list(fields))
    desk = Desk(connection, account)
    return [take(task, record, seen, desk) for task, record in zip(tasks, records, strict=True)]


def read_links(connection: Connection, ids: Sequence[str]) -> dict[str, MeetingLink]:
    """As they are before the records are fetched."""
    return {link.external_id: link for link in MeetingLink.objects.filter(connection=connection, external_id__in=ids)}


def take(task: Task, record: MeetingRecord | None, seen: Mapping[str, MeetingLink], desk: Desk) -> Result:
    try:
        with caused_by(task.delivery_id):
            return take_record(task.subject_id, record, seen.get(task.subject_id), desk)
    except KeepsyncError as error:
        return error


def take_record(record_id: str, record: MeetingRecord | None, seen: MeetingLink | None, desk: Desk) -> Result:
    if record and not record.is_meeting:
        return NO_MEETING
    asked = BookingRequest.objects.filter(crm=desk.crm, record_id=record_id, finished_at=None)
    # One that is postponed, and was never asked for, can still become another one.
    if asked.exclude(kind=BookingRequest.Kind.CREATE, is_postponed=True).exists():
        return ASKED
    link = MeetingLink.objects.filter(connection=desk.crm, external_id=record_id).first()
    if link:
        return rep_changes.take(link, record, seen)
    if record is None:
        return NOT_THERE
    if record.key:
        check_key(desk.crm, record.key)
        return OURS
    return rep_booking.take(record, desk) if may_book(desk.crm.pk) else MAY_NOT


def check_key(crm: Connection, key: str) -> None:
    """Raises TransientError where the record was made by a push whose answer is still to be written down."""
    pushes = Effect.objects.filter(connection=crm, kind=UPSERT, subject=f"meeting:{key}")
    if pushes.filter(status__in=OPEN).exists():
        raise TransientError("What has made this record is being written down.")
