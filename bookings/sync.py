"""Bringing meetings to the CRMs: planned when a meeting has changed, made from its state when the effect runs."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.utils import timezone

from bookings.models import Attendance, BookingRequest, Meeting, MeetingLink
from bookings.timezones import format_instant
from bookings.untold_changes import Push, leave_untold
from bookings.withholding import Withheld, find_withheld
from contacts.models import Contact, ContactLink
from contacts.sync import on_first_link, plan_contacts
from integrations import mappings
from integrations.effect_kinds import Result, Skipped, Task, carries_out_together
from integrations.effects import OPEN, plan
from integrations.models import Connection, Effect, FieldMapping
from integrations.models.provenance import caused_by, create_recorded
from integrations.ownership import are_exchanged, is_exchanged, is_there, list_unchanged, note_sent
from integrations.pairs import list_crms, save_prepared
from integrations.providers.crm import CrmContact, CrmMeeting
from integrations.pushes import UNCHANGED, Pushed, push

UPSERT = "meeting.upsert"
# Under which names it is noted what was sent beside the values.
CONTACTS, CANCELLED = " contacts", " cancelled"
CROSSED = Skipped("Somebody has changed the same over there meanwhile: the record is looked at before it is written.")


def follow(meeting: Meeting) -> None:
    """Bring a meeting and its contacts to the paired CRMs."""
    crms = list_crms(meeting.connection_id)
    if not crms:
        return
    plan_contacts(Contact.objects.filter(attendances__meeting=meeting).distinct(), crms)
    for crm in crms:
        plan_meeting(meeting.pk, crm.pk)


def plan_meeting(meeting_id: UUID, connection_id: int) -> None:
    plan(UPSERT, connection_id=connection_id, subject=f"meeting:{meeting_id}")


@on_first_link
def complete_meetings(connection: Connection, contacts: Sequence[Pushed[CrmContact]]) -> None:
    """Contacts that have come to a CRM after their meetings join them there: those that are, and those on their way.

    The effects are read before the links, so that one that ends in between is seen as a link.
    """
    led_by = {each.key: each.delivery_id for each in contacts}
    attended = Attendance.objects.filter(contact__in=led_by).order_by("meeting", "contact")
    meetings = {meeting_id: led_by[contact_id] for meeting_id, contact_id in attended.values_list("meeting", "contact")}
    subjects = {f"meeting:{key}": key for key in meetings}
    on_their_way = Effect.objects.filter(connection=connection, kind=UPSERT, status__in=OPEN, subject__in=subjects)
    found = {subjects[subject] for subject in on_their_way.values_list("subject", flat=True)}
    links = MeetingLink.objects.filter(connection=connection, meeting__in=meetings)
    found |= set(links.values_list("meeting", flat=True))
    for meeting_id in sorted(found):
        with caused_by(meetings[meeting_id]):
            plan_meeting(meeting_id, connection.pk)


@carries_out_together(UPSERT, is_state=True, priority=1)
def push_meetings(tasks: Sequence[Task]) -> Sequence[Result]:
    """Create or update meetings at one CRM, with those of their contacts that are there."""
    connection, account = tasks[0].connection, tasks[0].account
    batch = Batch(connection, mappings.Owners(connection, account), [task.subject_id for task in tasks])
    batch.untold = leave_untold(connection, account, batch.list_updates(tasks), mapping=batch.mapping)
    crm = mappings.get_crm(connection)
    return push(
        tasks,
        make=batch.make_record,
        save=lambda records: save_prepared(connection, lambda: crm.save_meetings(account, records)),
        link=lambda pushed: link_meetings(connection, pushed),
        note=lambda task: batch.withheld[UUID(task.subject_id)].note,
    )


class Batch:
    """What is needed to make the records of several meetings, loaded at once. `untold` is left alone over there."""

    def __init__(self, connection: Connection, owners: mappings.Owners, ids: Sequence[str]) -> None:
        self.owners = owners
        self.meetings = load_meetings(ids)
        self.mapping = mappings.read_mapping(connection, FieldMapping.Record.MEETING)
        links = MeetingLink.objects.filter(connection=connection, meeting__in=self.meetings.values())
        self.links = {link.meeting_id: link for link in links}
        asked = BookingRequest.objects.filter(crm=connection, finished_at=None, meeting__in=self.meetings.values())
        self.asked = set(asked.exclude(kind=BookingRequest.Kind.CREATE).values_list("meeting_id", flat=True))
        people = ContactLink.objects.filter(
            connection=connection,
            contact__attendances__meeting__in=self.meetings.values(),
            contact__erased_at=None,
        )
        self.contact_ids = dict(people.values_list("contact_id", "external_id"))
        self.withheld: Mapping[UUID, Withheld] = find_withheld(connection, self.meetings.values())
        self.untold: Mapping[UUID, frozenset[str]] = {}

    def list_updates(self, tasks: Sequence[Task]) -> Iterator[Push]:
        """What would be written over records that are there, unless it is decided that all of ours goes there.

        Of a try whose answer was lost nobody knows who wrote.
        """
        for task in tasks:
            meeting = self.meetings.get(task.subject_id)
            link = self.links.get(meeting.pk) if meeting else None
            if meeting and link and link.pushed_hash and not link.is_gone and not task.is_repeat:
                yield meeting, link, self.describe(meeting)

    def make_record(self, task: Task) -> CrmMeeting | Skipped:
        meeting = self.meetings.get(task.subject_id)
        if meeting is None:
            return Skipped("The meeting is not there any more.")
        link = self.links.get(meeting.pk)
        if link and link.is_gone and meeting.status == Meeting.Status.CANCELLED:
            return Skipped("Its record was deleted over there, and the meeting is cancelled.")
        if meeting.pk in self.asked:
            return Skipped("calendar.live is asked for what the record holds: what comes of it is brought there.")
        record = self.describe(meeting, may_exist=task.is_repeat)
        if link and is_there(link, list_all(record)):
            return UNCHANGED
        return CROSSED if link and self.has_nothing_left(link, record) else record

    def has_nothing_left(self, link: MeetingLink, record: CrmMeeting) -> bool:
        if link.meeting_id not in self.untold:
            return False
        return are_exchanged(link.exchanged, {**record.list_changed(), **list_beside(record)})

    def describe(self, meeting: Meeting, *, may_exist: bool = False) -> CrmMeeting:
        """What the meeting is to be at the CRM."""
        link = self.links.get(meeting.pk)
        withheld = self.withheld[meeting.pk]
        contacts = [each.contact for each in meeting.attendances.all() if each.contact_id not in withheld.contacts]
        owner = self.owners.find(contacts[0].owner) if contacts else None
        there = [self.contact_ids[contact.pk] for contact in contacts if contact.pk in self.contact_ids]
        values = mappings.map_values(self.mapping, read_values(withheld.mask(meeting), owner))
        is_cancelled = meeting.status == Meeting.Status.CANCELLED
        return CrmMeeting(
            key=str(meeting.pk),
            values=values,
            unchanged=list_unchanged(link, values) | self.untold.get(meeting.pk, frozenset()),
            keeps_status=link is not None and is_exchanged(link.exchanged, CANCELLED, is_cancelled),
            external_id=link.external_id if link else "",
            may_exist=may_exist,
            contact_ids=tuple(dict.fromkeys(there)),
            is_cancelled=is_cancelled,
        )


def load_meetings(ids: Sequence[str]) -> dict[str, Meeting]:
    attendances = Attendance.objects.select_related("contact__owner").order_by("id")
    rows = Meeting.objects.select_related("calendar").prefetch_related(Prefetch("attendances", attendances))
    return {str(meeting.pk): meeting for meeting in rows.filter(pk__in=ids)}


def read_values(meeting: Meeting, owner: str | None) -> dict[str, Any]:
    """The meeting in the words of integrations/mappings.py; None for what is not known."""
    minutes = round((meeting.end - meeting.start).total_seconds() / 60)
    start = meeting.start.astimezone(UTC)
    return {
        "external_id": None if meeting.is_pending else meeting.external_id,
        "calendar_event_uid": meeting.calendar_event_uid or None,
        "title": meeting.title,
        "description": meeting.description or None,
        "start": format_instant(meeting.start),
        "end": format_instant(meeting.end),
        "start_date": start.strftime("%Y-%m-%d"),
        "start_time": start.strftime("%H:%M"),
        "duration": f"{minutes // 60:02d}:{minutes % 60:02d}",
        "duration_minutes": minutes,
        "timezone": meeting.timezone,
        "status": meeting.status,
        "join_url": meeting.join_url or meeting.made_join_url or None,
        "calendar": meeting.calendar.name,
        "payment_session_id": meeting.payment_session_id or None,
        "payment_status": meeting.payment_status or None,
        "owner": owner,
    }


def hash_record(record: CrmMeeting) -> str:
    return mappings.hash_values(list_all(record))


def list_all(record: CrmMeeting) -> dict[str, Any]:
    """The values, and what is sent beside them: who attends, and whether it takes place."""
    return {**record.values, **list_beside(record)}


def list_beside(record: CrmMeeting) -> dict[str, Any]:
    return {CONTACTS: record.contact_ids, CANCELLED: record.is_cancelled}


def link_meetings(connection: Connection, pushed: Sequence[Pushed[CrmMeeting]]) -> None:
    """Remember the CRM's ids and what was sent."""
    rows = MeetingLink.objects.filter(connection=connection, meeting__in=[each.key for each in pushed])
    known, now, new = {link.meeting_id: link for link in rows}, timezone.now(), []
    for each in pushed:
        link = known.get(each.key) or MeetingLink(connection=connection, meeting_id=each.key)
        if link.external_id != each.external_id:
            link.exchanged = {}
        link.external_id, link.pushed_hash = each.external_id, hash_record(each.record)
        link.exchanged = note_sent(link.exchanged, {**each.record.list_changed(), **list_beside(each.record)})
        link.pushed_at, link.is_gone = now, False
        if link._state.adding:
            new.append((link, each.delivery_id))
        else:
            with caused_by(each.delivery_id):
                link.save()
    create_recorded([link for link, _ in new], [delivery_id for _, delivery_id in new])
