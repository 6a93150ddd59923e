"""What a meeting shows where some of its attendees' data may not go: it goes without them.

They are not linked to it there, and their names, addresses and numbers are masked in its title and description. A
meeting of which nobody may go there waits (residency.py). What it is about is otherwise its organiser's to say.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from uuid import UUID

from bookings.models import Attendance, Meeting
from contacts.claims import Kind
from contacts.identifiers import list_values
from contacts.marks import Marks
from contacts.models import Contact
from contacts.residency import read_regions
from integrations.models import Connection
from integrations.privacy.residency import Policy, read_policy

WITHHELD = "[withheld]"


@dataclass(frozen=True, slots=True)
class Withheld:
    """Whose data is left out of a meeting at one connection, and what names them. Nobody's, unless it says so."""

    contacts: frozenset[UUID] = frozenset()
    marks: Marks = field(default_factory=lambda: Marks(mask_word=WITHHELD))
    note: str = ""

    def mask(self, meeting: Meeting) -> Meeting:
        """The meeting as it may be shown there: a copy, not to be saved, where anybody is left out."""
        if not self.contacts:
            return meeting
        shown = copy(meeting)
        shown.title, shown.description = self.marks.mask(meeting.title), self.marks.mask(meeting.description)
        return shown


NOBODY = Withheld()


def find_withheld(connection: Connection, meetings: Iterable[Meeting]) -> Mapping[UUID, Withheld]:
    """Meeting → whose data it goes without. Nothing is asked for a connection that is open to all."""
    ids = [meeting.pk for meeting in meetings]
    nobody = dict.fromkeys(ids, NOBODY)
    if not connection.region or not (policy := read_policy()).is_on:
        return nobody
    attending = Attendance.objects.filter(meeting__in=ids).select_related("contact")
    rows = list(attending.prefetch_related("contact__identifiers").order_by("id"))
    regions = read_regions({row.contact_id for row in rows}, policy)
    refused: dict[UUID, list[Attendance]] = defaultdict(list)
    for row in rows:
        region = regions.get(row.contact_id)
        if region is not None and not policy.allows(region, connection.region):
            refused[row.meeting_id].append(row)
    return nobody | {key: withhold(each, regions, connection, policy) for key, each in refused.items()}


def withhold(
    refused: list[Attendance], regions: Mapping[UUID, str], connection: Connection, policy: Policy
) -> Withheld:
    contacts = frozenset(row.contact_id for row in refused)
    whence = " and ".join(sorted({policy.name(regions[key]) for key in contacts}))
    people = "One attendee was" if len(contacts) == 1 else f"{len(contacts)} attendees were"
    where = policy.name(connection.region)
    note = f"{people} left out: data of contacts of {whence} may not go to {connection}, which is in {where}."
    return Withheld(contacts, read_marks(refused), note)


def read_marks(refused: Iterable[Attendance]) -> Marks:
    people: list[Contact] = [row.contact for row in refused]
    names = {row.full_name for row in refused} | {contact.full_name for contact in people}
    emails = {row.email.lower() for row in refused} | {
        email for contact in people for email in list_values(contact, Kind.EMAIL)
    }
    phones = {phone for contact in people for phone in list_values(contact, Kind.PHONE)}
    return Marks(
        emails=frozenset(emails - {""}),
        phones=frozenset(phones),
        names=frozenset(name.strip() for name in names if name.strip()),
        mask_word=WITHHELD,
    )


def show_at(connection: Connection, meeting: Meeting) -> tuple[Meeting, str]:
    """One meeting as it may be shown at a connection, and the note on who was left out."""
    withheld = find_withheld(connection, [meeting])[meeting.pk]
    return withheld.mask(meeting), withheld.note
